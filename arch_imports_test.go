package gatehouse_test

import (
	"path"
	"slices"
	"strconv"
	"strings"
)

// layer is one row of the import table: what the product files of a folder,
// and of the folders below it, may import from the house.
type layer struct {
	dir string
	// may lists the packages, each exactly: "devices" does not mean a driver.
	may []string
	// all is for those who wire the house together.
	all bool
	why string
}

// layers is the import table. The row with the longest matching dir decides.
// Besides its row, a sub-package may import its parents.
var layers = []layer{
	{dir: ".", why: "the root holds the architecture test and nothing else"},
	{dir: "access", why: "the decision is pure: no actors, no devices, no disk, no clock"},
	{dir: "policy", may: []string{"access"}, why: "a condition fits into access.Condition and knows nothing else"},
	{dir: "supervisor", why: "the runtime knows no word of access control"},
	{dir: "devices", why: "a driver says what hardware can do and knows no building, no runtime and no other driver"},
	{dir: "persistence", may: []string{"access"}, why: "what is kept is an access.Event, who is known an access.Directory; the bridge never meets the disk"},
	{dir: "actors", may: []string{"access", "policy", "supervisor", "devices"}, why: "the bridge knows the islands by their interfaces: no driver, no disk, no edge"},
	{dir: "actors/wire", why: "what crosses between buildings is plain data"},
	{dir: "edge", may: []string{"actors", "access"}, why: "other systems reach the building through its facade only"},
	{dir: "cmd", all: true},
	{dir: "bench", all: true},
	{dir: "bench/incident/naive", why: "an exhibit knows nothing of the house"},
	{dir: "bench/incident/published", may: []string{"bench/incident/naive"}, why: "an exhibit knows nothing of the house but what it mends"},
}

// home is where a third-party module lives. Product files elsewhere may not
// import it, so that it can be replaced in one place.
type home struct {
	module string
	dirs   []string
	why    string
}

// testSupport stands for packages that exist for tests, such as devicetest.
const testSupport = "*test"

var homes = []home{
	{"github.com/asynkron/protoactor-go", []string{"supervisor", "bench"}, "only the runtime knows what it is built on, and the benchmarks that compare the two"},
	{"github.com/prometheus", []string{"supervisor/prom", "edge", "cmd"}, "metrics are collected in one place and served at the edge"},
	{"github.com/rs/zerolog", []string{"actors", "edge", "cmd", "bench"}, "the islands return errors and events; they do not log"},
	{"go.etcd.io/bbolt", []string{"persistence", "bench"}, "only persistence knows how things are kept, and the benchmark that measures beside it"},
	{"github.com/klauspost/compress", []string{"persistence"}, "only persistence knows how things are kept"},
	{"filippo.io/age", []string{"persistence"}, "only persistence knows how things are kept"},
	{"github.com/robfig/cron", []string{"actors/nightly"}, "it only reads cron expressions: its rule for nights in which clocks are set is not ours, and its runner starts goroutines and timers"},
	{"google.golang.org/protobuf", []string{"persistence", "actors/wire"}, "messages inside a building are Go values"},
	{"cel.dev", []string{"policy"}, "conditions are compiled in policy and nowhere else"},
	{"periph.io", []string{"devices"}, "hardware is behind the interfaces of devices"},
	{"go.bug.st/serial", []string{"devices"}, "hardware is behind the interfaces of devices"},
	{"golang.org/x/sys", []string{"devices", "persistence", "cmd", "bench"}, "system calls belong to hardware, to disks and to the program"},
	{"github.com/danielgtaylor/huma", []string{"edge"}, "the HTTP framework stays at the edge"},
	{"github.com/eclipse/paho.golang", []string{"edge"}, "brokers stay at the edge"},
	{"github.com/redis/go-redis", []string{"edge", "bench/incident"}, "brokers stay at the edge, and with the exhibit of how they were used"},
	{"github.com/google/go-cmp", []string{testSupport}, "it is for tests"},
	{"go.uber.org/goleak", []string{testSupport}, "it is for tests"},
	{"pgregory.net/rapid", []string{testSupport}, "it is for tests"},
	{"github.com/rogpeppe/go-internal", []string{testSupport}, "it is for tests"},
	{"github.com/hanwen/go-fuse", []string{testSupport}, "the product runs on the disk that it is given; only tests make one"},
	{"golang.org/x/tools", nil, "it is for the architecture test"},
}

