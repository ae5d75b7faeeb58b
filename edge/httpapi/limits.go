package httpapi

import (
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// ErrBadLimit: no such figure has a threshold, or not such a one.
var ErrBadLimit = errors.New("no such threshold")

// Limits are what the process uses and the thresholds beyond which that is an alarm.
// Its methods are safe for concurrent use. Errors of Set besides ErrBadLimit are
// those of the disk; Status has an error beside what it could find out.
type Limits interface {
	Status() (LimitsStatus, error)
	// WarmUp collects garbage, and returns when that is done.
	WarmUp()
	// Set replaces the thresholds of the baseline; none takes them away.
	Set(thresholds map[string]uint64) error
}

// LimitsStatus is the process at one moment. A threshold that is missing is none.
type LimitsStatus struct {
	Figures    map[string]uint64 `json:"figures"`
	Thresholds map[string]uint64 `json:"thresholds"`
	Baseline   time.Time         `json:"baseline,omitzero"` // when its thresholds were set
	HeapLive   uint64            `json:"heap_live_bytes"`
	GCCycles   uint64            `json:"gc_cycles"`
	FilesLimit uint64            `json:"files_limit"`
	RSSAnon    uint64            `json:"rss_anon_bytes"`

	MemoryLimit     int64  `json:"memory_limit_bytes,omitempty"`
	MemoryLimitFrom string `json:"memory_limit_from,omitempty"`
}

func (a *API) limits(w http.ResponseWriter, _ *http.Request) {
	status, err := a.o.Limits.Status()
	if err != nil {
		a.o.Log.Warn().Err(err).Msg("what the process uses cannot be read in full")
	}
	answer(w, http.StatusOK, status)
}

func (a *API) warmUp(w http.ResponseWriter, r *http.Request) {
	a.o.Limits.WarmUp()
	a.limits(w, r)
}

// setLimits takes a threshold for each parameter, by the name of its figure.
func (a *API) setLimits(w http.ResponseWriter, r *http.Request) {
	thresholds := map[string]uint64{}
	q, err := url.ParseQuery(r.URL.RawQuery)
	for name, values := range q {
		n, bad := strconv.ParseUint(values[0], 10, 64)
		if bad != nil || len(values) > 1 {
			err = errors.New("the parameter \"" + clip(name) + "\" is no number, or there twice")
		}
		thresholds[name] = n
	}
	switch {
	case err != nil:
		err = errors.Join(ErrBadLimit, err)
	case len(thresholds) == 0:
		err = errors.Join(ErrBadLimit, errors.New("none is given"))
	default:
		err = a.o.Limits.Set(thresholds)
	}
	a.limitsSet(w, r, err)
}

func (a *API) clearLimits(w http.ResponseWriter, r *http.Request) {
	a.limitsSet(w, r, a.o.Limits.Set(nil))
}

func (a *API) limitsSet(w http.ResponseWriter, r *http.Request, err error) {
	switch {
	case err == nil:
		a.limits(w, r)
	case errors.Is(err, ErrBadLimit):
		fail(w, http.StatusBadRequest, problem{
			Code: "bad_limit", Message: clipLong(err.Error()) + ".",
			Hint: "Give NAME=NUMBER for the names under figures in GET /api/limits, as gatehouse baseline does; DELETE takes all away.",
		})
	default:
		fail(w, http.StatusServiceUnavailable, problem{
			Code: "limits_not_saved", Message: clipLong(err.Error()) + ".", Hint: "The thresholds are as they were; look at the disk of the data directory.",
		})
	}
}
