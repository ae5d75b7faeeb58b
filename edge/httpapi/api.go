package httpapi

import (
	"cmp"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"gatehouse/access"
)

// Operator is who the events name for a command that came in here. The token
// says that somebody may give commands, not who it is.
const Operator access.OperatorID = "api"

// Clock is the machine's clock; supervisor.Executor fits. A simulated one does
// not do: the deadlines of sockets follow the machine's.
type Clock interface {
	Now() time.Time
	AfterFunc(d time.Duration, f func()) (stop func() bool)
}

// Options of an API. Building and Clock are required.
type Options struct {
	Building Building
	Clock    Clock
	// Token is what a change must bear; while it is "" every change is refused.
	Token string
	// Hosts are names that requests may use for us besides the loopback ones, in
	// lower case and without a port.
	Hosts   []string
	Version string  // of gatehouse, for the metrics; default what the build says
	ID      string  // of the building; /healthz says it
	Life    Life    // what /healthz says of it
	Backups Backups // nil: none are made
	People  People  // nil: they cannot be changed
	Limits  Limits  // nil: there is no /api/limits
	// Profiling and Diagnosis likewise, with what hangs on them.
	Profiling Profiling
	Diagnosis Diagnosis
	// Collectors are served at /metrics besides the API's own.
	Collectors []prometheus.Collector
	Log        zerolog.Logger

	Streams    int           // streams at a time; default 64
	Heartbeat  time.Duration // between the signs of life on a stream; default 15 s
	WriteLimit time.Duration // how long a stream's client may take no bytes; default 5 s

	// Of requests that read, and of all others.
	Requests int // under way at a time, streams aside; default 64
	Rate     int // a second; default 1,000
	Burst    int // of them at once; default Rate
	// Deadline is when the client is answered, whatever became of its request; default
	// 8 s, more than a command waits for its disk. Streams have none.
	Deadline time.Duration
}

// API answers requests. Its methods are safe for concurrent use.
type API struct {
	o       Options
	handler http.Handler
	numbers http.Handler  // the metrics
	streams chan struct{} // a token for each open stream
	cut     atomic.Uint64 // streams that were cut off
	gates   gates
	expired atomic.Uint64 // requests at their deadline
	panics  atomic.Uint64
	crashes crashes
}

// New makes the API. It asks nothing of the building before the first request.
func New(o Options) *API {
	o.Heartbeat = cmp.Or(o.Heartbeat, 15*time.Second)
	o.WriteLimit = cmp.Or(o.WriteLimit, 5*time.Second)
	o.Deadline = cmp.Or(o.Deadline, 8*time.Second)
	rate := cmp.Or(o.Rate, 1000)
	a := &API{o: o, gates: newGates(o.Clock, cmp.Or(o.Requests, 64), rate, cmp.Or(o.Burst, rate)), streams: make(chan struct{}, cmp.Or(o.Streams, 64))}
	a.numbers = a.metrics()
	mux := http.NewServeMux()
	for path, methods := range a.routes() {
		mux.Handle(path, methods)
	}
	if o.Profiling != nil {
		mux.Handle("/debug/pprof/", a.pprof())
	}
	mux.HandleFunc("/", unknownPath)
	// The order is the defence: who floods us costs no more than a refusal, and what
	// hangs or crashes behind the last has passed all others.
	a.handler = a.gates.limited(guarded(o.Hosts, authorized(o.Token, a.deadline(a.recovered(bodyless(mux))))))
	return a
}

func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) { a.handler.ServeHTTP(w, r) }

// alivePath is answered whatever else goes on; eventsPath and what is below it may
// wait for a disk.
const (
	alivePath  = "/healthz"
	eventsPath = "/api/events"
)

func (a *API) routes() map[string]methods {
	routes := map[string]methods{
		alivePath:                  {http.MethodGet: a.alive},
		"/readyz":                  {http.MethodGet: a.ready},
		"/metrics":                 {http.MethodGet: a.numbers.ServeHTTP},
		"/api/doors":               {http.MethodGet: a.doors},
		"/api/doors/{id}":          {http.MethodGet: a.door},
		"/api/doors/{id}/{action}": {http.MethodPost: a.command},
		"/api/lockdown":            {http.MethodPost: a.commandAll(access.Command{Mode: access.LockedDown})},
		"/api/normal":              {http.MethodPost: a.commandAll(access.Command{Clear: true})},
		eventsPath:                 {http.MethodGet: a.events},
		eventsPath + "/stream":     {http.MethodGet: a.stream},
		"/api/tree":                {http.MethodGet: a.tree},
		"/api/health":              {http.MethodGet: a.health},
		"/api/backup":              {http.MethodGet: a.backupStatus, http.MethodPost: a.backup},
		"/api/people":              {http.MethodGet: a.peopleStatus},
		importPath:                 {http.MethodPost: a.importPeople},
		"/api/people/erase":        {http.MethodPost: a.erase},
		"/api/reindex":             {http.MethodGet: a.indexStatus, http.MethodPost: a.reindex},
	}
	if a.o.Limits != nil {
		routes["/api/limits"] = methods{http.MethodGet: a.limits, http.MethodPost: a.setLimits, http.MethodDelete: a.clearLimits}
		routes["/api/limits/warm-up"] = methods{http.MethodPost: a.warmUp}
	}
	if a.o.Profiling != nil {
		routes["/api/profiling"] = methods{http.MethodGet: a.profiling, http.MethodPost: a.profilingOn, http.MethodDelete: a.profilingOff}
	}
	if a.o.Diagnosis != nil {
		routes["/api/diag"] = methods{http.MethodPost: a.diagnose}
	}
	return routes
}

// methods are the handlers of one path. A GET handler answers HEAD as well.
type methods map[string]http.HandlerFunc

func (m methods) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	method := r.Method
	if method == http.MethodHead {
		method = http.MethodGet
	}
	if h := m[method]; h != nil {
		h(w, r)
		return
	}
	allowed := strings.Join(slices.Sorted(maps.Keys(m)), ", ")
	w.Header().Set("Allow", allowed)
	fail(w, http.StatusMethodNotAllowed, problem{
		Code:    "method_not_allowed",
		Message: r.Method + " is not possible here.",
		Hint:    "Use " + allowed + ".",
	})
}

func unknownPath(w http.ResponseWriter, r *http.Request) {
	fail(w, http.StatusNotFound, problem{
		Code:    "unknown_path",
		Message: "There is nothing at " + clip(r.URL.Path) + ".",
		Hint: "To read: /api/doors, /api/events, /api/events/stream, /api/tree, /api/health, /api/backup, /api/people, /api/reindex, /api/limits, /api/profiling, /healthz, /readyz, /metrics. " +
			"Commands: POST /api/doors/ID/unlock (or lock, lockdown, normal, fire-reset), POST /api/lockdown, POST /api/normal, POST /api/backup, " +
			"POST /api/people/import, POST /api/people/erase, POST /api/reindex, POST /api/limits, POST /api/diag, POST /api/profiling.",
	})
}