// mocks are the libraries that no file uses, tests included: go-cmp compares,
// and virtual devices and small fakes stand in.
var mocks = []string{
	"github.com/stretchr/testify",
	"github.com/golang/mock",
	"go.uber.org/mock",
	"github.com/vektra/mockery",
	"github.com/matryer/moq",
	"gotest.tools",
}

// checkImports holds product files to the import table.
func checkImports(h *house) []finding {
	var out []finding
	for _, f := range h.files {
		if f.test {
			continue
		}
		l := layerOf(f.dir())
		if l == nil {
			out = append(out, h.at("imports", f, f.syntax.Package,
				"the house has no folder %s: give it a row in layers (arch_imports_test.go) and in design.md first", f.dir()))
			continue
		}
		for _, spec := range f.syntax.Imports {
			target, ours := houseDir(importPath(spec.Path.Value))
			if ours && livesIn(target, testSupport) && !livesIn(f.dir(), testSupport) {
				out = append(out, h.at("imports", f, spec.Pos(), "%s may not import %s: it is for tests", f.dir(), target))
				continue
			}
			if _, exhibit := exhibits[target]; exhibit && !within(f.dir(), path.Dir(target)) {
				out = append(out, h.at("imports", f, spec.Pos(), "%s may not import %s: it is an exhibit of how not to do it", f.dir(), target))
				continue
			}
			if ours && !l.permits(f.dir(), target) {
				out = append(out, h.at("imports", f, spec.Pos(), "%s may not import %s: %s", f.dir(), target, l.why))
			}
		}
	}
	return out
}

// layerOf is the row for a folder, nil when the house has no such folder.
func layerOf(dir string) *layer {
	var best *layer
	for i := range layers {
		if within(dir, layers[i].dir) && (best == nil || len(layers[i].dir) > len(best.dir)) {
			best = &layers[i]
		}
	}
	return best
}

func (l *layer) permits(from, target string) bool {
	parent := from != target && within(from, target)
	return l.all || parent || slices.Contains(l.may, target)
}

// checkHomes keeps third parties where they are at home.
func checkHomes(h *house) []finding {
	var out []finding
	for _, f := range h.files {
		if f.test {
			continue
		}
		for _, spec := range f.syntax.Imports {
			if why := homeless(f.dir(), importPath(spec.Path.Value)); why != "" {
				out = append(out, h.at("homes", f, spec.Pos(), "%s", why))
			}
		}
	}
	return out
}

// homeless says why a folder may not import a path, "" when it may.
func homeless(dir, target string) string {
	if !thirdParty(target) {
		return ""
	}
	for _, p := range homes {
		if !within(target, p.module) {
			continue
		}
		if slices.ContainsFunc(p.dirs, func(d string) bool { return livesIn(dir, d) }) {
			return ""
		}
		return dir + " may not import " + target + ": " + p.why
	}
	if within(dir, "cmd") || within(dir, "bench") {
		return ""
	}
	return dir + " may not import " + target + ": it has no home yet; give it a row in homes (arch_imports_test.go) with the reason"
}

func livesIn(dir, homeDir string) bool {
	if homeDir == testSupport {
		return strings.HasSuffix(path.Base(dir), "test")
	}
	return within(dir, homeDir)
}

// checkMocks looks at all files, tests included.
func checkMocks(h *house) []finding {
	var out []finding
	for _, f := range h.files {
		for _, spec := range f.syntax.Imports {
			target := importPath(spec.Path.Value)
			if slices.ContainsFunc(mocks, func(m string) bool { return within(target, m) }) {
				out = append(out, h.at("mocks", f, spec.Pos(),
					"%s: compare with go-cmp, and stand in with a small fake or a virtual device", target))
			}
		}
	}
	return out
}

// thirdParty says whether an import path is neither ours nor the standard
// library's: only a module path has a dot in its first element.
func thirdParty(target string) bool {
	first, _, _ := strings.Cut(target, "/")
	return strings.Contains(first, ".")
}

// importPath is the path in an import's literal, which the parser has checked.
func importPath(literal string) string {
	p, err := strconv.Unquote(literal)
	if err != nil {
		return literal
	}
	return p
}
