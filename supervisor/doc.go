// Package supervisor runs programs as trees of supervised actors: Erlang/OTP's
// supervision with bounds, backoff and insight, on protoactor-go's processes.
// It knows trees, budgets, mailboxes, timers, workers and reports. It must not
// know what the program is about.
//
// The examples are the manual; docs/SUPERVISION.md is the contract, with the
// test behind each promise.
//
// # An actor
//
// An actor is any value with a Receive method. It handles one message at a time
// and owns what it starts: timers, tasks and loops end with it, on stop and on
// restart.
//
//	type counter struct{ n int }
//
//	func (c *counter) Receive(ctx *supervisor.Context, msg any) error {
//		switch msg.(type) {
//		case add:
//			c.n++
//		case get:
//			ctx.Reply(c.n)
//		}
//		return nil
//	}
//
// An error from Receive, or a panic, ends this life of the actor; its
// supervisor decides what happens next. The optional methods Start and Stop run
// at the beginning and at the end of every life. A handler must not block: what
// takes time is a Task.
//
// # A tree
//
//	sys, err := supervisor.Start(supervisor.SupervisorSpec{
//		Children: []supervisor.ChildSpec{
//			{ID: "counter", New: func() supervisor.Actor { return &counter{} }},
//		},
//	}, supervisor.Options{})
//	...
//	n, err := sys.Ref("root/counter").Ask(get{}, time.Second)
//
// A program starts its tree, and waits for a signal or for the tree's own end:
//
//	quit, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
//	defer cancel()
//	sys, err := supervisor.Start(spec, supervisor.Options{
//		OnFatal: func(r supervisor.Reason) { log.Print("the root gave up: ", r) },
//	})
//	if err != nil {
//		log.Fatal(err)
//	}
//	select {
//	case <-quit.Done():
//		log.Printf("%+v", sys.Stop())
//	case <-sys.Down():
//		os.Exit(1) // whoever started the process starts a new one
//	}
//
// A tree is described by its spec. Children start in order, each waits until the
// one before it is ready. A Ref is the address of a place: it stays valid over
// restarts. Each life in a place is a new value from New, with an empty mailbox.
//
// # Restarts and budgets
//
// A Permanent child, the default, comes back after every end, a Transient one
// after an error, a panic or when it had to be given up, a Temporary one never.
// The Strategy says which siblings share its fate: none, those after it, or all.
// The first restart is immediate, the next ones wait for their Backoff. The
// errors DoNotRestart and Escalate carry a decision of their own.
//
// Escalating supervisors exit when their children need more restarts than the
// Budget allows, by default 1 in 5 s; at the root OnFatal is called. Isolating
// ones never do: such a child becomes StateFailed and is tried again at the cap
// of its backoff for ever.
//
// # Dynamic children
//
// Supervisors take two messages, StartChild and StopChild. A Dynamic supervisor
// has children of one kind, added and removed while it runs; a place whose child
// came to a final end leaves the tree. Other supervisors start and stop the
// children of their spec.
//
// # Exclusive resources
//
// A place that holds a resource which two lives must never touch together names
// it in its spec (Exclusive). Its next life waits until nothing of the one
// before can reach the resource any more, see Claim.
//
// # Messages and mailboxes
//
// Every mailbox is bounded and no send ever blocks: Ref.Send says what became
// of the message. Its Class says in which lane it waits and what happens when
// that is full: the sender is told, the oldest makes room, or it takes the place
// of one with the same key. Messages of one sender keep their order within a
// lane. What waits when a life ends is counted as dead letters. Stash keeps a
// message that cannot be handled yet.
//
// # Asking
//
// From outside, Ref.Ask waits for the answer. An actor must not wait: its
// Context.Ask goes on, and the Answer comes as a message. Nobody waits longer
// than need be: who asked is told at once when the actor stops, restarts,
// refuses, or handled the message without an answer. ReplyTo can be kept to
// answer later; the life that took it owes the answer until it is over.
//
// # Timers
//
// A timer is a message too, Tick. After, Every and StateAfter belong to a life
// or to a state of it and end with it. A tick is never refused, a cancelled one
// never delivered, and Every does not drift.
//
// # Tasks and loops
//
// A Task is a bounded call beside the actor, a Loop runs as long as it does.
// Their goroutines are the actor's: their context ends with it, and it is down
// when they have returned. Their ends come as messages, in the Normal lane behind
// what they had sent there or in Control; a full mailbox does not refuse them. A
// worker has no Context, which is not safe for concurrent use: it sends by a Sender
// and answers by a ReplyTo that the actor got from it.
//
// # Stopping
//
// Children stop in reverse, each within its deadline of 5 s; then its context
// ends, and after DefaultGrace it is fenced and abandoned: what it still sends,
// arms or answers is refused, and System.Stop reports it. Go cannot end its
// goroutine. More than 64 such zombies, and the root gives up with ErrZombies.
//
// System.Stop is called from outside: an actor that waited in it would wait for
// its own end. From inside, Context.Stop ends the actor, StopChild sent to its
// Parent ends it or a sibling for good, and the whole tree is stopped by telling
// whoever runs the program, such as by a channel that main waits for.
//
// # Insight
//
// System.Tree is the tree as a value, as JSON and as text. OnEvent is told what
// happens, System.Subscribe is a bounded stream of it; crashes are reported once
// a minute for each place. System.Ledger says who owns every goroutine of the
// process. An actor watches another with Context.Monitor. Package prom makes
// metrics of it all.
//
// # Simulation
//
// A System runs on an Executor: the machine (the default), or the seeded
// simulation in package sim, where the same tree runs in virtual time and one
// seed gives one trace. Package supervisortest has what tests of trees need.
package supervisor
