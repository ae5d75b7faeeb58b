package published

import (
	"context"
	"net/http"
	"time"

	"gatehouse/bench/incident/naive"
)

// AuthHandler hands its deadline on to the backend.
type AuthHandler struct {
	Backend naive.Backend
	Limit   time.Duration
}

func (h *AuthHandler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), h.Limit)
	defer cancel()
	card := r.URL.Query().Get("card")

	result := make(chan bool, 1)
	go func() {
		result <- h.Backend.Verify(ctx, card)
	}()
	select {
	case ok := <-result:
		if !ok {
			http.Error(w, "denied", http.StatusForbidden)
		}
	case <-ctx.Done():
		http.Error(w, "authentication timed out", http.StatusGatewayTimeout)
	}
}
