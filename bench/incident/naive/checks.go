package naive

import (
	"context"
	"log"
	"time"
)

// Device is a door's controller as the old system asked for its health.
type Device interface {
	Check(ctx context.Context) error
}

// Monitor looks after the health of all doors.
type Monitor struct {
	Devices  []Device
	Interval time.Duration // 30 s
}

// Start begins to check every door at each tick.
func (m *Monitor) Start() {
	ticker := time.NewTicker(m.Interval)
	go func() {
		for range ticker.C {
			for i, d := range m.Devices {
				go func() {
					if err := d.Check(context.Background()); err != nil {
						log.Printf("door %d: health check failed: %v", i, err)
					}
				}()
			}
		}
	}()
}
