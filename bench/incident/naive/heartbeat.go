package naive

import (
	"log"
	"net/http"
	"strings"
	"time"
)

// Heartbeat tells the centre every Interval that the building lives.
type Heartbeat struct {
	URL      string
	Interval time.Duration // 5 s
}

// Start sends the first beat; each arms the next.
func (h *Heartbeat) Start() {
	time.AfterFunc(h.Interval, h.beat)
}

func (h *Heartbeat) beat() {
	time.AfterFunc(h.Interval, h.beat)
	resp, err := http.Post(h.URL, "application/json", strings.NewReader(`{"building":"b","ok":true}`))
	if err != nil {
		log.Printf("heartbeat: %v", err)
		return
	}
	if resp.StatusCode != http.StatusOK {
		log.Printf("heartbeat: %s", resp.Status)
	}
}

// Stop is all that can be done: there is nothing to end the beats by.
func (h *Heartbeat) Stop() { http.DefaultClient.CloseIdleConnections() }
