package prom_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"gatehouse/supervisor"
	"gatehouse/supervisor/prom"
	"gatehouse/supervisor/sim"
	"gatehouse/supervisor/supervisortest"
)

type (
	spec = supervisor.SupervisorSpec
	kid  = supervisor.ChildSpec
	kids = []supervisor.ChildSpec
	tree = supervisor.Tree
)

// drawn is a source whose tree the test draws.
type drawn struct {
	root   tree
	counts supervisor.Counts
}

func (d *drawn) Tree() tree                { return d.root }
func (d *drawn) Counts() supervisor.Counts { return d.counts }

// draw makes a tree of running places; a name that ends in "/" is a supervisor
// at the root, whose children are the names that begin with it.
func draw(names ...string) *drawn {
	d := &drawn{root: tree{Path: "root", Supervisor: true, State: supervisor.StateRunning}}
	for _, name := range names {
		at, id := &d.root, name
		if above, below, ok := strings.Cut(name, "/"); ok && below != "" {
			at, id = d.at(above), below
		}
		id, isSup := strings.CutSuffix(id, "/")
		at.Children = append(at.Children, tree{Path: at.Path + "/" + id, Supervisor: isSup, State: supervisor.StateRunning})
	}
	return d
}

func (d *drawn) at(path string) *tree { return d.root.Find("root/" + path) }

func (d *drawn) remove(id string) {
	d.root.Children = slices.DeleteFunc(d.root.Children, func(t tree) bool { return t.Path == "root/"+id })
}

// start starts a tree in simulation and stops it with the test.
func start(t *testing.T, s spec) (*supervisor.System, *sim.Sim) {
	t.Helper()
	x := sim.New(1, sim.Options{})
	sys, err := supervisor.Start(s, supervisor.Options{
		Executor: x, OnEvent: func(e supervisor.Event) {
			if e.Kind == supervisor.EventReady && strings.HasSuffix(e.Path, "/panics") {
				panic("hook")
			}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { sys.Stop() })
	return sys, x
}

func registry(t *testing.T, cs ...prometheus.Collector) *prometheus.Registry {
	t.Helper()
	r := prometheus.NewPedanticRegistry() // checks what is collected against what was described
	for _, c := range cs {
		if err := r.Register(c); err != nil {
			t.Fatal(err)
		}
	}
	return r
}

// scrape is what a scrape says: `name{label="value"}` and its number.
func scrape(t *testing.T, g prometheus.Gatherer) map[string]float64 {
	t.Helper()
	series, err := gather(g)
	if err != nil {
		t.Fatal(err)
	}
	return series
}

func gather(g prometheus.Gatherer) (map[string]float64, error) {
	families, err := g.Gather()
	series := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			var labels []string
			for _, l := range m.GetLabel() {
				labels = append(labels, fmt.Sprintf("%s=%q", l.GetName(), l.GetValue()))
			}
			value := m.GetGauge().GetValue() + m.GetCounter().GetValue()
			series[f.GetName()+"{"+strings.Join(labels, ",")+"}"] = value
		}
	}
	return series, err
}

// paths are the paths with series of their own, and Other.
func paths(series map[string]float64) (list []string) {
	for name := range series {
		if rest, ok := strings.CutPrefix(name, `supervisor_place_restarts_total{path="`); ok {
			list = append(list, strings.TrimSuffix(rest, `"}`))
		}
	}
	slices.Sort(list)
	return list
}

func equal[T any](t *testing.T, what string, want, got T) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

