package index

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sort"
	"time"

	"gatehouse/access"
)

// memory is a journal in memory, whose sequences may have gaps.
type memory struct {
	events []access.Event
	fail   error // of every read
	reads  int   // events that were read
}

func (m *memory) Read(after uint64, limit int) ([]access.Event, error) {
	if m.fail != nil {
		return nil, m.fail
	}
	from := sort.Search(len(m.events), func(i int) bool { return m.events[i].Seq > after })
	list := slices.Clone(m.events[from:min(len(m.events), from+limit)])
	m.reads += len(list)
	return list, nil
}

func (m *memory) Last() uint64 {
	if len(m.events) == 0 {
		return 0
	}
	return m.events[len(m.events)-1].Seq
}

// grow adds n events behind a gap.
func (m *memory) grow(r *rand.Rand, n int, gap uint64) {
	seq := m.Last() + gap
	for range n {
		seq++
		m.events = append(m.events, event(r, seq))
	}
}

var epoch = time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)

// event is one of few kinds at one of few doors by one of many people. Now and
// then the clock jumps, or there is none.
func event(r *rand.Rand, seq uint64) access.Event {
	e := access.Event{
		Seq: seq, Time: epoch.Add(time.Duration(seq) * time.Second), Kind: access.Kind(1 + r.IntN(8)),
		Source: access.Source{Name: "x", Boot: 1, Run: 1, Number: seq}, Reason: access.Reason(r.IntN(5)),
	}
	if r.IntN(4) > 0 {
		e.Door = access.DoorID(fmt.Sprint("door-", r.IntN(20)))
	}
	if r.IntN(3) > 0 {
		e.Cardholder = access.CardholderID(fmt.Sprint("p-", r.IntN(1+r.IntN(5000))))
	}
	switch r.IntN(500) {
	case 0:
		e.Time = time.Time{}
	case 1:
		e.Time = e.Time.Add(time.Duration(r.IntN(200)-100) * time.Hour)
	}
	return e
}

// search is a filter of few or many fields.
func search(r *rand.Rand, last uint64) access.Search {
	s := access.Search{Newest: r.IntN(2) == 0, Limit: 1 + r.IntN(300)}
	if last > 3000 {
		s.Limit += 500
	}
	if r.IntN(2) == 0 {
		s.Door = access.DoorID(fmt.Sprint("door-", r.IntN(22)))
	}
	if r.IntN(2) == 0 {
		s.Cardholder = access.CardholderID(fmt.Sprint("p-", r.IntN(5000)))
	}
	if r.IntN(3) == 0 {
		s.Kind = access.Kind(r.IntN(9))
	}
	if r.IntN(3) == 0 {
		s.Reason = access.Reason(r.IntN(6))
	}
	at := func() time.Time { return epoch.Add(time.Duration(r.Uint64N(last+2)) * time.Second) }
	if r.IntN(3) == 0 {
		s.From = at()
	}
	if r.IntN(3) == 0 {
		s.Until = at()
	}
	if r.IntN(20) == 0 {
		s.Until = time.Date(1500, 1, 1, 0, 0, 0, 0, time.UTC)
	}
	if s.Newest {
		s.At = 1<<64 - 1
	}
	return s
}

// want is the whole answer, by looking at everything.
func (m *memory) want(s access.Search) (list []uint64) {
	for i := range m.events {
		if s.Matches(&m.events[i]) {
			list = append(list, m.events[i].Seq)
		}
	}
	if s.Newest {
		slices.SortFunc(list, func(a, b uint64) int { return cmp.Compare(b, a) })
	}
	return list
}

// tester is a *testing.T or a *rapid.T.
type tester interface {
	Helper()
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

// all asks page after page.
func all(t tester, x *Index, s access.Search) (list []uint64, pages int) {
	t.Helper()
	for more := true; more; pages++ {
		p, err := x.Find(context.Background(), s)
		if err != nil {
			t.Fatal(err)
		}
		if len(p.Events) > s.Limit || p.More && p.Next == s.At {
			t.Fatalf("%+v after %+v", p, s)
		}
		for _, e := range p.Events {
			list = append(list, e.Seq)
		}
		s.At, more = p.Next, p.More
	}
	return list, pages
}

func advance(t tester, x *Index) {
	t.Helper()
	for done := false; !done; {
		var err error
		if done, err = x.Advance(context.Background(), 5000); err != nil {
			t.Fatal(err)
		}
	}
}

// same fails unless the index gives what is there.
func same(t tester, x *Index, m *memory, s access.Search) (pages int) {
	t.Helper()
	got, pages := all(t, x, s)
	if want := m.want(s); !slices.Equal(got, want) {
		t.Fatalf("%+v: %d events, not %d:\n%v\n%v", s, len(got), len(want), head(got), head(want))
	}
	return pages
}

func head(list []uint64) []uint64 { return list[:min(len(list), 30)] }
