package naive

import (
	"context"
	"net/http"
	"time"
)

// Backend knows who may come in. It takes its time.
type Backend interface {
	Verify(ctx context.Context, card string) bool
}

// AuthHandler answers whether a card may come in, within Limit.
type AuthHandler struct {
	Backend Backend
	Limit   time.Duration // 500 ms
}

func (h *AuthHandler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), h.Limit)
	defer cancel()
	card := r.URL.Query().Get("card")

	result := make(chan bool, 1)
	go func() {
		result <- h.Backend.Verify(context.Background(), card)
	}()
	answer(ctx, w, result)
}

// AuthHandlerUnbuffered is the same handler with one character less, as it is found
// at least as often: the channel has no room, so whoever comes too late waits for
// ever for somebody to take the answer.
type AuthHandlerUnbuffered AuthHandler

func (h *AuthHandlerUnbuffered) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), h.Limit)
	defer cancel()
	card := r.URL.Query().Get("card")

	result := make(chan bool)
	go func() {
		result <- h.Backend.Verify(context.Background(), card)
	}()
	answer(ctx, w, result)
}

func answer(ctx context.Context, w http.ResponseWriter, result <-chan bool) {
	select {
	case ok := <-result:
		if !ok {
			http.Error(w, "denied", http.StatusForbidden)
		}
	case <-ctx.Done():
		http.Error(w, "authentication timed out", http.StatusGatewayTimeout)
	}
}
