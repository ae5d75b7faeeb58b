package gatehouse_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/tools/go/packages"
)

// modulePath is the module whose folders the rules name. The fixture of the
// negative controls calls itself the same, so that it meets the same rules.
const modulePath = "gatehouse"

// house is the whole module as the rules see it.
type house struct {
	fset *token.FileSet
	// pkgs are the packages without their tests, sorted by path.
	pkgs []*packages.Package
	// files are all Go files, tests included, each once, sorted by name.
	files []*file
	// broken lists what could not be loaded, and so could not be checked.
	broken []finding
}

// file is one Go file of the house.
type file struct {
	name      string // relative to the module root, with slashes
	test      bool
	generated bool
	syntax    *ast.File
	// info is nil for a file that the build leaves out on this machine (a
	// build tag, another operating system): it is judged by its syntax.
	info *types.Info
}

// dir is the folder of the file, "." for the root.
func (f *file) dir() string { return path.Dir(f.name) }

// finding is one broken rule at one place.
type finding struct {
	rule string
	file string
	line int
	msg  string
}

func (f finding) String() string {
	return fmt.Sprintf("%s:%d: %s: %s", f.file, f.line, f.rule, f.msg)
}

// rule is one promise of the architecture.
type rule struct {
	name  string
	check func(*house) []finding
}

// rules lists every promise. allowed names the files that may use banned
// calls, each with the reason.
func rules(allowed map[string]string) []rule {
	return []rule{
		{"loads", func(h *house) []finding { return h.broken }},
		{"imports", checkImports},
		{"homes", checkHomes},
		{"mocks", checkMocks},
		{"calls", func(h *house) []finding { return checkCalls(h, allowed) }},
		{"stale", func(h *house) []finding { return checkStale(h, allowed) }},
		{"testtime", checkTestTime},
		{"words", checkWords},
		{"api", checkAPI},
		{"doc", checkDocs},
		{"name", checkNames},
		{"length", checkLengths},
	}
}

// TestArchitecture holds the house to its own rules.
func TestArchitecture(t *testing.T) {
	h, err := loadHouse(".", nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(h.pkgs) == 0 || len(h.files) == 0 {
		t.Fatal("nothing was loaded, so nothing was checked")
	}
	for _, r := range rules(allowedCalls) {
		t.Run(r.name, func(t *testing.T) {
			for _, f := range r.check(h) {
				t.Error(f)
			}
		})
	}
}

// loadHouse loads the module at root with its tests. Only our own packages are
// type-checked from source; everything else comes from export data, which the
// build cache mostly holds already.
func loadHouse(root string, env []string) (*house, error) {
	root, err := filepath.Abs(root)
	if err != nil {
		return nil, err
	}
	h := &house{fset: token.NewFileSet()}
	loaded, err := packages.Load(&packages.Config{
		Mode: packages.NeedName | packages.NeedFiles | packages.NeedCompiledGoFiles |
			packages.NeedImports | packages.NeedSyntax | packages.NeedTypes | packages.NeedTypesInfo,
		Dir:   root,
		Env:   append(os.Environ(), env...),
		Fset:  h.fset,
		Tests: true,
	}, "./...")
	if err != nil {
		return nil, fmt.Errorf("load ./...: %w", err)
	}
	seen := map[string]bool{}
	for _, p := range loaded {
		h.addPackage(root, p, seen)
	}
	if err := h.addUnbuilt(root, seen); err != nil {
		return nil, err
	}
	slices.SortFunc(h.pkgs, func(a, b *packages.Package) int { return strings.Compare(a.PkgPath, b.PkgPath) })
	slices.SortFunc(h.files, func(a, b *file) int { return strings.Compare(a.name, b.name) })
	return h, nil
}

// addPackage takes over the files of a loaded package. A package comes once
// alone and once more with its tests, so files are told apart by name.
func (h *house) addPackage(root string, p *packages.Package, seen map[string]bool) {
	for _, e := range p.Errors {
		h.broken = appendOnce(h.broken, finding{"loads", p.PkgPath, 0, e.Error()})
	}
	if p.ID == p.PkgPath && !strings.HasSuffix(p.PkgPath, ".test") {
		h.pkgs = append(h.pkgs, p)
	}
	for _, syntax := range p.Syntax {
		name, inside := relative(root, h.fset.Position(syntax.Package).Filename)
		if inside && !seen[name] {
			seen[name] = true
			h.files = append(h.files, newFile(name, syntax, p.TypesInfo))
		}
	}
}

// addUnbuilt takes over the files that the build leaves out here, so that a
// build tag hides nothing from the rules.
func (h *house) addUnbuilt(root string, seen map[string]bool) error {
	return filepath.WalkDir(root, func(full string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, _ := relative(root, full)
		if d.IsDir() {
			if name != "." && outsideModule(full, d.Name()) {
				return filepath.SkipDir
			}
			return nil
		}
		if path.Ext(name) != ".go" || seen[name] {
			return nil
		}
		syntax, err := parser.ParseFile(h.fset, full, nil, parser.ParseComments)
		if err != nil {
			h.broken = append(h.broken, finding{"loads", name, 0, err.Error()})
			return nil
		}
		h.files = append(h.files, newFile(name, syntax, nil))
		return nil
	})
}

// outsideModule says whether ./... leaves a folder out.
func outsideModule(full, base string) bool {
	if strings.HasPrefix(base, ".") || strings.HasPrefix(base, "_") || base == "testdata" || base == "vendor" {
		return true
	}
	_, err := os.Stat(filepath.Join(full, "go.mod"))
	return err == nil
}

func newFile(name string, syntax *ast.File, info *types.Info) *file {
	return &file{
		name:      name,
		test:      strings.HasSuffix(name, "_test.go"),
		generated: ast.IsGenerated(syntax),
		syntax:    syntax,
		info:      info,
	}
}

// at makes a finding at a place in a file.
func (h *house) at(rule string, f *file, pos token.Pos, format string, args ...any) finding {
	return finding{rule, f.name, h.fset.Position(pos).Line, fmt.Sprintf(format, args...)}
}

// firstFile is the first product file of a folder, where findings about the
// package as a whole are reported.
func (h *house) firstFile(dir string) *file {
	for _, f := range h.files {
		if f.dir() == dir && !f.test && f.info != nil {
			return f
		}
	}
	return nil
}

// relative is full's name below root, with slashes, and whether it is below.
func relative(root, full string) (string, bool) {
	rel, err := filepath.Rel(root, full)
	if err != nil {
		return full, false
	}
	rel = filepath.ToSlash(rel)
	return rel, rel != ".." && !strings.HasPrefix(rel, "../")
}

// houseDir is the folder of an import path of the house, "." for the root.
func houseDir(importPath string) (string, bool) {
	if importPath == modulePath {
		return ".", true
	}
	return strings.CutPrefix(importPath, modulePath+"/")
}

// within says whether name is prefix or lies below it.
func within(name, prefix string) bool {
	return name == prefix || strings.HasPrefix(name, prefix+"/")
}

// appendOnce appends what is not there yet.
func appendOnce(list []finding, f finding) []finding {
	if slices.Contains(list, f) {
		return list
	}
	return append(list, f)
}
