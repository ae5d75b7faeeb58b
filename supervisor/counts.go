package supervisor

// Counts is what a system owns at one moment, and what has happened to messages
// and hooks since its start. Unlike the Ledger it is cheap.
type Counts struct {
	Actors  int64 // lives, supervisors included
	Timers  int64
	Workers int64
	Zombies int64

	DeadStopped  uint64 // messages that waited when their actor ended
	DeadReplaced uint64 // messages that made room for newer ones
	DeadTimers   uint64 // ticks that had nobody to go to: always 0
	Coalesced    uint64 // messages whose place one with the same key took
	HookPanics   uint64 // panics of OnEvent and OnFatal, which nobody else sees
}

// Counts reads the counters, one after the other. It stops nothing and works
// also when the system is down.
func (s *System) Counts() Counts {
	return Counts{
		Actors: s.actors.Load(), Timers: s.timers.Load(), Workers: s.workers.Load(), Zombies: s.zombies.Load(),
		DeadStopped: s.dead.stopped.Load(), DeadReplaced: s.dead.replaced.Load(), DeadTimers: s.dead.timers.Load(),
		Coalesced: s.dead.coalesced.Load(), HookPanics: s.hookPanics.Load(),
	}
}
