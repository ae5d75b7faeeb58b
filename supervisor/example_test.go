package supervisor_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gatehouse/supervisor"
	"gatehouse/supervisor/sim"
)

// The examples are the manual: read them from top to bottom. Most run in the
// simulation, where time is virtual and every run is the same. On the machine
// they do the same: leave Options.Executor out.

// tally counts what it is told.
type tally struct{ n int }

type (
	add struct{ n int }
	get struct{}
)

func (k *tally) Receive(c *supervisor.Context, msg any) error {
	switch m := msg.(type) {
	case add:
		k.n += m.n
	case get:
		c.Reply(k.n)
	}
	return nil
}

// A tree of one actor, on the machine. Send queues a message and goes on, Ask
// waits for the answer.
func Example() {
	sys, err := supervisor.Start(supervisor.SupervisorSpec{
		Children: []supervisor.ChildSpec{
			{ID: "tally", New: func() supervisor.Actor { return &tally{} }},
		},
	}, supervisor.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer sys.Stop()

	ref := sys.Ref("root/tally")
	fmt.Println(ref.Send(add{2}), ref.Send(add{3}))
	fmt.Println(ref.Ask(get{}, time.Second))
	// Output:
	// accepted accepted
	// 5 <nil>
}

// service says when a life of it begins and ends. A message that is an error
// crashes it.
type service struct{}

func newService() supervisor.Actor { return service{} }

func (service) Start(c *supervisor.Context) error {
	fmt.Printf("start %s, life %d\n", c.Self().Path(), c.Incarnation())
	return nil
}

func (service) Receive(_ *supervisor.Context, msg any) error {
	err, _ := msg.(error)
	return err
}

func (service) Stop(c *supervisor.Context, why supervisor.Reason) {
	fmt.Printf("stop  %s, %v\n", c.Self().Path(), why)
}

// start is Start for trees that are known to start.
func start(spec supervisor.SupervisorSpec, opts supervisor.Options) *supervisor.System {
	sys, err := supervisor.Start(spec, opts)
	if err != nil {
		panic(err)
	}
	return sys
}

// Children start in order, each waits until the one before it is ready, and
// they stop in reverse. A start that fails stops those that had started and
// names the child.
func ExampleStart() {
	broken := func() supervisor.Actor { return brokenDisk{} }
	_, err := supervisor.Start(supervisor.SupervisorSpec{
		Children: []supervisor.ChildSpec{
			{ID: "log", New: newService},
			{ID: "disk", New: broken},
			{ID: "web", New: newService},
		},
	}, supervisor.Options{Executor: sim.New(1, sim.Options{})})
	fmt.Println(err)
	// Output:
	// start root/log, life 1
	// stop  root/log, shutdown
	// child root/disk: no such disk
}

type brokenDisk struct{ service }

func (brokenDisk) Start(*supervisor.Context) error             { return errors.New("no such disk") }
func (brokenDisk) Stop(*supervisor.Context, supervisor.Reason) {}

// Under RestForOne those that were started after the failed child are stopped
// in reverse and come back with it; those before it notice nothing. A Ref stays
// valid over restarts.
func ExampleStrategy_restForOne() {
	s := sim.New(1, sim.Options{})
	sys := start(supervisor.SupervisorSpec{
		Strategy: supervisor.RestForOne,
		Children: []supervisor.ChildSpec{
			{ID: "disk", New: newService},
			{ID: "cache", New: newService},
			{ID: "web", New: newService},
		},
	}, supervisor.Options{Executor: s})

	fmt.Println("the cache crashes")
	sys.Ref("root/cache").Send(errors.New("out of memory"))
	s.Quiesce()
	fmt.Println("the tree stops")
	sys.Stop()
	// Output:
	// start root/disk, life 1
	// start root/cache, life 1
	// start root/web, life 1
	// the cache crashes
	// stop  root/cache, error: out of memory
	// stop  root/web, shutdown
	// start root/cache, life 2
	// start root/web, life 2
	// the tree stops
	// stop  root/web, shutdown
	// stop  root/cache, shutdown
	// stop  root/disk, shutdown
}

// An escalating supervisor exits when its children need more restarts than the
// budget allows. The one above it sees a child that failed; at the root OnFatal
// is called.
func ExampleEscalating() {
	s := sim.New(1, sim.Options{})
	sys := start(supervisor.SupervisorSpec{
		Budget:   supervisor.Escalating(1, 5*time.Second),
		Children: []supervisor.ChildSpec{{ID: "web", New: newService}},
	}, supervisor.Options{Executor: s, OnFatal: func(r supervisor.Reason) { fmt.Println("fatal:", r) }})

	for range 2 {
		sys.Ref("root/web").Send(errors.New("no memory"))
		s.Quiesce()
	}
	fmt.Println(errors.Is(sys.Reason().Err, supervisor.ErrBudget))
	// Output:
	// start root/web, life 1
	// stop  root/web, error: no memory
	// start root/web, life 2
	// stop  root/web, error: no memory
	// fatal: error: child root/web: restart budget exceeded after no memory
	// true
}

// An isolating supervisor never gives up. The first restart is immediate, then
// the backoff grows; a child that is out of budget is failed, and is tried again
// at the backoff's cap for ever. Nobody else notices.
func ExampleIsolating() {
	s := sim.New(1, sim.Options{})
	say := func(e supervisor.Event) {
		switch e.Kind {
		case supervisor.EventReady, supervisor.EventRestarting, supervisor.EventFailed:
			fmt.Printf("%-3v %v %s, wait %v\n", e.Time.Sub(sim.Epoch), e.Kind, e.Path, e.Wait)
		}
	}
	sys := start(supervisor.SupervisorSpec{
		Budget: supervisor.Isolating(4, time.Minute),
		Children: []supervisor.ChildSpec{
			{
				ID: "link", New: func() supervisor.Actor { return brokenDisk{} },
				Backoff: supervisor.Backoff{Min: time.Second, Max: 20 * time.Second},
			},
			{ID: "log", New: func() supervisor.Actor { return &tally{} }},
		},
	}, supervisor.Options{Executor: s, OnEvent: say})

	s.Advance(30 * time.Second)
	tree := sys.Tree()
	fmt.Println(tree.Find("root/link").State, tree.Find("root/log").State)
	sys.Stop()
	// Output:
	// 0s  restarting root/link, wait 0s
	// 0s  ready root/log, wait 0s
	// 0s  restarting root/link, wait 1s
	// 0s  ready root, wait 0s
	// 1s  restarting root/link, wait 2s
	// 3s  restarting root/link, wait 4s
	// 7s  failed root/link, wait 20s
	// 7s  restarting root/link, wait 20s
	// 27s failed root/link, wait 20s
	// 27s restarting root/link, wait 20s
	// failed running
}

// An error can carry a decision of its own: do not restart this child, or let
// its supervisor fail too.
func ExampleDoNotRestart() {
	s := sim.New(1, sim.Options{})
	sys := start(supervisor.SupervisorSpec{
		Children: []supervisor.ChildSpec{{ID: "job", New: newService}},
	}, supervisor.Options{Executor: s})

	sys.Ref("root/job").Send(supervisor.DoNotRestart(errors.New("no such file")))
	s.Quiesce()
	tree := sys.Tree()
	fmt.Println(tree.Find("root/job").State)
	sys.Stop()
	// Output:
	// start root/job, life 1
	// stop  root/job, error: no such file
	// stopped
}

// A Dynamic supervisor has children of one kind. StartChild adds one and is
// answered with its Ref once it is ready, StopChild takes one away. A child
// whose end is final leaves the tree; its Ref says Down for ever.
func ExampleStartChild() {
	s := sim.New(1, sim.Options{})
	pool := supervisor.SupervisorSpec{
		Strategy: supervisor.Dynamic,
		Children: []supervisor.ChildSpec{{New: newService, Restart: supervisor.Transient}},
	}
	sys := start(supervisor.SupervisorSpec{
		Children: []supervisor.ChildSpec{{ID: "pool", Supervisor: &pool}},
	}, supervisor.Options{Executor: s})
	ref := sys.Ref("root/pool")

	added, err := ref.Ask(supervisor.StartChild{ID: "ann"}, time.Second)
	ann, _ := added.(supervisor.Ref)
	fmt.Println(ann.Path(), err)
	_, err = ref.Ask(supervisor.StartChild{ID: "ann"}, time.Second)
	fmt.Println(err)

	ann.Send(errors.New("crash")) // comes back
	s.Quiesce()

	_, err = ref.Ask(supervisor.StopChild{ID: "ann"}, time.Minute)
	fmt.Println(err, ann.Send("hello"), len(sys.Tree().Children[0].Children))
	sys.Stop()
	// Output:
	// start root/pool/ann, life 1
	// root/pool/ann <nil>
	// a child of this id runs already, or is about to
	// stop  root/pool/ann, error: crash
	// start root/pool/ann, life 2
	// stop  root/pool/ann, shutdown
	// <nil> down 0
}

// Other supervisors take StopChild and StartChild too, for children of their
// spec. What StopChild stopped stays stopped until StartChild, or until a
// sibling's failure makes the strategy start it again.
func ExampleStopChild() {
	sys := start(supervisor.SupervisorSpec{
		Children: []supervisor.ChildSpec{{ID: "web", New: newService}},
	}, supervisor.Options{Executor: sim.New(1, sim.Options{})})

	root := sys.Ref("root")
	for _, order := range []any{supervisor.StopChild{ID: "web"}, supervisor.StartChild{ID: "web"}, supervisor.StopChild{ID: "mail"}} {
		if _, err := root.Ask(order, time.Minute); err != nil {
			fmt.Println(err)
		}
	}
	sys.Stop()
	// Output:
	// start root/web, life 1
	// stop  root/web, shutdown
	// start root/web, life 2
	// the supervisor has no child of this id
	// stop  root/web, shutdown
}

// serialPort drives a device that must never be driven by two lives at once.
type serialPort struct{}

func (serialPort) Start(c *supervisor.Context) error {
	fmt.Printf("life %d has the port\n", c.Incarnation())
	return nil
}

func (serialPort) Receive(c *supervisor.Context, msg any) error {
	switch msg {
	case "write":
		claim := c.Claim()
		return c.Task("write", 0, func(context.Context) (any, error) {
			if !claim.Held() {
				fmt.Println("too late: nothing is written")
			}
			return nil, nil
		})
	case "crash":
		return errors.New("crash")
	}
	return nil
}

// A place that names an Exclusive resource gets its next life only when nothing
// of the one before can reach the resource any more: its goroutines have
// returned, or the driver called Claim.Release. Here a task hangs, so the life
// that crashed is abandoned 5.5 s later, its claim is revoked, and its successor
// waits.
func ExampleClaim() {
	s := sim.New(1, sim.Options{
		Hold: func(_, _ string) sim.Hold { return sim.Hold{Start: sim.Forever} },
	})
	sys := start(supervisor.SupervisorSpec{
		Children: []supervisor.ChildSpec{{
			ID: "port", New: func() supervisor.Actor { return serialPort{} }, Exclusive: "/dev/ttyS0",
		}},
	}, supervisor.Options{Executor: s})

	sys.Ref("root/port").Send("write")
	sys.Ref("root/port").Send("crash")
	s.Advance(6 * time.Second)
	fmt.Print(sys.Tree())

	s.Release("root/port", "write") // the task that hung goes on
	s.Quiesce()
	sys.Stop()
	// Output:
	// life 1 has the port
	// root running timers=1
	//   port starting workers=1 zombies=1 last="killed: crash"
	// too late: nothing is written
	// life 2 has the port
}

// note is a message that says how it wants to be queued.
type note struct {
	text  string
	class supervisor.Class
}

func (n note) Class() supervisor.Class { return n.class }

// reader prints what it gets.
type reader struct{}

func (reader) Receive(_ *supervisor.Context, msg any) error {
	if n, ok := msg.(note); ok {
		msg = n.text
	}
	fmt.Println("got", msg)
	return nil
}

// Every mailbox is bounded and no send blocks. A message's class says which lane
// it waits in, and what happens when that is full: the sender is told, or the
// oldest makes room. A message with a key takes the place of a waiting one with
// the same key.
func ExampleClass() {
	s := sim.New(1, sim.Options{})
	sys := start(supervisor.SupervisorSpec{
		Children: []supervisor.ChildSpec{{
			ID: "reader", New: func() supervisor.Actor { return reader{} },
			Mailbox: supervisor.MailboxSpec{Normal: 2, Telemetry: 1},
		}},
	}, supervisor.Options{Executor: s})

	urgent := supervisor.Class{Lane: supervisor.Control}
	newest := supervisor.Class{Lane: supervisor.Telemetry, WhenFull: supervisor.ReplaceOldest}
	level := supervisor.Class{Key: "level"}
	ref := sys.Ref("root/reader")
	for _, msg := range []any{
		note{"level 1", level},
		note{"level 2", level},
		"plain 1", "plain 2",
		note{"report 1", newest},
		note{"report 2", newest},
		note{"urgent", urgent},
	} {
		fmt.Println(ref.Send(msg))
	}
	s.Quiesce()
	sys.Stop()
	// Output:
	// accepted
	// coalesced
	// accepted
	// refused
	// accepted
	// replaced
	// accepted
	// got urgent
	// got level 2
	// got plain 1
	// got report 2
}

// buyer asks the tally and goes on; the answer is a message.
type buyer struct{}

func (buyer) Receive(c *supervisor.Context, msg any) error {
	switch m := msg.(type) {
	case string:
		fmt.Println("asks for", m)
		return c.Ask(c.Lookup("root/"+m), get{}, time.Second, m)
	case supervisor.Answer:
		fmt.Println("answer of", m.Tag, m.Value, m.Err)
	}
	return nil
}

// An actor must not wait. It asks with Context.Ask: exactly one Answer with its
// tag comes back as a message, also when nobody is there or nobody answers.
func ExampleContext_Ask() {
	s := sim.New(1, sim.Options{})
	sys := start(supervisor.SupervisorSpec{
		Children: []supervisor.ChildSpec{
			{ID: "tally", New: func() supervisor.Actor { return &tally{n: 7} }},
			{ID: "buyer", New: func() supervisor.Actor { return buyer{} }},
		},
	}, supervisor.Options{Executor: s})

	sys.Ref("root/buyer").Send("tally")
	sys.Ref("root/buyer").Send("nobody")
	s.Quiesce()
	sys.Stop()
	// Output:
	// asks for tally
	// asks for nobody
	// answer of nobody <nil> the actor is not running
	// answer of tally 7 <nil>
}

// printer keeps jobs back until there is paper.
type printer struct{ paper bool }

func (p *printer) Receive(c *supervisor.Context, msg any) error {
	switch {
	case msg == "paper":
		p.paper = true
		fmt.Println("put back:", c.Unstash())
	case !p.paper:
		return c.Stash()
	default:
		fmt.Println("prints", msg)
	}
	return nil
}

// What cannot be handled now can be stashed; Unstash puts it back before all
// that is queued, in its order.
func ExampleContext_Stash() {
	s := sim.New(1, sim.Options{})
	sys := start(supervisor.SupervisorSpec{
		Children: []supervisor.ChildSpec{{ID: "printer", New: func() supervisor.Actor { return &printer{} }}},
	}, supervisor.Options{Executor: s})

	for _, msg := range []string{"job 1", "job 2", "paper", "job 3"} {
		sys.Ref("root/printer").Send(msg)
	}
	s.Quiesce()
	sys.Stop()
	// Output:
	// put back: 2
	// prints job 1
	// prints job 2
	// prints job 3
}

// clock prints its ticks.
type clock struct{}

func (clock) Start(c *supervisor.Context) error {
	c.Every("beat", time.Second)
	c.After("once", 2500*time.Millisecond)
	return nil
}

func (clock) Receive(c *supervisor.Context, msg any) error {
	if tick, ok := msg.(supervisor.Tick); ok {
		fmt.Println(c.Now().Sub(sim.Epoch), tick.Key, tick.Missed)
	}
	return nil
}

// Timers are messages. A periodic one keeps to its absolute times, and what was
// missed is one tick that counts: here the machine stands still for 3.5 s.
func ExampleContext_Every() {
	s := sim.New(1, sim.Options{})
	sys := start(supervisor.SupervisorSpec{
		Children: []supervisor.ChildSpec{{ID: "clock", New: func() supervisor.Actor { return clock{} }}},
	}, supervisor.Options{Executor: s})

	s.Advance(3 * time.Second)
	s.Stall(s.Now().Add(3500 * time.Millisecond))
	s.Advance(time.Second)
	fmt.Println("stopped:", sys.Stop().Complete, "timers left:", s.Timers())
	// Output:
	// 1s beat 0
	// 2s beat 0
	// 2.5s once 0
	// 3s beat 0
	// 6.5s beat 2
	// 7s beat 0
	// stopped: true timers left: 0
}

// phone waits for somebody to pick up, then talks: two states with a limit each.
type phone struct{}

func (phone) Receive(c *supervisor.Context, msg any) error {
	switch m := msg.(type) {
	case string:
		fmt.Println(c.Now().Sub(sim.Epoch), m)
		c.EnterState() // ends the timer of the state before
		c.StateAfter("no longer "+m, 10*time.Second)
	case supervisor.Tick:
		fmt.Println(c.Now().Sub(sim.Epoch), m.Key)
	}
	return nil
}

// A state timer ends with the state that it belongs to, also if it had fired
// and its tick was waiting already.
func ExampleContext_StateAfter() {
	s := sim.New(1, sim.Options{})
	sys := start(supervisor.SupervisorSpec{
		Children: []supervisor.ChildSpec{{ID: "phone", New: func() supervisor.Actor { return phone{} }}},
	}, supervisor.Options{Executor: s})

	sys.Ref("root/phone").Send("ringing")
	s.Advance(4 * time.Second)
	sys.Ref("root/phone").Send("talking")
	s.Advance(time.Minute)
	sys.Stop()
	// Output:
	// 0s ringing
	// 4s talking
	// 14s no longer talking
}

// adder has its sums worked out beside it, and answers when they are done.
type adder struct{ asker supervisor.ReplyTo }

func (a *adder) Receive(c *supervisor.Context, msg any) error {
	switch m := msg.(type) {
	case []int:
		a.asker = c.ReplyTo() // answered later
		return c.Task("sum", time.Second, func(context.Context) (any, error) {
			sum := 0
			for _, n := range m {
				sum += n
			}
			return sum, nil
		})
	case supervisor.TaskDone:
		if m.Err != nil {
			a.asker.Fail(m.Err)
			return nil
		}
		a.asker.Reply(m.Value)
	}
	return nil
}

// A handler must not block; what takes time is a Task. It runs on a goroutine
// of its own that the actor owns, and its result comes back as a message.
func ExampleContext_Task() {
	sys := start(supervisor.SupervisorSpec{
		Children: []supervisor.ChildSpec{{ID: "adder", New: func() supervisor.Actor { return &adder{} }}},
	}, supervisor.Options{})
	fmt.Println(sys.Ref("root/adder").Ask([]int{1, 2, 3}, 10*time.Second))
	fmt.Println(sys.Stop().Complete)
	// Output:
	// 6 <nil>
	// true
}

// line reads a line for as long as it lives, and knows when it breaks.
type line struct{ from <-chan string }

func (l line) Start(c *supervisor.Context) error {
	self := c.Self()
	return c.Loop("read", func(ctx context.Context) error {
		for {
			select {
			case text, more := <-l.from:
				if !more {
					return errors.New("line broken")
				}
				// It asks: it reads no faster than the actor works.
				if _, err := self.Ask(text, time.Minute); err != nil {
					return err
				}
			case <-ctx.Done():
				return nil
			}
		}
	})
}

func (l line) Receive(c *supervisor.Context, msg any) error {
	switch m := msg.(type) {
	case string:
		fmt.Println("got", m)
		c.Reply(nil)
	case supervisor.LoopEnded:
		fmt.Println("ended:", m.Err)
		c.Stop()
	}
	return nil
}

// A Loop is a worker that runs as long as its actor. Its end by itself is a
// message; its actor's end ends its context and waits for it.
func ExampleContext_Loop() {
	from := make(chan string, 2)
	ended := make(chan struct{})
	sys := start(supervisor.SupervisorSpec{
		Children: []supervisor.ChildSpec{{
			ID: "line", New: func() supervisor.Actor { return line{from} }, Restart: supervisor.Temporary,
		}},
	}, supervisor.Options{OnEvent: func(e supervisor.Event) {
		if e.Kind == supervisor.EventExited && e.Path == "root/line" {
			close(ended)
		}
	}})

	from <- "hello"
	from <- "goodbye"
	close(from)
	<-ended
	sys.Stop()
	// Output:
	// got hello
	// got goodbye
	// ended: line broken
}

// hangs has a handler that never returns. In a program that would be a call that
// blocks and does not look at the context.
type hangs struct{ s *sim.Sim }

func (a hangs) Receive(*supervisor.Context, any) error {
	a.s.Block()
	return nil
}

// Stop never hangs. A child that does not end gets its deadline (5 s), then its
// context ends, and half a second later it is fenced and abandoned; the report
// names it. What still runs of it is a zombie: Go cannot end a goroutine.
func ExampleSystem_Stop() {
	s := sim.New(1, sim.Options{})
	sys := start(supervisor.SupervisorSpec{
		Children: []supervisor.ChildSpec{
			{ID: "good", New: newService},
			{ID: "stuck", New: func() supervisor.Actor { return hangs{s} }},
		},
	}, supervisor.Options{Executor: s})
	sys.Ref("root/stuck").Send("hello")
	s.Quiesce()

	fmt.Printf("%+v\n", sys.Stop())

	s.Unblock("root/stuck") // it returns at last
	s.Quiesce()
	fmt.Println("zombies:", sys.Ledger().Zombies)
	// Output:
	// start root/good, life 1
	// stop  root/good, shutdown
	// {Took:5.5s Abandoned:[root/stuck] Zombies:1 Complete:true}
	// zombies: 0
}

// The tree as text: every place with its state, and the numbers that are not 0.
func ExampleSystem_Tree() {
	s := sim.New(1, sim.Options{})
	pool := supervisor.SupervisorSpec{
		Strategy: supervisor.Dynamic,
		Children: []supervisor.ChildSpec{{New: func() supervisor.Actor { return &tally{} }}},
	}
	sys := start(supervisor.SupervisorSpec{
		Budget: supervisor.Isolating(1, time.Minute),
		Children: []supervisor.ChildSpec{
			{ID: "clock", New: func() supervisor.Actor { return clock{} }},
			{ID: "disk", New: func() supervisor.Actor { return brokenDisk{} }},
			{ID: "pool", Supervisor: &pool},
		},
	}, supervisor.Options{Executor: s})
	sys.Ref("root/pool").Send(supervisor.StartChild{ID: "ann"})
	s.Quiesce()
	sys.Ref("root/pool/ann").Send(add{1}) // waits for its turn
	fmt.Print(sys.Tree())
	sys.Stop()
	// Output:
	// root running timers=1
	//   clock running timers=2
	//   disk failed restarts=1 last="error: no such disk"
	//   pool running
	//     ann running queued=1
}
