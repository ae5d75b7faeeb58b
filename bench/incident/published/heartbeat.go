package published

import (
	"context"
	"log"
	"net/http"
	"strings"
	"time"
)

// Heartbeat beats by one Ticker. The fix says nothing of the answer's body.
type Heartbeat struct {
	URL      string
	Interval time.Duration
}

// Run beats until ctx ends.
func (h *Heartbeat) Run(ctx context.Context) {
	ticker := time.NewTicker(h.Interval)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			h.beat()
		case <-ctx.Done():
			return
		}
	}
}

func (h *Heartbeat) beat() {
	resp, err := http.Post(h.URL, "application/json", strings.NewReader(`{"building":"b","ok":true}`))
	if err != nil {
		log.Printf("heartbeat: %v", err)
		return
	}
	if resp.StatusCode != http.StatusOK {
		log.Printf("heartbeat: %s", resp.Status)
	}
}

// Close gives up the connections that are idle.
func (h *Heartbeat) Close() { http.DefaultClient.CloseIdleConnections() }
