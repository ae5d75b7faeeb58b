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

// mark is the greatest number of a key, and the event that carried it.
type mark struct{ number, seq uint64 }

// seen tells repeats. A source's or a row's number 0 means: not numbered, never
// a repeat.
type seen struct {
	sources map[sourceKey]mark
	origins map[originKey]mark
}

func newSeen() seen {
	return seen{sources: map[sourceKey]mark{}, origins: map[originKey]mark{}}
}

func keysOf(e *access.Event) (sourceKey, originKey) {
	return sourceKey{clip(e.Source.Name, maxText), e.Source.Boot, e.Source.Run},
		originKey{clip(e.Origin.File, maxText), e.Kind}
}

// repeat reports whether e was kept before: its source's number is not greater
// than the last, or its row of the recording already has an event of this kind.
func (s *seen) repeat(e *access.Event) bool {
	source, origin := keysOf(e)
	if n := e.Source.Number; n != 0 && n <= s.sources[source].number {
		return true
	}
	return e.Origin.Order != 0 && e.Origin.Order <= s.origins[origin].number
}

// note remembers that e was kept as seq.
func (s *seen) note(e *access.Event, seq uint64) {
	source, origin := keysOf(e)
	if e.Source.Number != 0 {
		s.sources[source] = mark{e.Source.Number, seq}
		prune(s.sources)
	}
	if e.Origin.Order != 0 {
		s.origins[origin] = mark{e.Origin.Order, seq}
		prune(s.origins)
	}
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
