package supervisor_test

import (
	"runtime"
	"slices"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"gatehouse/supervisor"
	"gatehouse/supervisor/sim"
	"gatehouse/supervisor/supervisortest"
)

// letter is a message of the mailbox's model. What it makes its receiver do is
// done once: a letter that was stashed is only noted when it comes back.
type letter struct {
	n     int // below 0: an Answer
	does  deed
	class supervisor.Class
}

type deed int

const (
	justNoted deed = iota
	stashes
	unstashes
	asks
	crashes
	deeds
)

func (l letter) Class() supervisor.Class { return l.class }

// boxModel is what a mailbox should be: slices. An Answer waits in the Normal
// lane and does not count.
type boxModel struct {
	limits                             [3]int
	stashLimit                         int
	lanes                              [3][]letter
	kept, front                        []letter
	asked                              []int // lives that asked, oldest first, until they are answered
	life                               int
	refused, replaced, coalesced, dead uint64
	handled                            []int
	stashed                            map[int]bool
}

func waiting(lane []letter) (n int) {
	for _, l := range lane {
		if l.n > 0 {
			n++
		}
	}
	return n
}

func (m *boxModel) send(l letter) supervisor.Delivery {
	lane := &m.lanes[l.class.Lane]
	if i := slices.IndexFunc(*lane, func(o letter) bool { return o.class.Key == l.class.Key }); i >= 0 && l.class.Key != "" {
		(*lane)[i] = l
		m.coalesced++
		return supervisor.Coalesced
	}
	switch {
	case waiting(*lane) < m.limits[l.class.Lane]:
		*lane = append(*lane, l)
		return supervisor.Accepted
	case l.class.WhenFull == supervisor.ReplaceOldest:
		oldest := slices.IndexFunc(*lane, func(o letter) bool { return o.n > 0 })
		*lane = append(slices.Delete(*lane, oldest, oldest+1), l)
		m.refused++
		m.replaced++
		return supervisor.Replaced
	}
	m.refused++
	return supervisor.Refused
}

// handle takes the most urgent, false if there is none.
func (m *boxModel) handle() bool {
	for _, lane := range []*[]letter{&m.front, &m.lanes[supervisor.Control], &m.lanes[supervisor.Normal], &m.lanes[supervisor.Telemetry]} {
		if len(*lane) > 0 {
			l := (*lane)[0]
			*lane = (*lane)[1:]
			m.does(l)
			return true
		}
	}
	return false
}

func (m *boxModel) does(l letter) {
	m.handled = append(m.handled, l.n)
	again := m.stashed[l.n]
	switch {
	case again:
	case l.does == stashes && len(m.kept)+len(m.front) < m.stashLimit:
		m.kept = append(m.kept, l)
		m.stashed[l.n] = true
	case l.does == unstashes:
		m.front, m.kept = append(m.kept, m.front...), nil
	case l.does == asks:
		m.asked = append(m.asked, m.life)
	case l.does == crashes:
		m.die()
	}
}

// turn handles up to most messages of one life.
func (m *boxModel) turn(most int) {
	for life := m.life; most > 0 && life == m.life && m.handle(); most-- {
	}
}

// answer delivers to the life that asked, if it is still there.
func (m *boxModel) answer(n int) bool {
	life := m.asked[0]
	m.asked = m.asked[1:]
	if life != m.life {
		return false
	}
	m.lanes[supervisor.Normal] = append(m.lanes[supervisor.Normal], letter{n: -n, does: stashes})
	return true
}

func (m *boxModel) all() []letter {
	return slices.Concat(m.kept, m.front, m.lanes[0], m.lanes[1], m.lanes[2])
}

func (m *boxModel) die() {
	m.dead += uint64(waiting(m.all()))
	m.lanes, m.kept, m.front = [3][]letter{}, nil, nil
	m.life++
}

// boxRun is a mailbox in simulation beside its model. draw is where a script's
// choices come from: 0 to most-1.
type boxRun struct {
	draw    func(what string, most int) int
	fail    func(format string, a ...any)
	sim     *sim.Sim
	sys     *supervisor.System
	model   boxModel
	turnOf  int
	handled []int
	stashed map[int]bool
	held    []supervisor.ReplyTo // of the asks that were not answered yet
	plain   bool                 // no message has a key: turns take whole lanes
	n       int
	// questions wait in the holder's mailbox.
	questions uint64
}

