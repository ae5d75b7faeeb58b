package store

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// maxMistakes is how many mistakes of an import are named; the rest is counted.
const maxMistakes = 100

// Mistake is one mistake in an import. It never shows a name or a card number.
type Mistake struct {
	Line, Column int // from 1, the column in bytes
	Text         string
}

// Mistakes are why an import was refused: the first 100 in the order of lines, and
// how many more there are.
type Mistakes struct {
	List []Mistake
	More int
}

func (m *Mistakes) add(line, column int, format string, args ...any) {
	if len(m.List) == maxMistakes {
		m.More++
		return
	}
	m.List = append(m.List, Mistake{line, column, fmt.Sprintf(format, args...)})
}

// err is m unless there is none.
func (m *Mistakes) err() error {
	if len(m.List) == 0 {
		return nil
	}
	slices.SortStableFunc(m.List, func(a, b Mistake) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	return m
}

// Error has a line for each mistake.
func (m *Mistakes) Error() string {
	lines := make([]string, len(m.List))
	for i, one := range m.List {
		lines[i] = fmt.Sprintf("line %d, column %d: %s", one.Line, one.Column, one.Text)
	}
	if m.More > 0 {
		lines = append(lines, fmt.Sprintf("and %d more", m.More))
	}
	return strings.Join(lines, "\n")
}
