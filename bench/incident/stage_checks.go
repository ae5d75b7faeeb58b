package incident

import (
	"context"
	"sync/atomic"
	"time"

	"gatehouse/actors"
	"gatehouse/bench/incident/house"
	"gatehouse/bench/incident/naive"
	"gatehouse/bench/incident/published"
)

// The traffic of duty 1. How many checks hang was not published; one in 30 gives
// the 2,300 goroutines in 72 hours.
const (
	checkedDoors = 8
	hangsOneIn   = 30
	checkPeriod  = 30 * time.Second
	checkLimit   = 10 * time.Second
)

// device is a door's controller: it answers at once, and now and then never.
type device struct {
	asked atomic.Uint64
	done  *atomic.Uint64
	hung  *atomic.Uint64
	gaps  gaps // between two checks
}

// Check hangs until ctx ends, if it hangs.
func (d *device) Check(ctx context.Context) error {
	d.gaps.note()
	if d.asked.Add(1)%hangsOneIn == 0 {
		d.hung.Add(1)
		<-ctx.Done()
		return ctx.Err()
	}
	d.done.Add(1)
	return nil
}

func runChecks(s *stage) error {
	var hung atomic.Uint64
	bank := make([]*device, checkedDoors)
	for i := range bank {
		bank[i] = &device{done: &s.done, hung: &hung}
		bank[i].asked.Store(uint64(i * hangsOneIn / checkedDoors)) // not all in the same round
	}
	a, err := startChecks(s, bank)
	if err != nil {
		return err
	}
	s.ready(a)
	full, short := 48*time.Second, 4*time.Second
	s.run(full*3/4, short*3/4)
	before := s.done.Load()
	s.run(full/4, short/4)
	s.res.Facts["checks_in_last_quarter"] = float64(s.done.Load() - before)
	s.res.Facts["checks_hung"] = float64(hung.Load())
	s.res.Failed = hung.Load()
	s.res.P50, s.res.P99 = bank[0].gaps.quantiles()
	s.finish(a)
	return nil
}

func startChecks(s *stage, bank []*device) (*act, error) {
	period := squeeze(checkPeriod, factorChecks)
	switch s.spec.Column {
	case Naive:
		m := &naive.Monitor{Devices: as(bank), Interval: period}
		m.Start()
		return &act{stop: func() {}}, nil // it has none
	case Published:
		ctx, cancel := context.WithCancel(context.Background())
		m := &published.Monitor{Devices: as(bank), Interval: period}
		done := make(chan struct{})
		spawn(func() { defer close(done); m.Run(ctx) })
		return &act{stop: func() { cancel(); <-done }}, nil
	}
	if s.spec.Smuggled {
		m := &naive.Monitor{Devices: as(bank), Interval: period}
		m.Start()
	}
	o := house.Options{Checks: actors.Checks{Every: period, Limit: squeeze(checkLimit, factorChecks)}}
	for i, d := range bank {
		o.Devices = append(o.Devices, actors.Device{ID: string(house.DoorID(i)), Driver: "bench", Check: d.Check})
	}
	_, a, err := s.enter(o, 0)
	return a, err
}

// as are the devices in the eyes of the other columns.
func as(bank []*device) []naive.Device {
	list := make([]naive.Device, len(bank))
	for i, d := range bank {
		list[i] = d
	}
	return list
}