func newBoxRun(draw func(what string, most int) int, fail func(format string, a ...any)) *boxRun {
	b := &boxRun{draw: draw, fail: fail, turnOf: 1 + draw("throughput", 8), stashed: map[int]bool{}}
	b.model.stashed, b.model.stashLimit = map[int]bool{}, 1+draw("stash", 4)
	for i := range b.model.limits {
		b.model.limits[i] = 1 + draw("limit", 12)
	}
	b.plain = draw("plain", 2) == 1
	b.sim = sim.New(uint64(draw("seed", 1000)), sim.Options{Throughput: b.turnOf})
	silent := &supervisortest.Log{}
	a := silent.Child("a", probe{Quiet: true, OnReceive: b.receive})
	a.Backoff = noBackoff
	a.Mailbox = supervisor.MailboxSpec{
		Normal: b.model.limits[supervisor.Normal], Control: b.model.limits[supervisor.Control],
		Telemetry: b.model.limits[supervisor.Telemetry], Stash: b.model.stashLimit,
	}
	holder := silent.Child("holder", probe{Quiet: true, OnReceive: func(c ctx, _ any) error {
		b.held = append(b.held, c.ReplyTo())
		b.questions--
		return nil
	}})
	holder.Mailbox.Normal = 1 << 16
	sys, err := supervisor.Start(spec{Budget: isolating(1 << 20), Children: kids{holder, a}}, supervisor.Options{Executor: b.sim})
	if err != nil {
		fail("%v", err)
	}
	b.sys = sys
	return b
}

func (b *boxRun) receive(c ctx, msg any) error {
	l, ok := msg.(letter)
	if a, is := msg.(supervisor.Answer); is {
		l, ok = letter{n: -a.Value.(int), does: stashes}, true
	}
	if !ok {
		b.fail("got %v", msg)
	}
	b.handled = append(b.handled, l.n)
	switch {
	case b.stashed[l.n]:
	case l.does == stashes:
		b.stashed[l.n] = c.Stash() == nil
	case l.does == unstashes:
		c.Unstash()
	case l.does == asks:
		b.questions++
		return c.Ask(c.Lookup("root/holder"), "?", supervisor.Infinity, nil)
	case l.does == crashes:
		return supervisortest.ErrCrash
	}
	return nil
}

func (b *boxRun) send() {
	b.n++
	l := letter{n: b.n, class: supervisor.Class{
		Lane:     []supervisor.Lane{supervisor.Normal, supervisor.Normal, supervisor.Control, supervisor.Telemetry}[b.draw("lane", 4)],
		WhenFull: supervisor.WhenFull(b.draw("when full", 2)),
		Key:      []string{"", "", "", "x", "y"}[b.draw("key", 5)],
	}}
	if b.plain {
		l.class.Key = ""
	}
	if does := b.draw("does", 20); does < int(deeds) {
		l.does = deed(does)
	}
	if l.does == crashes && b.draw("crashes", 4) != 0 {
		l.does = justNoted
	}
	want, got := b.model.send(l), b.sys.Ref("root/a").Send(l)
	b.same("delivery", want, got)
}

func (b *boxRun) turn() {
	life := b.model.life
	b.model.turn(b.turnOf)
	b.sim.Round()
	if b.model.life != life {
		b.sim.Advance(time.Second)
	}
}

func (b *boxRun) reply() {
	if len(b.held) == 0 {
		return
	}
	b.n++
	to := b.held[0]
	b.held = b.held[1:]
	want, got := b.model.answer(b.n), to.Reply(b.n)
	b.same("answer", want, got)
}

func (b *boxRun) check() {
	tree := b.sys.Tree()
	b.same("handled", b.model.handled, b.handled)
	b.same("queued", len(b.model.all()), tree.Find("root/a").Queued)
	b.same("refused", b.model.refused, tree.Find("root/a").Refused)
}

func (b *boxRun) finish() {
	b.sys.Stop()
	// Some of the last letters are handled before the stop arrives.
	for life := b.model.life; len(b.model.handled) < len(b.handled) && life == b.model.life; {
		b.model.handle()
	}
	b.same("handled", b.model.handled, b.handled)
	b.model.die()
	l := b.sys.Ledger()
	b.same("dead, replaced, coalesced", [3]uint64{b.model.dead + b.questions, b.model.replaced, b.model.coalesced}, [3]uint64{l.DeadStopped, l.DeadReplaced, l.Coalesced})
	b.same("left", [4]int64{}, [4]int64{l.Actors, l.Timers, l.Workers, l.Zombies})
}

func (b *boxRun) same(what string, want, got any) {
	if diff := gocmp.Diff(want, got); diff != "" {
		b.fail("%s (-want +got):\n%s", what, diff)
	}
}

