package httpapi

import "net/http"

// IndexStatus is how far the index is.
type IndexStatus struct {
	Through uint64 `json:"through"` // it has all events up to this one
	Last    uint64 `json:"last"`    // the newest event on disk
}

func (a *API) indexStatus(w http.ResponseWriter, _ *http.Request) {
	last := a.o.Building.LastEvent()
	answer(w, http.StatusOK, IndexStatus{Through: last - min(last, a.o.Building.IndexLag()), Last: last})
}

// reindex throws the index away. The building makes it again; searches go on.
func (a *API) reindex(w http.ResponseWriter, r *http.Request) {
	if err := a.o.Building.Reindex(); err != nil {
		fail(w, http.StatusServiceUnavailable, problem{
			Code: "reindex_refused", Message: clipLong(err.Error()) + ".", Hint: "Try again in a moment; the log says more.",
		})
		return
	}
	w.Header().Set("Location", r.URL.Path)
	last := a.o.Building.LastEvent()
	answer(w, http.StatusAccepted, IndexStatus{Through: last - min(last, a.o.Building.IndexLag()), Last: last})
}
