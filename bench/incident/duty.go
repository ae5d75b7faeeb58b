package incident

import "time"

// Duty is one of the seven.
type Duty struct {
	Number  int
	Name    string
	Was     string // how it was done
	Fix     string // what was published; "" for none
	Ours    string // what does it here
	Load    string // the traffic, and how far time is compressed
	Factor  float64
	Missing string // what the published fix does not cure

	variant string        // what the stated variant of the naive column changes; "" for none
	alone   bool          // nothing else may run meanwhile: durations are compared
	every   time.Duration // between two samples; 0: lookEvery
	run     func(*stage) error
}

// The factors by which time is compressed.
const (
	factorChecks    = 5400
	factorAuth      = 10
	factorPush      = 240
	factorHeartbeat = 480
)

// squeeze is a real time in compressed time.
func squeeze(d time.Duration, factor float64) time.Duration {
	return time.Duration(float64(d) / factor)
}

// Duties are all seven, in the order of the report.
func Duties() []Duty { return duties() }

func duties() []Duty {
	return []Duty{
		{
			Number: 1, Name: "Health checks", Factor: factorChecks, run: runChecks,
			Was:     "a ticker loop without an exit starts a goroutine for each door's check; some checks hang",
			Fix:     "select on ticker and context, checks one after the other",
			Ours:    "chores/health: one actor, one timer, each check a task with a deadline, one at a time per device",
			Load:    "8 doors, a check each every 30 s for 72 h; one check in 30 never answers",
			Missing: "the first check that hangs is the last one of any door",
		},
		{
			Number: 2, Name: "Authentication", Factor: factorAuth, run: runAuth,
			Was:     "a handler with a context of 500 ms whose goroutine waits 2 s for the backend and ignores the context",
			Fix:     "the context's deadline reaches the backend",
			Ours:    "the API: limit, authentication, deadline, recover; commands wait in one place, with a bound",
			Load:    "100 requests/s for 60 s, every answer of the backend takes 2 s; then 600 requests at once",
			Missing: "nothing bounds how many wait at once",
			variant: "the channel for the answer has no room, so that nobody takes a late one",
		},
		{
			Number: 3, Name: "Pushes to others", Factor: factorPush, run: runPush,
			Was:     "an HTTP client with an idle pool (100/100, 30 s) and no time-out for handshake or header",
			Fix:     "time-outs",
			Ours:    "edge/heartbeat under an actor for each link: one connection, one request at a time, a limit for each step",
			Load:    "two servers that accept and never answer, one of them TLS; a push to each every 5 s for an hour",
			Missing: "pushes still overlap: each has a goroutine of its own",
		},
		{
			Number: 4, Name: "Redis event:sync", Factor: 1, run: runSync,
			Was:     "for range client.Subscribe(ctx, ...).Channel(), its context cancelled, its server lost",
			Fix:     "Receive, select, Close",
			Ours:    "edge/redis under a link actor: the end of its life closes the connection under whatever waits on it",
			Load:    "subscribe, hear a message, cancel, again and again; the server is killed or stopped (SIGSTOP) now and then",
			Missing: "while its server hangs it does not end with its context, and what is published meanwhile is lost",
		},
		{
			Number: 5, Name: "Heartbeat", Factor: factorHeartbeat, run: runHeartbeat,
			Was:     "recursive time.AfterFunc every 5 s, the answer's body never closed",
			Fix:     "one Ticker",
			Ours:    "edge/heartbeat under one actor with one keyed timer: the body read to its end, the connection kept",
			Load:    "1,440 beats, 2 h; the centre answers each with 4 KiB",
			Missing: "the body is still never closed: two goroutines and a descriptor a beat",
		},
		{
			Number: 6, Name: "Nightly archive", Factor: 1, alone: true, every: 10 * time.Millisecond, run: runArchive,
			Was:  "snapshot, compressed and encrypted copy are all held in memory",
			Ours: "persistence/archive: a stream, compressed, encrypted and read back block by block",
			Load: "the journal's closed segments, once",
		},
		{
			Number: 7, Name: "A record per request", Factor: 1, alone: true, every: time.Second / 2, run: runRecord,
			Was:     "a fresh log entry on the heap per request, written as JSON",
			Fix:     "sync.Pool for the entries",
			Ours:    "an access.Event into the journal's bounded intake; the journal encodes and syncs it in groups beside",
			Load:    "waves of 4,000 requests by 8 workers at full speed, columns taking turns",
			Missing: "the entry was never what cost: JSON and the write did",
		},
	}
}

func dutyOf(n int) (Duty, bool) {
	for _, d := range duties() {
		if d.Number == n {
			return d, true
		}
	}
	return Duty{}, false
}
