package site

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Mistake is one thing that is wrong (or, as a warning, doubtful) in a site
// file. Line and Column count from 1; Message ends with what to do about it.
type Mistake struct {
	File    string
	Line    int
	Column  int
	Message string
}

// String gives file:line:column: message, as editors and compilers have it.
func (m Mistake) String() string {
	return fmt.Sprintf("%s:%d:%d: %s", m.File, m.Line, m.Column, m.Message)
}

// Mistakes are all mistakes of one file, in the order of their positions.
type Mistakes []Mistake

// Error gives one line per mistake.
func (m Mistakes) Error() string {
	lines := make([]string, len(m))
	for i, mistake := range m {
		lines[i] = mistake.String()
	}
	return strings.Join(lines, "\n")
}

func (m Mistakes) sort() {
	slices.SortStableFunc(m, func(a, b Mistake) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
}
