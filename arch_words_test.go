package gatehouse_test

import (
	"go/ast"
	"go/token"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// runtimeDir is the runtime. It could run a bakery: a word of access control
// in it means that a rule about doors has slipped below the bridge.
const runtimeDir = "supervisor"

var fieldWords = []string{"door", "badge", "card", "cardholder", "credential", "strike", "lockdown", "muster"}

// checkWords finds words of access control in the runtime, tests included: in
// identifiers, comments, strings and file names.
func checkWords(h *house) []finding {
	var out []finding
	for _, f := range h.files {
		if !within(f.dir(), runtimeDir) {
			continue
		}
		if word := fieldWord(f.name); word != "" {
			out = append(out, h.at("words", f, f.syntax.Package, "the file's name says %q: the runtime knows no word of access control", word))
		}
		eachText(f.syntax, func(pos token.Pos, text string) {
			if word := fieldWord(text); word != "" {
				out = appendOnce(out, h.at("words", f, pos, "%q: the runtime knows no word of access control", word))
			}
		})
	}
	return out
}

// eachText calls visit for every identifier, string and line of a comment.
func eachText(syntax *ast.File, visit func(token.Pos, string)) {
	ast.Inspect(syntax, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.Ident:
			visit(n.Pos(), n.Name)
		case *ast.BasicLit:
			if n.Kind == token.STRING {
				visit(n.Pos(), unquoted(n.Value))
			}
		}
		return true
	})
	for _, group := range syntax.Comments {
		for _, c := range group.List {
			pos := c.Pos()
			for line := range strings.Lines(c.Text) {
				visit(pos, line)
				pos += token.Pos(len(line))
			}
		}
	}
}

// unquoted is what a string literal says, so that "\ndoor" is not "ndoor".
func unquoted(literal string) string {
	s, err := strconv.Unquote(literal)
	if err != nil {
		return literal
	}
	return s
}

// fieldWord is the first word of access control in a text, "" without one.
func fieldWord(text string) string {
	for _, w := range splitWords(text) {
		if w = strings.ToLower(w); slices.Contains(fieldWords, strings.TrimSuffix(w, "s")) {
			return w
		}
	}
	return ""
}

// splitWords cuts a text into words: at everything that is no letter, and at
// the humps of camelCase (DoorID is Door and ID; RFIDCard is RFID and Card).
func splitWords(text string) []string {
	var words []string
	runes := []rune(text)
	start := -1
	for i, r := range runes {
		switch {
		case !unicode.IsLetter(r):
			if start >= 0 {
				words = append(words, string(runes[start:i]))
			}
			start = -1
		case start < 0:
			start = i
		case unicode.IsUpper(r) && (unicode.IsLower(runes[i-1]) || endsAcronym(runes, i)):
			words = append(words, string(runes[start:i]))
			start = i
		}
	}
	if start >= 0 {
		words = append(words, string(runes[start:]))
	}
	return words
}

// endsAcronym says whether the capital at i begins a word after an acronym. A
// plural's lone s (IDs, DOORs) does not.
func endsAcronym(runes []rune, i int) bool {
	if i+1 >= len(runes) || !unicode.IsLower(runes[i+1]) {
		return false
	}
	return runes[i+1] != 's' || (i+2 < len(runes) && unicode.IsLower(runes[i+2]))
}
