package gatehouse_test

import (
	"go/ast"
	"go/token"
	"go/types"
	"maps"
	"path"
	"slices"
	"strings"
)

// allowedCalls names the product files that may use what is banned elsewhere,
// and why. An entry whose file no longer needs it fails as stale.
var allowedCalls = map[string]string{
	"supervisor/real.go":            "the one place that starts goroutines and reads the clock",
	"cmd/gatehouse/main.go":         "signals and the process's exit",
	"bench/incident/real.go":        "a benchmark measures real time, and neither its traffic nor its meter may lean on what is measured",
	"bench/journal/real.go":         "a benchmark measures real time, and its load is bare goroutines",
	"bench/soak/gateway.go":         "the other systems of a soak are not the house's, and are bare goroutines",
	"bench/soak/planted/planted.go": "leaks that the soak's self-test has to find: each does what the house forbids",
	"bench/supervisor/real.go":      "a benchmark measures real time, and its load and the peer's tickers are bare goroutines",

	"edge/edgetest/server.go": "a server for tests answers many connections at once",

	"persistence/disktest/serve_linux.go": "the process of a disk for tests answers the kernel and the test at once",
}

// exhibits names the folders that show what the bans are for, and why each may
// break them. A folder that breaks none fails as stale. Nothing but the package
// above may import an exhibit (checkImports).
var exhibits = map[string]string{
	"bench/incident/naive":     "the duties as they were: the bans and the time-out rule are what they break",
	"bench/incident/published": "the fixes as they were published, which keep the old means",
}

const (
	useWorker   = "start a worker (supervisor): it has an owner, a deadline and a line in the tree"
	useTimer    = "use a named timer of the actor: it ends with the actor and arrives as a message"
	useClock    = "take the time from the injected clock or as an argument"
	useDeadline = "give the Task or Loop a deadline: a context's own timer has no owner"
	useClient   = "make a client or server with all its time-outs set"
	useRand     = "draw from a *rand.Rand made from the seed"
)

// banned maps what product code may not use to what it uses instead. A method
// is written package.Type.Method.
var banned = map[string]string{
	"sync.WaitGroup.Go":         useWorker,
	"time.After":                useTimer,
	"time.AfterFunc":            useTimer,
	"time.NewTimer":             useTimer,
	"time.NewTicker":            useTimer,
	"time.Tick":                 useTimer,
	"time.Sleep":                useTimer,
	"time.Now":                  useClock,
	"time.Since":                useClock,
	"time.Until":                useClock,
	"context.WithTimeout":       useDeadline,
	"context.WithTimeoutCause":  useDeadline,
	"context.WithDeadline":      useDeadline,
	"context.WithDeadlineCause": useDeadline,
	"context.AfterFunc":         useWorker,
	"net/http.DefaultClient":    useClient,
	"net/http.Get":              useClient,
	"net/http.Head":             useClient,
	"net/http.Post":             useClient,
	"net/http.PostForm":         useClient,
}

const errgroupPath = "golang.org/x/sync/errgroup"

// bannedInTests is real time: a test that needs it is slow, and red on a busy
// machine.
var bannedInTests = map[string]string{
	"time.Sleep": "wait for a message or a probe, or move the virtual clock",
	"time.Now":   "use the virtual clock or a fixed time; measure in a benchmark",
}

// checkCalls finds what is banned in product code outside the allowed files.
func checkCalls(h *house, allowed map[string]string) []finding {
	var out []finding
	for _, f := range h.files {
		_, ok := allowed[f.name]
		_, exhibit := exhibits[f.dir()]
		if !ok && !exhibit && !f.test {
			out = append(out, callsIn(h, f)...)
		}
	}
	return out
}

// checkStale finds allowed files and exhibits that need no allowance any more.
func checkStale(h *house, allowed map[string]string) []finding {
	var out []finding
	for _, name := range slices.Sorted(maps.Keys(allowed)) {
		for _, f := range h.files {
			if f.name == name && len(callsIn(h, f)) == 0 {
				out = append(out, h.at("stale", f, f.syntax.Package,
					"uses nothing that is banned: take it out of allowedCalls (arch_calls_test.go)"))
			}
		}
	}
	for _, dir := range slices.Sorted(maps.Keys(exhibits)) {
		f := h.firstFile(dir)
		if f != nil && !slices.ContainsFunc(h.files, func(f *file) bool { return f.dir() == dir && len(callsIn(h, f)) > 0 }) {
			out = append(out, h.at("stale", f, f.syntax.Package,
				"uses nothing that is banned: take the folder out of exhibits (arch_calls_test.go)"))
		}
	}
	return out
}