// TestExactValues of a small tree in which something of everything happened.
func TestExactValues(t *testing.T) {
	log := &supervisortest.Log{}
	sys, x := start(t, spec{
		Budget: supervisor.Isolating(3, time.Second),
		Children: kids{
			log.Child("crashes", supervisortest.Probe{}),
			with(log.Child("full", supervisortest.Probe{}), func(c *kid) { c.Mailbox.Normal = 2 }),
			log.Child("panics", supervisortest.Probe{}),
			{ID: "sub", Supervisor: &spec{Children: kids{log.Child("ends", supervisortest.Probe{})}}},
		},
	})
	sys.Ref("root/crashes").Send(supervisortest.Crash)
	x.Advance(time.Second)
	sys.Ref("root/crashes").Send(supervisortest.Do(func(c *supervisor.Context) error {
		c.After("tick", time.Hour)
		return nil
	}))
	x.Advance(time.Second)
	for range 5 {
		sys.Ref("root/full").Send("x") // nothing runs before the simulation goes on
	}

	want := map[string]float64{
		"supervisor_actors{}": 6, "supervisor_timers{}": 1, "supervisor_workers{}": 0, "supervisor_zombies{}": 0,
		"supervisor_hook_panics_total{}":                            1,
		`supervisor_dead_letters_total{cause="coalesced"}`:          0,
		`supervisor_dead_letters_total{cause="replaced"}`:           0,
		`supervisor_dead_letters_total{cause="stopped"}`:            0,
		`supervisor_dead_letters_total{cause="timer"}`:              0,
		`supervisor_place_queued_messages{path="root/full"}`:        2,
		`supervisor_place_timers{path="root/crashes"}`:              1,
		`supervisor_place_restarts_total{path="root/crashes"}`:      1,
		`supervisor_place_incarnation{path="root/crashes"}`:         2,
		`supervisor_place_refused_messages_total{path="root/full"}`: 3,
	}
	for _, p := range []string{"root", "root/crashes", "root/full", "root/panics", "root/sub", "root/sub/ends"} {
		want[fmt.Sprintf("supervisor_place_state{path=%q,state=%q}", p, "running")] = 1
		for _, m := range []string{"incarnation", "queued_messages", "timers", "workers", "zombies", "restarts_total", "refused_messages_total"} {
			name := fmt.Sprintf("supervisor_place_%s{path=%q}", m, p)
			if _, set := want[name]; !set {
				want[name] = 0
				if m == "incarnation" {
					want[name] = 1
				}
			}
		}
	}
	equal(t, "series", want, scrape(t, registry(t, prom.New(sys, prom.Options{}))))
}

func with(c kid, change func(*kid)) kid {
	change(&c)
	return c
}

// TestDeadLetters: each cause has its own series.
func TestDeadLetters(t *testing.T) {
	d := draw()
	d.counts = supervisor.Counts{
		Actors: 1, Timers: 2, Workers: 3, Zombies: 4,
		DeadStopped: 5, DeadReplaced: 6, DeadTimers: 7, Coalesced: 8, HookPanics: 9,
	}
	series := scrape(t, registry(t, prom.New(d, prom.Options{MaxPlaces: -1})))
	for name, n := range map[string]float64{
		"actors{}": 1, "timers{}": 2, "workers{}": 3, "zombies{}": 4, "hook_panics_total{}": 9,
		`dead_letters_total{cause="stopped"}`: 5, `dead_letters_total{cause="replaced"}`: 6,
		`dead_letters_total{cause="timer"}`: 7, `dead_letters_total{cause="coalesced"}`: 8,
	} {
		equal(t, name, n, series["supervisor_"+name])
	}
}

// TestCountsIsTheLedger without the goroutines.
func TestCountsIsTheLedger(t *testing.T) {
	log := &supervisortest.Log{}
	sys, x := start(t, spec{Children: kids{log.Child("panics", supervisortest.Probe{}), log.Child("a", supervisortest.Probe{})}})
	sys.Ref("root/a").Send(supervisortest.Crash)
	sys.Ref("root/a").Send("waits for nobody")
	x.Advance(time.Second)
	l := sys.Ledger()
	want := supervisor.Counts{
		Actors: l.Actors, Timers: l.Timers, Workers: l.Workers, Zombies: l.Zombies,
		DeadStopped: l.DeadStopped, DeadReplaced: l.DeadReplaced, DeadTimers: l.DeadTimers,
		Coalesced: l.Coalesced, HookPanics: l.HookPanics,
	}
	equal(t, "counts", want, sys.Counts())
	if l.Actors != 3 || l.DeadStopped != 1 || l.HookPanics != 1 {
		t.Errorf("nothing happened: %+v", want)
	}
}

