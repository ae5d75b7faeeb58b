// Package supervisor runs programs as trees of supervised actors: Erlang/OTP's
// supervision with bounds, backoff and insight, on protoactor-go's processes.
// It knows trees, budgets, mailboxes, timers, workers and reports. It must not
// know what the program is about.
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
// at the beginning and at the end of every life.
//
// # A tree
//
//	sys, err := supervisor.Start(supervisor.SupervisorSpec{
//		Children: []supervisor.ChildSpec{
//			{ID: "counter", New: func() supervisor.Actor { return &counter{} }},
//		},
//	}, supervisor.Options{})
//
// Children start in order, each waits for the one before it; they stop in
// reverse, each within its deadline. A child that will not stop is fenced and
// abandoned: what it still sends, arms or answers is refused, and it is
// reported with its stack.
//
// Escalating supervisors exit when a child needs more restarts than the budget
// allows. Isolating ones never do: such a child becomes StateFailed and is
// tried again at the cap of its backoff for ever.
//
// Supervisors take two messages, StartChild and StopChild. A Dynamic supervisor
// has children of one kind, added and removed while it runs; a place that is
// given up leaves the tree.
//
// A place that holds a resource which two lives must never touch together names
// it in its spec (Exclusive): its next life waits until nothing of the one
// before can reach the resource any more, see Claim.
//
// # Messages
//
// Every mailbox is bounded and no send ever blocks: Ref.Send says what became
// of the message. What happens to a message that finds its lane full is said by
// its Class. Timers have a place of their own and are never refused; a
// cancelled timer is never delivered, even if it had already fired.
//
// # Real time and simulation
//
// A System runs on an Executor: the machine (the default), or the seeded,
// single-threaded simulation in package sim, where the same tree runs in
// virtual time and one seed gives one trace.
package supervisor
