package site

import (
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"
)

// field is one key that a mapping may have. need is an example of its value
// when the mapping must have it, else empty. read takes the value.
type field struct {
	key  string
	need string
	read func(value *yaml.Node)
}

// object reads a mapping, in the order of fields; what names it in messages,
// with its article.
func (p *parser) object(n *yaml.Node, what string, fields ...field) {
	if n.Kind != yaml.MappingNode || n.ShortTag() != "!!map" {
		p.wrong(n, what+" with key: value lines")
		return
	}
	outer := p.key
	defer func() { p.key = outer }()
	values := p.values(n, what, fields)
	for _, f := range fields {
		value, present := values[f.key]
		switch {
		case value != nil:
			p.key = f.key
			f.read(value)
		case !present && f.need != "":
			p.at(n, "%s without %q — add a line %s: %s", what, f.key, f.key, f.need)
		}
	}
}

// values finds the value of every field that the mapping has; a nil value is
// one that was complained about already.
func (p *parser) values(n *yaml.Node, what string, fields []field) map[string]*yaml.Node {
	known := make([]string, len(fields))
	for i, f := range fields {
		known[i] = f.key
	}
	lines := map[string]int{}
	values := map[string]*yaml.Node{}
	var strangers [][2]*yaml.Node
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		switch first, twice := lines[key.Value]; {
		case key.Kind != yaml.ScalarNode || !contains(known, key.Value):
			strangers = append(strangers, [2]*yaml.Node{key, value})
		case twice:
			p.at(key, "%q is here twice, first at line %d — keep one of them", key.Value, first)
		default:
			lines[key.Value] = key.Line
			values[key.Value] = p.present(key, value)
		}
	}
	for _, s := range strangers {
		p.stranger(s[0], s[1], what, known, values)
	}
	return values
}

// present gives the value, or nil when there is none.
func (p *parser) present(key, value *yaml.Node) *yaml.Node {
	if isNull(value) {
		p.at(key, "%q has no value — write one or remove the line", key.Value)
		return nil
	}
	return value
}

// stranger notes an unknown key. What it was likely meant to be is read all the
// same, so that one wrong letter does not hide the mistakes below it or call up
// others ("a door without a lock").
func (p *parser) stranger(key, value *yaml.Node, what string, known []string, values map[string]*yaml.Node) {
	if key.Kind != yaml.ScalarNode {
		p.at(key, "a key must be one word, got %s — %s has: %s", p.describe(key), what, strings.Join(known, ", "))
		return
	}
	meant := similar(key.Value, known)
	if meant == "" {
		p.at(key, "unknown key %s — %s has: %s", quote(key.Value), what, strings.Join(known, ", "))
		return
	}
	p.at(key, "unknown key %s — did you mean %q?", quote(key.Value), meant)
	if _, taken := values[meant]; !taken {
		values[meant] = value
	}
}

// list reads a sequence.
func (p *parser) list(what string, item func(*yaml.Node)) func(*yaml.Node) {
	return func(n *yaml.Node) {
		if n.Kind != yaml.SequenceNode || n.ShortTag() != "!!seq" {
			p.wrong(n, "a list of "+what)
			return
		}
		for _, c := range n.Content {
			item(c)
		}
	}
}

// wrong notes a value of the wrong kind or out of its range.
func (p *parser) wrong(n *yaml.Node, expected string) {
	if p.key == "" {
		p.at(n, "expected %s, got %s", expected, p.describe(n))
		return
	}
	p.at(n, "%s: expected %s, got %s", p.key, expected, p.describe(n))
}

// describe says what a value is, in the words of someone who writes yaml.
func (p *parser) describe(n *yaml.Node) string {
	switch {
	case n.Kind == yaml.AliasNode:
		return "an alias, which site files do not have (write the value out)"
	case n.Kind == yaml.SequenceNode:
		return "a list"
	case n.Kind == yaml.MappingNode:
		return "key: value lines"
	case isNull(n):
		return "nothing"
	case p.private:
		return "a " + kind(n) + " (not shown: it is about a person)"
	default:
		return "the " + kind(n) + " " + quoteText(n)
	}
}

func kind(n *yaml.Node) string {
	switch n.ShortTag() {
	case "!!str":
		return "text"
	case "!!int", "!!float":
		return "number"
	case "!!bool":
		return "truth value"
	case "!!timestamp":
		return "date"
	default:
		return "tagged value"
	}
}

func quoteText(n *yaml.Node) string {
	if n.ShortTag() == "!!str" {
		return quote(n.Value)
	}
	return clip(n.Value)
}

// quote keeps control characters and endless values out of messages.
func quote(s string) string { return fmt.Sprintf("%q", clip(s)) }

func clip(s string) string {
	const most = 60
	if r := []rune(s[:min(len(s), 4*most+4)]); len(r) > most {
		return string(r[:most]) + "…"
	}
	return s
}

func isNull(n *yaml.Node) bool {
	return n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null"
}

func isText(n *yaml.Node) bool {
	return n.Kind == yaml.ScalarNode && n.ShortTag() == "!!str"
}

// keyOf gives the key of a mapping, and the mapping when it has none.
func keyOf(n *yaml.Node, key string) *yaml.Node {
	for i := 0; n.Kind == yaml.MappingNode && i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return n.Content[i]
		}
	}
	return n
}

// child gives the value of a mapping's key, and the mapping when it has none:
// somewhere to point at.
func child(n *yaml.Node, key string) *yaml.Node {
	for i := 0; n.Kind == yaml.MappingNode && i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return n.Content[i+1]
		}
	}
	return n
}
