package prom_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"gatehouse/supervisor"
	"gatehouse/supervisor/prom"
	"gatehouse/supervisor/supervisortest"
)

// TestScrapeWhileEverythingHappens: places restart, come and go, the tree stops
// and is down, while two scrape. No scrape fails or shows a place that cannot
// be, and no counter of the rest falls.
func TestScrapeWhileEverythingHappens(t *testing.T) {
	log := &supervisortest.Log{}
	sys, err := supervisor.Start(spec{
		Budget: supervisor.Isolating(1000, time.Second),
		Children: kids{
			with(log.Child("crashes", supervisortest.Probe{}), func(c *kid) { c.Backoff = quick }),
			{ID: "pool", Supervisor: &spec{
				Strategy: supervisor.Dynamic, Budget: supervisor.Isolating(1000, time.Second),
				Children: kids{with(log.Child("", supervisortest.Probe{}), func(c *kid) { c.Backoff = quick })},
			}},
		},
	}, supervisor.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { sys.Stop(); supervisortest.NoLeaks(t, sys) }()
	r := registry(t, prom.New(sys, prom.Options{MaxPlaces: 4}))

	over := make(chan struct{})
	var scrapers sync.WaitGroup
	for range 2 {
		scrapers.Go(func() {
			for last, n := -1.0, 0; ; n++ {
				series, err := gather(r)
				if err != nil {
					t.Error(err)
				}
				if other := series[`supervisor_place_restarts_total{path="other"}`]; other < last {
					t.Errorf("restarts of the rest fell from %v to %v", last, other)
				} else {
					last = other
				}
				if got := paths(series); len(got) > 5 {
					t.Errorf("too many paths: %v", got)
				}
				select {
				case <-over:
					return
				default:
				}
			}
		})
	}
	churn(t, sys)
	sys.Stop()
	close(over)
	scrapers.Wait()

	series := scrape(t, r)
	equal(t, "actors", 0, series["supervisor_actors{}"])
	equal(t, "the root", 1, series[`supervisor_place_state{path="root",state="stopped"}`])
	for name := range series {
		if strings.Contains(name, "root/pool/") {
			t.Errorf("%s is left of a dynamic place", name)
		}
	}
}

var quick = supervisor.Backoff{Min: time.Microsecond, Max: time.Microsecond}

// churn makes children come and go and crash.
func churn(t *testing.T, sys *supervisor.System) {
	t.Helper()
	pool := sys.Ref("root/pool")
	const patience = 30 * time.Second
	for i := range 200 {
		id := fmt.Sprint("d", i%7)
		child, err := pool.Ask(supervisor.StartChild{ID: id}, patience)
		if err != nil {
			t.Errorf("start %s: %v", id, err)
			return
		}
		child.(supervisor.Ref).Send(supervisortest.Crash)
		sys.Ref("root/crashes").Send(supervisortest.Crash)
		gone := fmt.Sprint("d", (i+4)%7)
		if _, err := pool.Ask(supervisor.StopChild{ID: gone}, patience); err != nil && i > 6 {
			t.Errorf("stop %s: %v", gone, err)
			return
		}
	}
}
