package journal

import (
	"cmp"
	"slices"

	"gatehouse/access"
)

const (
	// keepSources is how many sources, and how many (file, kind) of recordings,
	// are remembered at least: the last written to. Those of old boots and lives
	// never speak again.
	keepSources = 4096
	maxSources  = 2 * keepSources
)

type sourceKey struct {
	name      string
	boot, run uint64
}

type originKey struct {
	file string
	kind access.Kind
}

// mark is the greatest number of a key, at least 1, and the event that carried it.
type mark struct{ number, seq uint64 }

// table has the marks of one sort of keys, and those that the batch under way
// replaced. The last one lies beside the map: events of one key come in rows.
type table[K comparable] struct {
	marks map[K]mark
	old   []replaced[K]
	last  replaced[K] // not in marks yet; number 0: none
}

type replaced[K comparable] struct {
	key K
	mark
}

func (t *table[K]) number(key K) uint64 {
	if t.last.number > 0 && t.last.key == key {
		return t.last.number
	}
	return t.marks[key].number
}

func (t *table[K]) put(key K, m mark) {
	if t.last.number == 0 || t.last.key != key {
		t.settle()
		t.old = append(t.old, replaced[K]{key, t.marks[key]})
	}
	t.last = replaced[K]{key, m}
}

func (t *table[K]) settle() {
	if t.last.number > 0 {
		t.marks[t.last.key] = t.last.mark
		t.last = replaced[K]{}
	}
}

func (t *table[K]) keep() {
	t.settle()
	t.old = t.old[:0]
	prune(t.marks)
}

func (t *table[K]) revert() {
	t.last = replaced[K]{}
	for _, r := range slices.Backward(t.old) {
		if r.number == 0 {
			delete(t.marks, r.key)
		} else {
			t.marks[r.key] = r.mark
		}
	}
	t.old = t.old[:0]
}

// seen tells repeats. A source's or a row's number 0 means: not numbered, never
// a repeat.
type seen struct {
	sources table[sourceKey]
	origins table[originKey]
}

func newSeen() *seen {
	return &seen{table[sourceKey]{marks: map[sourceKey]mark{}}, table[originKey]{marks: map[originKey]mark{}}}
}

func keysOf(e *access.Event) (sourceKey, originKey) {
	return sourceKey{clip(e.Source.Name, maxText), e.Source.Boot, e.Source.Run},
		originKey{clip(e.Origin.File, maxText), e.Kind}
}

// repeat reports whether e was kept before: its source's number is not greater
// than the last, or its row of the recording already has an event of this kind.
func (s *seen) repeat(e *access.Event) bool {
	source, origin := keysOf(e)
	if n := e.Source.Number; n != 0 && n <= s.sources.number(source) {
		return true
	}
	return e.Origin.Order != 0 && e.Origin.Order <= s.origins.number(origin)
}

// note remembers that e is to be kept as seq. keep or revert ends the batch.
func (s *seen) note(e *access.Event, seq uint64) {
	source, origin := keysOf(e)
	if e.Source.Number != 0 {
		s.sources.put(source, mark{e.Source.Number, seq})
	}
	if e.Origin.Order != 0 {
		s.origins.put(origin, mark{e.Origin.Order, seq})
	}
}

// keep: the batch is durable.
func (s *seen) keep() {
	s.sources.keep()
	s.origins.keep()
}

// revert: the batch failed and will come again.
func (s *seen) revert() {
	s.sources.revert()
	s.origins.revert()
}

// prune forgets the older half of a map that became too large.
func prune[K comparable](m map[K]mark) {
	if len(m) <= maxSources {
		return
	}
	seqs := make([]uint64, 0, len(m))
	for _, v := range m {
		seqs = append(seqs, v.seq)
	}
	slices.SortFunc(seqs, func(a, b uint64) int { return cmp.Compare(b, a) })
	oldest := seqs[keepSources-1]
	for k, v := range m {
		if v.seq < oldest {
			delete(m, k)
		}
	}
}
