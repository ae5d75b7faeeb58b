package diag

import (
	"regexp"
	"strings"
	"syscall"

	"gatehouse/supervisor"
)

// tree is a tree without what errors and panics said.
func tree(t supervisor.Tree) supervisor.Tree {
	t.LastReason = said(t.LastReason)
	children := make([]supervisor.Tree, len(t.Children))
	for i, c := range t.Children {
		children[i] = tree(c)
	}
	t.Children = children
	return t
}

// partOf is the beginning of what is wrong: a part of the building, a place in its
// tree, a door by its id.
var partOf = regexp.MustCompile(`^(journal|store|people|areas|fire input|archive|retention|backup|limits|(device|link|bus|door) [a-z0-9._-]{1,64}|building[a-z0-9/._-]* (failed|is [a-z]+))(: |$)`)

// wrong is an entry of the building's health without what it quotes.
func wrong(text string) string {
	head := partOf.FindString(text)
	if rest := text[len(head):]; rest != "" {
		return head + said(rest)
	}
	return head
}

// exits are the words that a reason begins with.
var exits = []string{"panic", "error", "normal", "shutdown", "killed"}

// said keeps of a text how a life ended and what the operating system says; all
// else could be about a person.
func said(text string) string {
	var kept []string
	head, _, _ := strings.Cut(text, ": ")
	for _, e := range exits {
		if head == e {
			kept = append(kept, e)
		}
	}
	for n := syscall.Errno(1); n < 134; n++ {
		if phrase := n.Error(); !strings.HasPrefix(phrase, "errno ") && strings.Contains(text, phrase) {
			kept = append(kept, phrase)
		}
	}
	if len(kept) == 0 && text != "" {
		return "(not shown)"
	}
	return strings.Join(kept, ": ")
}
