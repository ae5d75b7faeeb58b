package prom

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/prometheus/client_golang/prometheus"

	"gatehouse/supervisor"
)

// DefaultMaxPlaces is the default of Options.MaxPlaces.
const DefaultMaxPlaces = 1000

// Other is the path under which places without series of their own are summed.
// A root of that very name is shown as \other.
const Other = "other"

// Options of a Collector; the zero value will do for one system in a registry.
type Options struct {
	// MaxPlaces is how many places have series of their own; default
	// DefaultMaxPlaces, negative: none.
	MaxPlaces int
	// ConstLabels are on every series. Several systems in one registry need them
	// to be told apart. The names "path", "state" and "cause" are taken.
	ConstLabels prometheus.Labels
}

// Source is what is collected: a *supervisor.System, or whoever owns one.
type Source interface {
	Tree() supervisor.Tree
	Counts() supervisor.Counts
}

var _ Source = (*supervisor.System)(nil)

// Collector is a prometheus.Collector, safe for concurrent use. A scrape looks
// at every place of the tree once and stops nothing, also while the tree stops
// and when it is down. Between scrapes it costs nothing but the memory of what
// it saw.
type Collector struct {
	source Source
	max    int
	system []*prometheus.Desc // as in ofSystem
	dead   *prometheus.Desc
	state  *prometheus.Desc
	life   *prometheus.Desc
	gauges [len(gauges)]*prometheus.Desc
	counts [len(counters)]*prometheus.Desc

	mu     sync.Mutex
	seen   map[string]record // by path, at the last scrape
	others sum
}

// record is what the last scrape saw of a place.
type record struct {
	named  bool // it has series of its own
	counts [len(counters)]uint64
}

// sum is what is shown under Other.
type sum struct {
	shown  bool // at this scrape or an earlier one
	states map[supervisor.State]int
	gauges [len(gauges)]int64
	counts [len(counters)]uint64
}

// New returns a collector. Constant labels that are no labels are an error when
// it is registered.
func New(source Source, o Options) *Collector {
	c := &Collector{source: source, max: max(cmp.Or(o.MaxPlaces, DefaultMaxPlaces), 0)}
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("supervisor_"+name, help, labels, o.ConstLabels)
	}
	for _, m := range ofSystem {
		c.system = append(c.system, desc(m.name, m.help))
	}
	c.dead = desc("dead_letters_total", "Messages that were queued and never handled, by cause, since the system's start.", "cause")
	c.state = desc("place_state", "Places in this state; 1 for a place of its own.", "path", "state")
	c.life = desc("place_incarnation", "Number of the place's current or last life, from 1; 0 if there was none.", "path")
	for i, m := range gauges {
		c.gauges[i] = desc("place_"+m.name, m.help, "path")
	}
	for i, m := range counters {
		c.counts[i] = desc("place_"+m.name, m.help, "path")
	}
	return c
}

// Describe names every metric.
func (c *Collector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range slices.Concat(c.system, []*prometheus.Desc{c.dead, c.state, c.life}, c.gauges[:], c.counts[:]) {
		ch <- d
	}
}

// Collect takes a look at the tree.
func (c *Collector) Collect(ch chan<- prometheus.Metric) {
	c.mu.Lock() // also over the look: counters must be seen in order
	defer c.mu.Unlock()
	out := output{ch}
	c.collectSystem(out)
	root := c.source.Tree()
	places := ranked(&root)
	c.choose(places)
	c.others.clear()
	for _, t := range places {
		if c.seen[t.Path].named {
			c.collectPlace(out, t)
			continue
		}
		c.others.add(t)
	}
	if c.others.shown {
		c.collectOthers(out)
	}
}

func (c *Collector) collectSystem(out output) {
	n := c.source.Counts()
	for i, m := range ofSystem {
		out.send(c.system[i], m.kind, m.of(n))
	}
	for _, d := range []struct {
		cause string
		n     uint64
	}{
		{"stopped", n.DeadStopped},
		{"replaced", n.DeadReplaced},
		{"coalesced", n.Coalesced},
		{"timer", n.DeadTimers},
	} {
		out.send(c.dead, prometheus.CounterValue, float64(d.n), d.cause)
	}
}

