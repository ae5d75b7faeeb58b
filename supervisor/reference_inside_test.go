package supervisor_test

import (
	"slices"
	"time"

	"gatehouse/supervisor"
)

// What the reference knows of asks from inside, of stashes, and of which lane
// goes first.

// inquiry is an ask from inside an actor.
type inquiry struct {
	of, at             *post // who asked, and who was asked
	ofLife, atLife     uint64
	want               supervisor.Delivery
	got, over, replied bool // handled; and the handler returned; and it answered
	last               int  // the last letter before the answer
	due                time.Duration
}

// asksInside: one life asks another, or itself.
func (m *reference) asksInside(p *post, s seen) {
	by := m.at[s.By]
	if by.life != s.Life || by.closed {
		if s.Text == "" {
			m.errorf("%v: its life is over", s)
		}
		return
	}
	if s.Text != "" {
		m.errorf("%v: %s", s, s.Text)
		return
	}
	q := &inquiry{of: by, ofLife: by.life, at: p, atLife: p.life, due: m.now.at + s.Wait}
	q.want = m.post(p, s)
	m.inner[s.N], by.questions[s.N] = q, true
}

// unclear: it was told to stop before it began, and may be down already.
func (m *reference) unclear(path string) bool {
	p := m.at[path]
	return p.life != 0 && !p.began && p.told != nil
}

// displaced: a newer letter took its place.
func (m *reference) displaced(n int) {
	if a, is := m.asks[n]; is {
		a.want = supervisor.Refused
		m.asks[n] = a
	}
	if q := m.inner[n]; q != nil {
		q.want = supervisor.Refused
	}
}

func (m *reference) replied(s seen) {
	q := m.inner[s.N]
	if q == nil {
		return // asked by the script
	}
	if open := q.of.life == q.ofLife && !q.of.closed && q.of.questions[s.N]; s.OK && !open {
		m.errorf("%v: nobody waits for it", s)
	}
	q.replied, q.last = q.replied || s.OK, m.lastLetter
}

// answerInside: each ask has one answer, with what is true.
func (m *reference) answerInside(p *post, s seen) {
	q := m.inner[s.N]
	if !p.questions[s.N] {
		m.errorf("%v: not asked by this life, or answered before", s)
		return
	}
	delete(p.questions, s.N)
	fine := false
	switch s.Text {
	case "":
		fine = q.replied
		m.overtakes(p, s, q)
	case supervisor.ErrDown.Error():
		fine = q.want == supervisor.Down
	case supervisor.ErrRefused.Error():
		fine = q.want == supervisor.Refused
	case supervisor.ErrNoAnswer.Error():
		fine = q.over || m.now.at >= q.due
	case supervisor.ErrStopped.Error(), supervisor.ErrRestarted.Error():
		fine = q.at.life != q.atLife || q.at.ends || q.at.closed
	}
	if !fine {
		m.errorf("%v: that is not true of %+v", s, *q)
	}
}

// overtakes: what the answering life had sent before comes before.
func (m *reference) overtakes(p *post, s seen, q *inquiry) {
	for _, o := range p.lanes[supervisor.Normal] {
		if o.What != "down" && o.By == q.at.path && o.Life == q.atLife && o.N <= q.last {
			m.errorf("%v: it overtakes %v", s, o)
		}
	}
}

// unanswered: who is idle has had every answer there is.
func (m *reference) unanswered(p *post) {
	for n := range p.questions {
		q := m.inner[n]
		ended := q.at.life != q.atLife || q.at.closed
		if ended || q.replied || q.want < supervisor.Accepted || q.over && q.at.cause == "" || m.now.at > q.due {
			m.errorf("%s: the answer to %d never came", p.path, n)
		}
	}
}

// taken: a letter is being handled.
func (m *reference) taken(p *post, s seen) {
	m.handled++
	p.current = s
	if a, is := m.asks[s.N]; is {
		a.got = true
		m.asks[s.N] = a
	}
	if q := m.inner[s.N]; q != nil {
		q.got = true
	}
}

// returned: the handler did.
func (m *reference) returned(p *post) {
	if q := m.inner[p.current.N]; q != nil && q.got {
		q.over = true
	}
	p.current = seen{}
}

// stashed: the letter is put aside, as far as there is room.
func (m *reference) stashed(p *post, s seen) {
	if room := len(p.stash)+len(p.front) < orElse(p.spec.Mailbox.Stash, 64); room != s.OK {
		m.errorf("%v: %v, there is room: %v", s, s.OK, room)
	}
	if !s.OK {
		return
	}
	p.stash = append(p.stash, p.current)
	m.handled--
	if a, is := m.asks[s.N]; is {
		a.got = false
		m.asks[s.N] = a
	}
	if q := m.inner[s.N]; q != nil {
		q.got = false
	}
}

func (m *reference) unstashed(p *post, s seen) {
	if s.N != len(p.stash) {
		m.errorf("%v: %d were stashed", s, len(p.stash))
	}
	p.front, p.stash = slices.Concat(p.stash, p.front), nil
}

// mayTake: what was put back goes first, then Control, ticks, Normal, Telemetry.
// Results of workers go before all.
func (m *reference) mayTake(p *post, s seen) {
	if len(p.front) > 0 && s.What != "got" && s.What != "taskdone" {
		m.errorf("%v: before %v, which was put back", s, p.front[0])
	}
	if s.What == "taskdone" || len(p.front) > 0 {
		return
	}
	before := []supervisor.Lane{supervisor.Control}
	switch {
	case s.What == "got" && s.Box.Lane == supervisor.Control:
		before = nil
	case s.What == "got" && s.Box.Lane == supervisor.Telemetry:
		before = append(before, supervisor.Normal)
	}
	for _, lane := range before {
		if len(p.lanes[lane]) > 0 {
			m.errorf("%v: before %v", s, p.lanes[lane][0])
		}
	}
}
