package main

import (
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"gatehouse/actors"
	"gatehouse/edge/httpapi"
)

// healthy is a building with nothing wrong.
type healthy struct{ httpapi.Building }

func (healthy) Health() actors.Health { return actors.Health{Ready: true, Degraded: []string{}} }

// A copy of the store that goes on for long is a number, and beyond the limit it
// is something that does not work.
func TestOldestReadHasALimit(t *testing.T) {
	begun := time.Date(2026, 3, 29, 1, 0, 0, 0, time.UTC)
	now, going := begun, true
	age := readAge(func() (time.Time, bool) { return begun, going }, func() time.Time { return now })
	metric := func() float64 {
		registry := prometheus.NewRegistry()
		registry.MustRegister(oldestRead(age))
		all, err := registry.Gather()
		if err != nil {
			t.Fatal(err)
		}
		return all[0].GetMetric()[0].GetGauge().GetValue()
	}
	for _, c := range []struct {
		after time.Duration
		going bool
		want  float64
		ready bool
	}{
		{-time.Hour, true, 0, true}, // a clock that was set back
		{30 * time.Second, true, 30, true},
		{31 * time.Second, true, 31, false},
		{31 * time.Second, false, 0, true},
	} {
		now, going = begun.Add(c.after), c.going
		h := reads{healthy{}, age}.Health()
		if metric() != c.want || h.Ready != c.ready || (len(h.Degraded) == 0) != c.ready ||
			!c.ready && !strings.Contains(h.Degraded[0], "has been going on for 31s") {
			t.Errorf("after %v: %v, %+v", c.after, metric(), h)
		}
	}
}
