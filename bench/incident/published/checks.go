package published

import (
	"context"
	"log"
	"time"

	"gatehouse/bench/incident/naive"
)

// Monitor checks the doors one after the other and ends with its context.
type Monitor struct {
	Devices  []naive.Device
	Interval time.Duration
}

// Run checks until ctx ends.
func (m *Monitor) Run(ctx context.Context) {
	ticker := time.NewTicker(m.Interval)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			for i, d := range m.Devices {
				if err := d.Check(ctx); err != nil {
					log.Printf("door %d: health check failed: %v", i, err)
				}
			}
		case <-ctx.Done():
			return
		}
	}
}
