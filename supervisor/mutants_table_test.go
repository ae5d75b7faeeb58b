package supervisor_test

// mutants are the faults of the mutation check, by semantics of the contract.
var mutants = []mutant{
	// 1: start in order, wait, roll back, ignore.
	{
		1, "children start without waiting for one another", "supervision.go",
		"\t\t\ts.spawn(c)\n\t\t\treturn", "\t\t\ts.spawn(c)",
		"TestTortureB/no child starts before the one before it is ready",
	},
	{
		1, "a failed first start is tried again, not rolled back", "supervision.go",
		"case s.sh.phase == phaseStarting && !c.ready", "case s.sh.phase == phaseEnded && !c.ready",
		"TestTortureB/an error rolls back what had started",
	},
	{
		1, "ignore is an end like others", "shell.go",
		"sh.ignored = errors.Is(err, ErrIgnore)", "_ = errors.Is(err, ErrIgnore)",
		"TestTortureB/ignore: permanent",
	},

	// 2: exit reasons and typed errors.
	{
		2, "transient: an error is no reason to restart", "reason.go",
		"r.Kind >= ExitError", "r.Kind > ExitError",
		"TestTortureD/transient, by itself, error",
	},
	{
		2, "an isolating supervisor does not escalate", "supervision.go",
		"case r.decision == escalate:", "case r.decision == escalate && !s.spec.Budget.Isolating:",
		"TestTortureD/escalate, said to an isolating supervisor/sim",
	},
	{
		2, "do not restart is forgotten when the end had to be forced", "supervision.go",
		"c.ending.killed()", "Reason{Kind: ExitKilled}",
		"TestTortureD/do not restart, said by an end that had to be killed",
	},
	{
		2, "do not restart outlasts StartChild", "dynamic.go",
		"c.held, c.barred = false, false", "c.held = false",
		"TestStartChildForgetsDoNotRestart",
	},

	// 3: restarts and backoff.
	{
		3, "the first restart waits too", "budget.go",
		"d.failures == 1", "d.failures == 0",
		"TestTortureI/the first restart is immediate, whatever the backoff",
	},
	{
		3, "jitter makes the wait longer", "budget.go",
		"return wait - time.Duration", "return wait + time.Duration",
		"TestTortureI/jitter only shortens, and stays within its part",
	},
	{
		3, "a failed start costs no budget", "supervision.go",
		"if !s.withinBudget(c, stable, now) {", "if c.ready && !s.withinBudget(c, stable, now) {",
		"TestTortureF/failed starts count",
	},
	{
		3, "StopChild does not cancel the backoff", "stopping.go",
		"\ts.disarm(c)\n\tc.state = childStopped\n\tc.node", "\tc.state = childStopped\n\tc.node",
		"TestTortureI/stop of the child cancels it",
	},
	{
		3, "a child that had ended does not come back with the others", "supervision.go",
		"c.due = c.due || c.node.spec.Restart != Temporary && !c.barred && !c.held", "",
		"TestSweepTrees",
	},

	// 4: budget and escalation.
	{
		4, "one restart more than the budget", "budget.go",
		"len(w.at) < b.Intensity", "len(w.at) <= b.Intensity",
		"TestTortureF/budget, n+1",
	},
	{
		4, "a restart at the window's edge is forgotten", "budget.go",
		"now.Sub(w.at[0]) > b.Period", "now.Sub(w.at[0]) >= b.Period",
		"TestTortureF/budget, window's edge",
	},
	{
		4, "the restarts of all times are looked at", "budget.go",
		"func (w *window) allow(b Budget, now time.Time) bool {", "var everyRestart int\n\n" +
			"func (w *window) allow(b Budget, now time.Time) bool {\n" +
			"\tfor range everyRestart {\n\t\tw.at = w.at[:len(w.at):len(w.at)]\n\t}\n\teveryRestart++",
		"TestTortureF/restarts cost the same after thousands, in time and memory",
	},
	{
		4, "out of budget: the child is stopped in silence", "supervision.go",
		`s.fail(c, r, fmt.Errorf(`, `s.down(c, fmt.Errorf(`,
		"TestTortureP/intensity: stock stops the child in silence, ours escalates",
	},

	// 5: stop, fence, abandon.
	{
		5, "children stop in the order of their start", "stopping.go",
		"s.sweep(s.children[s.alive])", "s.sweep(s.children[len(s.children)-1-s.alive])",
		"TestTortureC/exactly the reverse of the start, five levels deep",
	},
	{
		5, "the deadline does not end the context", "supervision.go",
		"case stopDeadline:\n\t\tc.sh.cancelAll()", "case stopDeadline:",
		"TestTortureC/a handler that waits for its context gets free at the deadline",
	},
	{
		5, "a dynamic child that ends is searched among all", "dynamic.go",
		"\tmoved := s.children[last]\n", "\tmoved := s.children[last]\n" +
			"\tfor i, other := range s.children {\n\t\tif other == c {\n\t\t\tc.index = int32(i)\n\t\t}\n\t}\n",
		"TestTortureQ/dynamic: mass exit of 5 times the children",
	},
	{
		5, "an abandoned life can arm timers", "timer.go",
		"if sh.fenced.Load() || sh.phase == phaseEnded {", "if sh.phase == phaseEnded {",
		"TestTortureO/a zombie sends, arms, starts work, escalates: refused",
	},
	{
		5, "an abandoned life's mailbox is not detached", "mailbox.go",
		"\tm.detached = true\n\tm.signals.drain()", "\tm.signals.drain()",
		"TestTortureO/what was on its way to a zombie does not reach its successor",
	},
	{
		5, "an abandoned life keeps its name", "shell.go",
		"\tsh.sys.proto.ProcessRegistry.Remove(sh.sys.proto.NewLocalPID(sh.node.name))\n", "",
		"TestTortureE/one for all: one that is stuck is abandoned and succeeded",
	},
	{
		5, "an exclusive resource is given to two", "claim.go",
		"return cl.released", "return true",
		"TestTortureO/exclusive: the next life waits for the zombie",
	},
	{
		5, "the zombie limit is one too low", "system.go",
		"s.zombies.Load() > int64(", "s.zombies.Load() >= int64(",
		"TestTortureO/zombie limit: at it all is well, beyond it the root gives up",
	},
	{
		5, "a restart wins over the stop", "supervision.go",
		"\tif s.sh.phase >= phaseEnding {\n\t\treturn // the stop has not come to it yet, but wins\n\t}\n", "",
		"TestStopWinsOverBackoff",
	},

	// 6: panics in hooks.
	{
		6, "a panic in the Stop hook is forgotten", "shell.go",
		"r != nil {\n\t\tsh.reason = r\n", "r != nil {\n\t\t_ = r\n",
		"TestTortureC/a panic in the Stop hook is the reason, and resurrects nobody",
	},
	{
		6, "a panic in Start kills the process", "shell.go",
		"if r := sh.guard(sh.startUser); r != nil {", "if err := sh.startUser(); err != nil {\n\t\tr := &Reason{Kind: ExitError, Err: err}",
		"TestTortureB/a panic rolls back what had started",
	},
	{
		6, "a panic in OnEvent kills the process", "events.go",
		"\t\tdefer s.survivePanic()\n\t\ts.opts.OnEvent(e)", "\t\ts.opts.OnEvent(e)",
		"TestTortureM/hooks look and send, and their panics kill nobody",
	},

	// 7: timers.
	{
		7, "a stale tick is delivered in the next state", "timer.go",
		"return t.state })", "return t.state && !t.queued })",
		"TestTortureJ/cancelled but queued: next state",
	},
	{
		7, "the same key does not replace", "timer.go",
		"\tsh.disarm(t.key)\n", "",
		"TestTortureJ/the same key replaces, whatever kind it was",
	},
	{
		7, "timers outlive an abandoned life", "shell.go",
		"\t\tsh.killLocked(every)\n", "",
		"TestTortureJ/an abandoned life has none",
	},
	{
		7, "a periodic timer drifts", "timer.go",
		"t.due = t.due.Add(time.Duration(tick.Missed+1) * t.period)", "t.due = now.Add(t.period)",
		"TestTortureJ/lateness does not add up",
	},

	// 8: the mailbox.
	{
		8, "a lane holds one message too many", "mailbox.go",
		"q.len >= q.limit", "q.len > q.limit",
		"TestTortureK/a full control lane refuses, the others take",
	},
	{
		8, "control does not go first", "turn.go",
		"m.rare.control.pop()", "m.rare.telemetry.pop()",
		"TestTortureK/control goes first under flood",
	},
	{
		8, "replace oldest refuses", "mailbox.go",
		"class.WhenFull == Refuse {", "class.WhenFull <= ReplaceOldest {",
		"TestTortureK/replace oldest: the newest stay",
	},
	{
		8, "dead letters are not counted", "system.go",
		"\tcause.Add(1)\n", "",
		"TestTortureK/stop while queued: every lane becomes dead letters",
	},
	{
		8, "nobody answers who asked a dead letter", "system.go",
		"\t\tc.to.answer(nil, why)\n", "\t\t_ = c\n",
		"TestTortureK/coalesce: who asked with the older message is told",
	},
	{
		8, "who asked is not told that the life ended to be restarted", "shell.go",
		"sh.box.setAgain(sh.child.restarts(r))", "sh.box.setAgain(false)",
		"TestQueuedAsksAreToldWhatFollows/restart",
	},

	// 9: monitors.
	{
		9, "the end of a life is not told", "report.go",
		"\tsh.tellMonitors(r)\n", "",
		"TestTortureL/a life that is given up is down, once, also when it ends late",
	},
	{
		9, "a place keeps the monitors of lives that are over", "monitor.go",
		"\tn.watchers = nil\n\treturn all", "\treturn all",
		"TestTortureL/the same under fire",
	},
	{
		9, "a MonitorDown comes after Demonitor", "monitor.go",
		"if sh.takeMonitor(m.id) != nil {", "if sh.takeMonitor(m.id); true {",
		"TestTortureL/demonitor when the word waits in the mailbox",
	},
	{
		9, "a monitor of nobody waits for ever", "monitor.go",
		"case n.living == 0:\n\t\treturn false", "case n.living == 0:\n\t\treturn true",
		"TestTortureL/nobody lives there: the word comes at once",
	},

	// 10: insight.
	{
		10, "failed is shown as restarting", "supervision.go",
		"state = StateFailed", "state = StateRestarting",
		"TestTortureM/every state as value, text and JSON",
	},
	{
		10, "the tree does not show zombies", "insight.go",
		"Zombies: int64(n.zombies.Load()),", "",
		"TestTortureM/the sums of all places are the ledger",
	},
	{
		10, "the ledger overlooks goroutines that nobody owns", "ledger.go",
		"strays(left)", "strays(nil)",
		"TestLedgerFindsStrays",
	},
	{
		10, "an event that a full stream lost is not counted", "events.go",
		"\t\tu.dropped.Add(1)\n", "",
		"TestTortureM/subscribe: all in order; a slow reader loses the newest, counted; closed at the end",
	},

	// 11: crash reports.
	{
		11, "every crash is reported", "report.go",
		"now.Sub(n.crashes.last) < reportEvery", "now.Before(n.crashes.last)",
		"TestTortureM/crashes of a place: the first in full, then one a minute with the count",
	},
	{
		11, "every panic takes its stack", "report.go",
		"if !s.crashStacks.allow(s.exec.Now(), stacksPerSecond) {", "if s.exec == nil {",
		"TestTortureM/ten stacks a second in the whole system",
	},
}
