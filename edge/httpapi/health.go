package httpapi

import (
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"gatehouse/actors"
)

// maxListed bounds what /readyz lists.
const maxListed = 20

func (a *API) alive(w http.ResponseWriter, r *http.Request) {
	proof, ok := a.proof(w, r)
	if !ok {
		return
	}
	health := map[string]string{"status": "alive", "building": a.o.ID}
	if proof != "" {
		health["proof"] = proof
	}
	answer(w, http.StatusOK, health)
}

// ready says whether everything in the building works.
func (a *API) ready(w http.ResponseWriter, _ *http.Request) {
	health := a.o.Building.Health()
	if health.Ready {
		answer(w, http.StatusOK, health)
		return
	}
	wrong := health.Degraded
	message := "1 part does not work; degraded names it."
	if n := len(wrong); n != 1 {
		message = strconv.Itoa(n) + " parts do not work; degraded lists them."
	}
	if more := len(wrong) - maxListed; more > 0 {
		wrong = append(wrong[:maxListed:maxListed], fmt.Sprintf("and %d more", more))
	}
	fail(w, http.StatusServiceUnavailable, problem{
		Code:     "not_ready",
		Message:  message,
		Hint:     "Doors work on what they have; the log says more.",
		Degraded: wrong,
	})
}

// health tells of every device and link, whether it is well or not.
func (a *API) health(w http.ResponseWriter, _ *http.Request) {
	answer(w, http.StatusOK, struct {
		actors.Health
		Devices []actors.DeviceStatus `json:"devices"`
		Links   []actors.LinkStatus   `json:"links"`
	}{a.o.Building.Health(), a.o.Building.Devices(), a.o.Building.Links()})
}

func (a *API) tree(w http.ResponseWriter, r *http.Request) {
	t := a.o.Building.Tree()
	if !wants(r, "text/plain") {
		answer(w, http.StatusOK, t.JSON)
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = io.WriteString(w, t.Text) // a client that went away is no fault of ours
}

// wants reports whether the request asks for that media type by name.
func wants(r *http.Request, media string) bool {
	for _, accept := range r.Header.Values("Accept") {
		for part := range strings.SplitSeq(accept, ",") {
			name, _, _ := strings.Cut(part, ";")
			if strings.EqualFold(strings.TrimSpace(name), media) {
				return true
			}
		}
	}
	return false
}