// ranked are the places in the order in which they get series.
func ranked(root *supervisor.Tree) []*supervisor.Tree {
	places := []*supervisor.Tree{root}
	for i := 0; i < len(places); i++ {
		for j := range places[i].Children {
			places = append(places, &places[i].Children[j])
		}
	}
	slices.SortStableFunc(places, func(a, b *supervisor.Tree) int { return rank(a) - rank(b) })
	return places
}

func rank(t *supervisor.Tree) int {
	if t.Supervisor {
		return 0
	}
	return 1
}

// choose says which places have series, remembers what they counted and
// forgets those that are gone.
func (c *Collector) choose(places []*supervisor.Tree) {
	before, free := c.seen, c.max
	for _, t := range places {
		if before[t.Path].named {
			free--
		}
	}
	c.seen = make(map[string]record, len(places))
	for _, t := range places {
		r := before[t.Path]
		if !r.named && free > 0 {
			r.named = true
			free--
		}
		for i, m := range counters {
			n := m.of(t)
			if !r.named {
				c.others.counts[i] += growth(r.counts[i], n)
			}
			r.counts[i] = n
		}
		c.seen[t.Path] = r
	}
}

// growth takes a counter that went back for a new place on an old path.
func growth(before, now uint64) uint64 {
	if now < before {
		return now
	}
	return now - before
}

func (c *Collector) collectPlace(out output, t *supervisor.Tree) {
	path := label(t.Path)
	out.send(c.state, prometheus.GaugeValue, 1, path, t.State.String())
	out.send(c.life, prometheus.GaugeValue, float64(t.Incarnation), path)
	for i, m := range gauges {
		out.send(c.gauges[i], prometheus.GaugeValue, float64(m.of(t)), path)
	}
	for i, m := range counters {
		out.send(c.counts[i], prometheus.CounterValue, float64(m.of(t)), path)
	}
}

func (c *Collector) collectOthers(out output) {
	for state, n := range c.others.states {
		out.send(c.state, prometheus.GaugeValue, float64(n), Other, state.String())
	}
	for i, n := range c.others.gauges {
		out.send(c.gauges[i], prometheus.GaugeValue, float64(n), Other)
	}
	for i, n := range c.others.counts {
		out.send(c.counts[i], prometheus.CounterValue, float64(n), Other)
	}
}

// clear forgets what is only so at one moment; counters stay.
func (s *sum) clear() {
	s.states, s.gauges = map[supervisor.State]int{}, [len(gauges)]int64{}
}

func (s *sum) add(t *supervisor.Tree) {
	s.shown = true
	s.states[t.State]++
	for i, m := range gauges {
		s.gauges[i] += m.of(t)
	}
}

// label is a path as a label's value: an id may hold any bytes, Prometheus
// takes UTF-8 only, and no two paths may become the same.
func label(path string) string {
	if path == Other {
		return `\` + Other
	}
	if utf8.ValidString(path) && !strings.Contains(path, `\`) {
		return path
	}
	var b strings.Builder
	for rest := path; rest != ""; {
		r, size := utf8.DecodeRuneInString(rest)
		switch {
		case r == utf8.RuneError && size == 1:
			fmt.Fprintf(&b, `\x%02x`, rest[0])
		case r == '\\':
			b.WriteString(`\\`)
		default:
			b.WriteString(rest[:size])
		}
		rest = rest[size:]
	}
	return b.String()
}

// output sends what can be sent, and the error of what cannot.
type output struct{ ch chan<- prometheus.Metric }

func (o output) send(d *prometheus.Desc, kind prometheus.ValueType, v float64, labels ...string) {
	m, err := prometheus.NewConstMetric(d, kind, v, labels...)
	if err != nil {
		m = prometheus.NewInvalidMetric(d, err)
	}
	o.ch <- m
}
