package gatehouse_test

import (
	"go/ast"
	"path"
	"slices"
	"strings"
)

const (
	maxFileLines     = 500
	maxFuncLines     = 70
	maxTestFileLines = 800
)

// vagueNames say nothing about what a package is for, so everything ends up
// in them.
var vagueNames = []string{"util", "utils", "common", "core", "helper", "helpers"}

// checkDocs wants a package doc in every package.
func checkDocs(h *house) []finding {
	var out []finding
	for _, p := range h.pkgs {
		dir, _ := houseDir(p.PkgPath)
		f := h.firstFile(dir)
		if f == nil || slices.ContainsFunc(h.files, func(f *file) bool { return f.dir() == dir && hasDoc(f) }) {
			continue
		}
		out = append(out, h.at("doc", f, f.syntax.Package, "no file's package doc begins with %q", docStart(f)))
	}
	return out
}

func hasDoc(f *file) bool {
	return !f.test && strings.HasPrefix(f.syntax.Doc.Text(), docStart(f))
}

// docStart is how Go's own habit begins a package doc.
func docStart(f *file) string {
	if f.syntax.Name.Name == "main" {
		return "Command " + path.Base(f.dir()) + " "
	}
	return "Package " + f.syntax.Name.Name + " "
}

// checkNames refuses names that say nothing.
func checkNames(h *house) []finding {
	var out []finding
	for _, p := range h.pkgs {
		dir, _ := houseDir(p.PkgPath)
		f := h.firstFile(dir)
		if f != nil && (slices.Contains(vagueNames, p.Name) || slices.Contains(vagueNames, path.Base(dir))) {
			out = append(out, h.at("name", f, f.syntax.Package, "name the package after what it does"))
		}
	}
	return out
}

// checkLengths keeps files and functions readable in one go. Functions are
// measured in product files only: a table test is long by nature.
func checkLengths(h *house) []finding {
	var out []finding
	for _, f := range h.files {
		if f.generated {
			continue
		}
		limit := maxFileLines
		if f.test {
			limit = maxTestFileLines
		}
		if n := h.fset.File(f.syntax.Package).LineCount(); n > limit {
			out = append(out, h.at("length", f, f.syntax.Package, "%d lines; at most %d", n, limit))
		}
		if !f.test {
			out = append(out, longFuncs(h, f)...)
		}
	}
	return out
}

func longFuncs(h *house, f *file) []finding {
	var out []finding
	ast.Inspect(f.syntax, func(n ast.Node) bool {
		from, name := n, ""
		switch n := n.(type) {
		case *ast.FuncDecl:
			name, from = n.Name.Name, n.Type // without the doc comment
		case *ast.FuncLit:
			name = "a function literal"
		default:
			return true
		}
		lines := h.fset.Position(n.End()).Line - h.fset.Position(from.Pos()).Line + 1
		if lines > maxFuncLines {
			out = append(out, h.at("length", f, from.Pos(), "%s has %d lines; at most %d", name, lines, maxFuncLines))
		}
		return true
	})
	return out
}