// TestMailboxModel runs random scripts against a mailbox and its model.
func TestMailboxModel(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		b := newBoxRun(func(what string, most int) int { return rapid.IntRange(0, most-1).Draw(r, what) }, r.Fatalf)
		step := func(f func(*boxRun)) func(*rapid.T) { return func(*rapid.T) { f(b) } }
		r.Repeat(map[string]func(*rapid.T){
			"send": step((*boxRun).send), "send too": step((*boxRun).send), "send three": step((*boxRun).send),
			"turn": step((*boxRun).turn), "reply": step((*boxRun).reply), "": step((*boxRun).check),
		})
		b.finish()
	})
}

// FuzzMailbox is TestMailboxModel with scripts that the fuzzer makes.
func FuzzMailbox(f *testing.F) {
	for seed := range 20 {
		script := make([]byte, 400)
		for i := range script {
			script[i] = byte(i*i*(seed+3) + i*seed + seed)
		}
		f.Add(script)
	}
	f.Fuzz(func(t *testing.T, script []byte) {
		if len(script) > 4000 {
			t.Skip("longer scripts find nothing new")
		}
		b := newBoxRun(func(_ string, most int) int {
			if len(script) == 0 {
				return 0
			}
			n := int(script[0]) % most
			script = script[1:]
			return n
		}, t.Fatalf)
		for len(script) > 0 {
			switch b.draw("step", 5) {
			case 0:
				b.turn()
			case 1:
				b.reply()
			default:
				b.send()
			}
			b.check()
		}
		b.finish()
	})
}

// TestWithinABatch: what a turn took out of the lane at once still waits: it
// fills the lane, can be replaced, and control goes before it.
func TestWithinABatch(t *testing.T) {
	w := simWorld(t)
	var got []supervisor.Delivery
	a := w.log.Child("a", probe{OnReceive: func(c ctx, msg any) error {
		if msg != 0 {
			return nil
		}
		equal(t, "queued", 5, w.node("a").Queued)
		for _, m := range []any{
			6, 7, // one has room
			classed{8, supervisor.Class{WhenFull: supervisor.ReplaceOldest}}, // instead of 1
			classed{9, supervisor.Class{Lane: supervisor.Control}},
		} {
			got = append(got, c.Send(c.Self(), m))
		}
		return nil
	}})
	a.Mailbox.Normal = 6
	w.start(spec{Children: kids{a}})
	w.log.Take()
	for i := range 6 {
		w.send("a", i)
	}
	w.sim.Quiesce()
	equal(t, "deliveries", []supervisor.Delivery{supervisor.Accepted, supervisor.Refused, supervisor.Replaced, supervisor.Accepted}, got)
	w.wantLog("got root/a#1 0", "got root/a#1 9", "got root/a#1 2", "got root/a#1 3", "got root/a#1 4", "got root/a#1 5", "got root/a#1 6", "got root/a#1 8")
}

// TestTurnIsBounded: a turn handles as many messages as it may, also when it
// goes on with a batch of an earlier turn.
func TestTurnIsBounded(t *testing.T) {
	const most = 3
	w := simWorld(t, sim.Options{Throughput: most})
	handled := 0
	w.start(spec{Children: kids{w.log.Child("a", probe{Quiet: true, OnReceive: func(c ctx, msg any) error {
		if handled++; msg == 2 {
			c.Send(c.Self(), classed{11, supervisor.Class{Lane: supervisor.Control}})
		}
		return nil
	}})}})
	for i := range 11 {
		w.send("a", i)
	}
	for _, want := range []int{3, 6, 9, 12, 12} {
		w.sim.Round()
		equal(t, "handled", want, handled)
	}
}

// TestAskInsideAllocates at most twice, the answer included: the ask itself, and
// the Answer as a message.
func TestAskInsideAllocates(t *testing.T) {
	if supervisortest.RaceEnabled {
		t.Skip("the race detector allocates")
	}
	w := simWorld(t, sim.Options{Throughput: 1 << 20})
	const all, inFlight = 20_000, 64
	left := all
	tag, echo := any("tag"), any(supervisortest.Echo{Value: "x"})
	w.start(spec{Children: kids{w.log.Child("a", probe{Quiet: true, OnReceive: func(c ctx, _ any) error {
		if left--; left >= inFlight {
			return c.Ask(c.Self(), echo, time.Minute, tag)
		}
		return nil
	}})}})
	w.do("a", func(c ctx) error {
		for range inFlight - 1 {
			if err := c.Ask(c.Self(), echo, time.Minute, tag); err != nil {
				return err
			}
		}
		return nil
	})
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	w.sim.Quiesce()
	runtime.ReadMemStats(&after)
	if n := float64(after.Mallocs-before.Mallocs) / all; n > 2.1 || left > inFlight {
		t.Errorf("%.2f allocations for an ask, %d left", n, left)
	}
}
