package gatehouse_test

import (
	"go/types"
	"strings"
)

const protoactorPath = "github.com/asynkron/protoactor-go"

// checkAPI finds protoactor's types in what the runtime exports. Whoever could
// see one would depend on it, and could get round the shell.
func checkAPI(h *house) []finding {
	var out []finding
	for _, p := range h.pkgs {
		dir, ours := houseDir(p.PkgPath)
		if !ours || !within(dir, runtimeDir) || p.Types == nil {
			continue
		}
		w := &apiWalk{own: p.Types, seen: map[types.Type]bool{}}
		scope := p.Types.Scope()
		for _, name := range scope.Names() {
			obj := scope.Lookup(name)
			if !obj.Exported() {
				continue
			}
			w.leaks = nil
			w.object(obj)
			pos := h.fset.Position(obj.Pos())
			for _, leak := range w.leaks {
				if f := h.fileAt(pos.Filename); f != nil {
					out = append(out, finding{"api", f.name, pos.Line, leak + ": the runtime's exported API names no type of protoactor"})
				}
			}
		}
	}
	return out
}

// fileAt is the file with the given full name.
func (h *house) fileAt(full string) *file {
	for _, f := range h.files {
		if h.fset.Position(f.syntax.Package).Filename == full {
			return f
		}
	}
	return nil
}

// apiWalk follows types as far as another package can: exported fields and
// methods, embedded fields, parameters, results, elements, constraints. It
// stops at other packages' types.
type apiWalk struct {
	own   *types.Package
	seen  map[types.Type]bool
	leaks []string
}

// object walks an exported name. The type of a name is followed at the name
// that declares it; unexported types at the first name that reaches them.
func (w *apiWalk) object(obj types.Object) {
	w.walk(obj.Type(), obj.Name())
}

func (w *apiWalk) walk(t types.Type, trail string) {
	switch t := t.(type) {
	case *types.Alias:
		if w.named(t.Obj(), trail) {
			w.walk(t.Rhs(), trail)
		}
		w.list(t.TypeArgs(), trail)
	case *types.Named:
		w.list(t.TypeArgs(), trail)
		if w.named(t.Obj(), trail) && w.first(t.Origin()) {
			w.declared(t.Origin(), trail)
		}
	case *types.TypeParam:
		if w.first(t) {
			w.walk(t.Constraint(), trail)
		}
	case *types.Map:
		w.walk(t.Key(), trail)
		w.walk(t.Elem(), trail)
	case interface{ Elem() types.Type }: // pointer, slice, array, channel
		w.walk(t.Elem(), trail)
	case *types.Signature:
		w.params(t.TypeParams(), trail)
		w.tuple(t.Params(), trail)
		w.tuple(t.Results(), trail)
	case *types.Struct:
		w.fields(t, trail)
	case *types.Interface:
		w.methods(t, trail)
	case *types.Union:
		for term := range t.Terms() {
			w.walk(term.Type(), trail)
		}
	}
}

// named notes a protoactor type and says whether the type is our own.
func (w *apiWalk) named(obj *types.TypeName, trail string) bool {
	if obj.Pkg() == nil {
		return false
	}
	if within(obj.Pkg().Path(), protoactorPath) {
		short := strings.TrimPrefix(obj.Pkg().Path(), protoactorPath+"/")
		w.leaks = append(w.leaks, trail+" shows "+short+"."+obj.Name())
	}
	return obj.Pkg() == w.own
}

// declared walks what a type of our own declares.
func (w *apiWalk) declared(t *types.Named, trail string) {
	w.params(t.TypeParams(), trail)
	w.walk(t.Underlying(), trail)
	for m := range t.Methods() {
		if m.Exported() {
			w.walk(m.Signature(), trail+"."+m.Name())
		}
	}
}

func (w *apiWalk) fields(t *types.Struct, trail string) {
	for f := range t.Fields() {
		// An embedded field hands its methods on even when its own name is
		// not exported.
		if f.Exported() || f.Embedded() {
			w.walk(f.Type(), trail+"."+f.Name())
		}
	}
}

func (w *apiWalk) methods(t *types.Interface, trail string) {
	for m := range t.ExplicitMethods() {
		if m.Exported() {
			w.walk(m.Signature(), trail+"."+m.Name())
		}
	}
	for e := range t.EmbeddedTypes() {
		w.walk(e, trail)
	}
}

func (w *apiWalk) tuple(t *types.Tuple, trail string) {
	for v := range t.Variables() {
		w.walk(v.Type(), trail)
	}
}

func (w *apiWalk) list(l *types.TypeList, trail string) {
	for t := range l.Types() {
		w.walk(t, trail)
	}
}

func (w *apiWalk) params(l *types.TypeParamList, trail string) {
	for p := range l.TypeParams() {
		w.walk(p, trail)
	}
}

// first says whether a type is met for the first time; types can be circular.
func (w *apiWalk) first(t types.Type) bool {
	if w.seen[t] {
		return false
	}
	w.seen[t] = true
	return true
}