// callsIn finds what is banned in one file. Uses as a value count as much as
// calls: `now := time.Now` reads the clock just the same.
func callsIn(h *house, f *file) []finding {
	var out []finding
	for _, spec := range f.syntax.Imports {
		if importPath(spec.Path.Value) == errgroupPath {
			out = append(out, h.at("calls", f, spec.Pos(), "no errgroup: %s", useWorker))
		}
	}
	ast.Inspect(f.syntax, func(n ast.Node) bool {
		if g, ok := n.(*ast.GoStmt); ok {
			out = append(out, h.at("calls", f, g.Pos(), "no go statement: %s", useWorker))
		}
		return true
	})
	for _, u := range usesIn(f, f.syntax) {
		if instead := banOf(u.what); instead != "" {
			out = append(out, h.at("calls", f, u.pos, "no %s: %s", u.what, instead))
		}
	}
	return out
}

// banOf says what to use instead, "" when the thing is not banned.
func banOf(what string) string {
	if instead, ok := banned[what]; ok {
		return instead
	}
	for _, pkg := range []string{"math/rand/v2.", "math/rand."} {
		// The global functions draw from one hidden source. Constructors (New,
		// NewPCG, ...) and methods, which carry their type's name, do not; nor
		// do the types themselves.
		name, ok := strings.CutPrefix(what, pkg)
		if ok && !strings.Contains(name, ".") && !strings.HasPrefix(name, "New") && !randTypes[name] {
			return useRand
		}
	}
	return ""
}

var randTypes = map[string]bool{"Rand": true, "Source": true, "Source64": true, "Zipf": true, "PCG": true, "ChaCha8": true}

// checkTestTime finds real time in tests. Benchmarks measure, so they may.
func checkTestTime(h *house) []finding {
	var out []finding
	for _, f := range h.files {
		if !f.test || strings.HasSuffix(f.name, "bench_test.go") {
			continue
		}
		for _, decl := range f.syntax.Decls {
			if fn, ok := decl.(*ast.FuncDecl); ok && strings.HasPrefix(fn.Name.Name, "Benchmark") {
				continue
			}
			for _, u := range usesIn(f, decl) {
				if instead, ok := bannedInTests[u.what]; ok {
					out = append(out, h.at("testtime", f, u.pos, "no %s in tests: %s", u.what, instead))
				}
			}
		}
	}
	return out
}

// use is one mention of something that belongs to a package.
type use struct {
	what string
	pos  token.Pos
}

// usesIn lists what a part of a file mentions from other packages.
func usesIn(f *file, root ast.Node) []use {
	var out []use
	ast.Inspect(root, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.Ident:
			if f.info != nil {
				if what := qualified(f.info.Uses[n]); what != "" {
					out = append(out, use{what, n.Pos()})
				}
			}
		case *ast.SelectorExpr:
			if f.info == nil {
				if what := guessed(f, n); what != "" {
					out = append(out, use{what, n.Sel.Pos()})
				}
			}
		}
		return true
	})
	return out
}

// qualified names an object as package.Name or package.Type.Method, whatever
// the import or an alias calls it here.
func qualified(obj types.Object) string {
	if obj == nil || obj.Pkg() == nil {
		return ""
	}
	pkg := obj.Pkg()
	if fn, ok := obj.(*types.Func); ok {
		if recv := fn.Signature().Recv(); recv != nil {
			return pkg.Path() + "." + typeName(recv.Type()) + "." + fn.Name()
		}
	}
	if obj.Parent() != pkg.Scope() {
		return ""
	}
	return pkg.Path() + "." + obj.Name()
}

func typeName(t types.Type) string {
	if p, ok := types.Unalias(t).(*types.Pointer); ok {
		t = p.Elem()
	}
	if n, ok := types.Unalias(t).(*types.Named); ok {
		return n.Obj().Name()
	}
	return "?"
}

// guessed names a selector by the file's imports, for files without types.
func guessed(f *file, sel *ast.SelectorExpr) string {
	x, ok := sel.X.(*ast.Ident)
	if !ok {
		return ""
	}
	for _, spec := range f.syntax.Imports {
		target := importPath(spec.Path.Value)
		name := path.Base(strings.TrimSuffix(target, "/v2"))
		if spec.Name != nil {
			name = spec.Name.Name
		}
		if name == x.Name {
			return target + "." + sel.Sel.Name
		}
	}
	return ""
}