// TestLint: names and help as Prometheus wants them, with every series there.
func TestLint(t *testing.T) {
	r := registry(t, prom.New(draw("a", "b"), prom.Options{MaxPlaces: 2}))
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	problems, err := promlint.NewWithMetricFamilies(families).Lint()
	if err != nil || len(problems) > 0 {
		t.Errorf("%v %v", problems, err)
	}
	if len(families) != 14 {
		t.Errorf("%d metrics", len(families))
	}
	for _, f := range families {
		if !strings.HasPrefix(f.GetName(), "supervisor_") || !strings.HasSuffix(f.GetHelp(), ".") {
			t.Errorf("%s: %q", f.GetName(), f.GetHelp())
		}
	}
}

// TestWhoHasSeries: supervisors, then those nearest to the root, in the order
// of the tree; they keep them, and who leaves makes room.
func TestWhoHasSeries(t *testing.T) {
	d := draw("b", "a", "s/", "s/x", "c", "t/", "t/y")
	r := registry(t, prom.New(d, prom.Options{MaxPlaces: 5}))
	for range 3 {
		equal(t, "at first", []string{"other", "root", "root/a", "root/b", "root/s", "root/t"}, paths(scrape(t, r)))
	}
	d.root.Children = append(draw("new").root.Children, d.root.Children...)
	equal(t, "a new place", []string{"other", "root", "root/a", "root/b", "root/s", "root/t"}, paths(scrape(t, r)))
	d.remove("b")
	equal(t, "room", []string{"other", "root", "root/a", "root/new", "root/s", "root/t"}, paths(scrape(t, r)))
	d.root.Children = append(d.root.Children, draw("b").root.Children...)
	equal(t, "back too late", []string{"other", "root", "root/a", "root/new", "root/s", "root/t"}, paths(scrape(t, r)))
	d.root.Children = nil
	equal(t, "all gone", []string{"other", "root"}, paths(scrape(t, r)))
}

// TestNoOther: as long as all places have series there is no rest; a limit below
// 0 makes all of them the rest.
func TestNoOther(t *testing.T) {
	r := registry(t, prom.New(draw("a", "b"), prom.Options{MaxPlaces: 3}))
	equal(t, "paths", []string{"root", "root/a", "root/b"}, paths(scrape(t, r)))
	r = registry(t, prom.New(draw("a", "b"), prom.Options{MaxPlaces: -1}))
	equal(t, "paths", []string{"other"}, paths(scrape(t, r)))
}

// TestOtherOnlyGrows: whatever comes, goes and changes places, a counter of the
// rest never falls, and no restart is counted twice in it.
func TestOtherOnlyGrows(t *testing.T) {
	d := draw("a", "b", "c")
	r := registry(t, prom.New(d, prom.Options{MaxPlaces: 2}))
	step := func(what string, want float64) {
		t.Helper()
		equal(t, what, want, scrape(t, r)[`supervisor_place_restarts_total{path="other"}`])
	}
	d.at("a").Restarts, d.at("b").Restarts, d.at("c").Restarts = 100, 5, 3
	step("first", 8)
	step("nothing new", 8)
	d.at("c").Restarts = 4
	step("one more", 9)
	d.remove("c")
	step("left", 9)
	d.remove("a")
	step("b has series of its own now", 9)
	d.at("b").Restarts = 50
	step("which is where it counts", 9)
	d.root.Children = append(d.root.Children, draw("c").root.Children...)
	d.at("c").Restarts = 2
	step("a new c", 11)
	d.at("c").Restarts = 1
	step("and another between two scrapes", 12)
	d.root.Children = nil
	step("nobody left", 12)
}

