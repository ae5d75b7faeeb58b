package site

import (
	"fmt"
	"regexp"

	"go.yaml.in/yaml/v3"
)

var goodID = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,63}$`)

const idRule = "an id of a-z, 0-9, '.', '_' and '-', at most 64 characters, beginning with a letter or digit"

// names are the ids of one kind of thing that a file declares.
type names struct {
	what  string
	first map[string]*yaml.Node // where it is declared; nil: it is always there
	order []string
	// unread: the list of them is none, so nothing can be said of references.
	unread bool
}

func newNames(what string, builtin ...string) *names {
	n := &names{what: what, first: map[string]*yaml.Node{}}
	for _, name := range builtin {
		n.add(name, nil)
	}
	return n
}

func (n *names) add(name string, at *yaml.Node) {
	n.first[name] = at
	n.order = append(n.order, name)
}

// declarations reads the list that declares all of a kind.
func (p *parser) declarations(in *names, plural string, item func(*yaml.Node)) func(*yaml.Node) {
	return func(n *yaml.Node) {
		in.unread = n.Kind != yaml.SequenceNode
		p.list(plural, item)(n)
	}
}

func id[T ~string](p *parser, dst *T, in *names) func(*yaml.Node) {
	return func(n *yaml.Node) {
		if !isText(n) {
			p.wrong(n, idRule+" (put it in quotes)")
			return
		}
		if !goodID.MatchString(n.Value) {
			p.wrong(n, idRule)
		}
		*dst = T(n.Value)
		p.declare(n, n.Value, in)
	}
}

// declare notes where an id is declared. A bad one is noted too: what refers to
// it is no further mistake.
func (p *parser) declare(n *yaml.Node, name string, in *names) {
	switch first, taken := in.first[name]; {
	case !taken:
		in.add(name, n)
	case first == nil:
		p.at(n, "the %s %s is always there — do not declare it, or choose another id", in.what, quote(name))
	default:
		p.at(n, "the %s %s is declared twice, first at line %d — give one of them another id", in.what, quote(name), first.Line)
	}
}

// ref reads an id that must be declared somewhere in the file.
func ref[T ~string](p *parser, dst *T, in *names) func(*yaml.Node) {
	return func(n *yaml.Node) {
		if !isText(n) {
			p.wrong(n, "the id of a declared "+in.what)
			return
		}
		*dst = T(n.Value)
		p.declared(n, n.Value, in)
	}
}

func (p *parser) declared(n *yaml.Node, name string, in *names) bool {
	if _, ok := in.first[name]; ok || in.unread {
		return true
	}
	hint := "declare it, or name one that is declared"
	if meant := similar(name, in.order); meant != "" {
		hint = fmt.Sprintf("did you mean %q?", meant)
	}
	p.at(n, "there is no %s %s — %s", in.what, quote(name), hint)
	return false
}

// refs reads a list of ids, each of them once.
func refs[T ~string](p *parser, dst *[]T, in *names) func(*yaml.Node) {
	seen := map[T]bool{}
	return p.list("ids", func(n *yaml.Node) {
		var one T
		ref(p, &one, in)(n)
		if seen[one] && one != "" {
			p.at(n, "the %s %s is in this list twice — remove one", in.what, quote(string(one)))
			return
		}
		seen[one] = true
		*dst = append(*dst, one)
	})
}
