package sim_test

import (
	"fmt"
	"testing"
	"time"

	"gatehouse/supervisor"
	"gatehouse/supervisor/sim"
	"gatehouse/supervisor/supervisortest"
)

// BenchmarkRounds: 50 actors that each handle one tick a round; 100 rounds in
// one call, or one call for each.
func BenchmarkRounds(b *testing.B) {
	for name, each := range map[string]time.Duration{"together": 100, "single": 1} {
		b.Run(name, func(b *testing.B) {
			x := sim.New(1, sim.Options{})
			log := &supervisortest.Log{}
			var s supervisor.SupervisorSpec
			for i := range 50 {
				s.Children = append(s.Children, log.Child(fmt.Sprint(i), supervisortest.Probe{
					Quiet:   true,
					OnStart: func(c *supervisor.Context) error { c.Every("tick", time.Millisecond); return nil },
				}))
			}
			sys, err := supervisor.Start(s, supervisor.Options{Executor: x})
			if err != nil {
				b.Fatal(err)
			}
			before := x.Rounds()
			for b.Loop() {
				for range 100 / each {
					x.Advance(each * time.Millisecond)
				}
			}
			b.ReportMetric(float64(x.Rounds()-before)/b.Elapsed().Seconds(), "rounds/s")
			sys.Stop()
		})
	}
}
