package httpapi

import (
	"errors"
	"net/http"
	"net/http/pprof"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"gatehouse/access"
)

// MaxProfiling is how long profiling stays on at most, and unless a request says
// less.
const MaxProfiling = 30 * time.Minute

// maxProfile is the longest profile, in seconds.
const maxProfile = 60

// Profiling switches profiling on and off; it ends by itself. Its methods are safe
// for concurrent use and return in bounded time. The errors are a building that
// cannot do it now.
type Profiling interface {
	On(d time.Duration, by access.OperatorID) error
	Off(by access.OperatorID) error
	Status() ProfilingStatus
}

// ProfilingStatus says whether profiling is on, and until when.
type ProfilingStatus struct {
	On    bool      `json:"on"`
	Until time.Time `json:"until,omitzero"`
}

func (a *API) profiling(w http.ResponseWriter, _ *http.Request) {
	answer(w, http.StatusOK, a.o.Profiling.Status())
}

func (a *API) profilingOn(w http.ResponseWriter, r *http.Request) {
	const most = int(MaxProfiling / time.Minute)
	minutes, err := only(r, "minutes", most, most)
	if err != nil {
		badNumber(w, err)
		return
	}
	a.switched(w, r, a.o.Profiling.On(time.Duration(minutes)*time.Minute, Operator))
}

func (a *API) profilingOff(w http.ResponseWriter, r *http.Request) {
	a.switched(w, r, a.o.Profiling.Off(Operator))
}

func (a *API) switched(w http.ResponseWriter, r *http.Request, err error) {
	if err != nil {
		fail(w, http.StatusServiceUnavailable, problem{
			Code: "profiling_refused", Message: "Profiling was not switched: " + clipLong(err.Error()) + ".",
			Hint: "Try again in a moment; /api/tree shows the state of edge/profiling.",
		})
		return
	}
	a.profiling(w, r)
}

// only reads the only parameter of a request, from 1 to most; fallback without it.
func only(r *http.Request, name string, fallback, most int) (int, error) {
	q, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return 0, errors.New("the parameters cannot be read")
	}
	for other, values := range q {
		if other != name || len(values) > 1 {
			return 0, errors.New("the parameter \"" + clip(other) + "\" is unknown, or there twice")
		}
	}
	if !q.Has(name) {
		return fallback, nil
	}
	n, err := strconv.Atoi(q.Get(name))
	if err != nil || n < 1 || n > most {
		return 0, errors.New(name + " must be a number from 1 to " + strconv.Itoa(most))
	}
	return n, nil
}

func badNumber(w http.ResponseWriter, err error) {
	fail(w, http.StatusBadRequest, problem{
		Code: "bad_query", Message: err.Error() + ".", Hint: "Leave it out, or give a number within its bounds.",
	})
}

// pprof answers with profiles while profiling is on. They show what is in memory,
// so even to read them needs the token.
func (a *API) pprof() http.Handler {
	profiles := pprofMux()
	var lasting sync.Mutex
	shown := permitted(a.o.Token, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		lasts, err := lastingProfile(r)
		switch {
		case err != nil:
			badNumber(w, err)
		case !lasts:
			profiles.ServeHTTP(w, r)
		case !lasting.TryLock():
			fail(w, http.StatusConflict, problem{
				Code: "profile_runs", Message: "Another profile is being taken over some time.", Hint: "Wait for its end, a minute at most.",
			})
		default:
			defer lasting.Unlock()
			if standing(r) {
				profiles.ServeHTTP(w, r)
			}
		}
	}))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !a.o.Profiling.Status().On {
			fail(w, http.StatusNotFound, problem{
				Code: "profiling_off", Message: "Profiling is off.",
				Hint: "POST /api/profiling with the token switches it on for 30 minutes.",
			})
			return
		}
		shown.ServeHTTP(w, r)
	})
}

// lastingProfile says whether a profile is one over some time, of maxProfile seconds
// at most.
func lastingProfile(r *http.Request) (lasts bool, err error) {
	given := r.URL.Query().Get("seconds")
	if given == "" {
		return strings.HasSuffix(r.URL.Path, "/profile") || strings.HasSuffix(r.URL.Path, "/trace"), nil
	}
	if n, err := strconv.ParseFloat(given, 64); err != nil || !(n > 0 && n <= maxProfile) {
		return false, errors.New("seconds must be a number up to " + strconv.Itoa(maxProfile))
	}
	return true, nil
}

// pprofMux has the profiles at /debug/pprof/.
func pprofMux() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	return mux
}
