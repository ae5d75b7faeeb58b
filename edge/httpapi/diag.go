package httpapi

import (
	"context"
	"errors"
	"io"
	"net/http"
	"time"
)

// MaxDiagnosis is the longest that a diagnosis watches, in seconds; without a
// parameter it is DefaultDiagnosis.
const (
	MaxDiagnosis     = 300
	DefaultDiagnosis = 30
)

// ErrDiagnosisRuns: another one is being made.
var ErrDiagnosisRuns = errors.New("a diagnosis is being made")

// Diagnosis writes what may tell why a building is unwell, as a zip file without
// secrets. Write watches for the given time and then writes the rest; metrics
// writes those of the API. With ErrDiagnosisRuns, nothing was written. It ends soon
// after ctx.
type Diagnosis interface {
	Write(ctx context.Context, to io.Writer, watch time.Duration, metrics func(io.Writer) error) error
}

func (a *API) diagnose(w http.ResponseWriter, r *http.Request) {
	seconds, err := only(r, "seconds", DefaultDiagnosis, MaxDiagnosis)
	if err != nil {
		badNumber(w, err)
		return
	}
	if !standing(r) {
		return
	}
	w.Header().Set("Content-Type", "application/zip")
	w.Header().Set("Content-Disposition", `attachment; filename="diagnosis.zip"`)
	to := &steady{w: w, out: http.NewResponseController(w), api: a}
	err = a.o.Diagnosis.Write(r.Context(), to, time.Duration(seconds)*time.Second, a.writeMetrics)
	switch {
	case err == nil:
	case to.begun:
		a.o.Log.Warn().Err(err).Msg("a diagnosis was cut short")
		panic(http.ErrAbortHandler) // nobody must take a part for the whole
	case errors.Is(err, ErrDiagnosisRuns):
		w.Header().Del("Content-Disposition")
		fail(w, http.StatusConflict, problem{
			Code: "diagnosis_runs", Message: "A diagnosis is being made already.", Hint: "Wait for its end, 5 minutes at most.",
		})
	default:
		w.Header().Del("Content-Disposition")
		fail(w, http.StatusServiceUnavailable, problem{
			Code: "diagnosis_failed", Message: clipLong(err.Error()) + ".", Hint: "Try again in a moment.",
		})
	}
}

// steady writes to a client that has to take what is written within the write
// limit, however long the whole takes.
type steady struct {
	w     http.ResponseWriter
	out   *http.ResponseController
	api   *API
	begun bool
}

func (s *steady) Write(b []byte) (int, error) {
	s.begun = true
	if err := s.out.SetWriteDeadline(s.api.o.Clock.Now().Add(s.api.o.WriteLimit)); err != nil {
		return 0, err
	}
	n, err := s.w.Write(b)
	if err != nil {
		return n, err
	}
	return n, s.out.Flush()
}