// TestOtherSums the gauges of the rest, and its places by state.
func TestOtherSums(t *testing.T) {
	d := draw("a", "b", "c")
	*d.at("a") = tree{Path: "root/a", State: supervisor.StateFailed, Queued: 1, Timers: 2, Workers: 3, Zombies: 4}
	*d.at("c") = tree{Path: "root/c", State: supervisor.StateFailed, Queued: 10, Timers: 20, Workers: 30, Zombies: 40}
	r := registry(t, prom.New(d, prom.Options{MaxPlaces: 1}))
	scrape(t, r) // what was so then is not so for ever
	series := scrape(t, r)
	for name, n := range map[string]float64{
		"state{path=\"other\",state=\"failed\"}": 2, "state{path=\"other\",state=\"running\"}": 1,
		"queued_messages{path=\"other\"}": 11, "timers{path=\"other\"}": 22, "workers{path=\"other\"}": 33, "zombies{path=\"other\"}": 44,
	} {
		equal(t, name, n, series["supervisor_place_"+name])
	}
	if _, ok := series[`supervisor_place_incarnation{path="other"}`]; ok {
		t.Error("a sum of incarnations says nothing")
	}
}

// TestCardinality: 5,000 places are as many series as 1,000 and a rest.
func TestCardinality(t *testing.T) {
	quiet := func() supervisor.Actor { return &supervisortest.Probe{Log: &supervisortest.Log{}} }
	var groups kids
	for g := range 10 {
		var list kids
		for i := range 499 {
			list = append(list, kid{ID: fmt.Sprint("a", i), New: quiet})
		}
		groups = append(groups, kid{ID: fmt.Sprint("g", g), Supervisor: &spec{Children: list}})
	}
	sys, _ := start(t, spec{Children: groups})
	series := scrape(t, registry(t, prom.New(sys, prom.Options{})))
	equal(t, "paths", 1001, len(paths(series)))
	equal(t, "the rest", 4001, series[`supervisor_place_state{path="other",state="running"}`])
	equal(t, "a supervisor", 1, series[`supervisor_place_state{path="root/g9",state="running"}`])
	equal(t, "the last with series", 1, series[`supervisor_place_state{path="root/g1/a489",state="running"}`])
	equal(t, "series", 9+8*1000+7, len(series))
}

// TestAnyBytes: whatever the ids are, labels are UTF-8 and no two are the same.
func TestAnyBytes(t *testing.T) {
	d := draw("\xff", "\xfe", `\xff`, "�", "\x00\n\"", "größe", "a\xc3")
	r := registry(t, prom.New(d, prom.Options{}))
	equal(t, "paths", 8, len(paths(scrape(t, r))))
	if _, ok := scrape(t, r)[`supervisor_place_incarnation{path="root/größe"}`]; !ok {
		t.Error("a path that needs no change was changed")
	}
	d = draw("a", "b")
	d.root.Path = prom.Other
	equal(t, "a root named other", []string{`\\other`, "other"}, paths(scrape(t, registry(t, prom.New(d, prom.Options{MaxPlaces: 1})))))
}

// TestTwoSystems in one registry are told apart by a constant label.
func TestTwoSystems(t *testing.T) {
	label := func(name string) prom.Options { return prom.Options{ConstLabels: prometheus.Labels{"system": name}} }
	series := scrape(t, registry(t, prom.New(draw("a"), label("one")), prom.New(draw("a"), label("two"))))
	for _, s := range []string{"one", "two"} {
		equal(t, s, 1, series[fmt.Sprintf("supervisor_place_state{path=%q,state=%q,system=%q}", "root/a", "running", s)])
	}
	r := prometheus.NewRegistry()
	r.MustRegister(prom.New(draw(), prom.Options{}))
	if r.Register(prom.New(draw(), prom.Options{})) == nil {
		t.Error("two systems without labels were taken")
	}
	bad := prom.New(draw("a"), prom.Options{ConstLabels: prometheus.Labels{"path": "x"}})
	if r.Register(bad) == nil {
		t.Error("a label that is taken was taken again")
	}
	got := make(chan prometheus.Metric, 100)
	bad.Collect(got) // does not panic
	close(got)
	for m := range got {
		if m == nil {
			t.Error("no metric instead of an invalid one")
		}
	}
}
