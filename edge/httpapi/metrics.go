package httpapi

import (
	"cmp"
	"errors"
	"io"
	"log"
	"net/http"
	"regexp"
	"runtime"
	"runtime/debug"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"gatehouse/access"
	"gatehouse/actors"
)

// metrics answers with the building's numbers, read when they are asked for.
func (a *API) metrics() http.Handler {
	registry := prometheus.NewRegistry()
	registry.MustRegister(
		collectors.NewGoCollector(collectors.WithGoCollectorRuntimeMetrics(collectors.GoRuntimeMetricsRule{Matcher: runtimeFigures})),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		&collector{a, build(a.o.Version)},
	)
	registry.MustRegister(a.o.Collectors...)
	return promhttp.HandlerFor(registry, promhttp.HandlerOpts{
		MaxRequestsInFlight: 4,
		ErrorLog:            log.New(a.o.Log, "metrics: ", 0),
	})
}

// runtimeFigures are what the Go runtime tells besides the collector's own: the heap
// that lives, collections and their pauses, and how long a goroutine that could run
// waits. Histograms come in powers of ten.
var runtimeFigures = regexp.MustCompile(`^/(gc/heap/live:bytes|gc/cycles/(total|forced):gc-cycles|sched/latencies:seconds|sched/pauses/(total|stopping)/gc:seconds)$`)

// writeMetrics writes what /metrics answers.
func (a *API) writeMetrics(to io.Writer) error {
	r, err := http.NewRequest(http.MethodGet, "/metrics", nil)
	if err != nil {
		return err
	}
	into := &written{header: http.Header{}, to: to}
	a.numbers.ServeHTTP(into, r)
	return into.err
}

// written is an answer that goes into a file.
type written struct {
	header http.Header
	to     io.Writer
	err    error
}

func (p *written) Header() http.Header { return p.header }

func (p *written) WriteHeader(status int) {
	if status != http.StatusOK {
		p.err = errors.New("the metrics answer " + http.StatusText(status))
	}
}

func (p *written) Write(b []byte) (int, error) {
	n, err := p.to.Write(b)
	p.err = errors.Join(p.err, err)
	return n, err
}

// What is measured. A label has as many values as its enumeration has words.
var (
	eventsTotal  = desc("events_total", "Events by kind, since the start.", "kind")
	denialsTotal = desc("denials_total", "Denied credentials by reason, since the start.", "reason")
	cutTotal     = desc("http_streams_cut_total", "Event streams cut off because the client was too slow.")
	waiting      = desc("events_waiting", "Events that are not on disk yet.")
	lastEvent    = desc("events_last_sequence", "Sequence number of the newest event on disk.")
	indexLag     = desc("index_lag_events", "Events on disk that the index has not taken up yet.")
	doorsByMode  = desc("doors", "Doors by the mode that they are in.", "mode")
	alarmsByKind = desc("alarms", "Doors where this alarm lasts now, by kind.", "kind")
	buildInfo    = desc("build_info", "Always 1; the labels say what is running.", "version", "revision", "go")
	readyGauge   = desc("ready", "1 while the building is not degraded, else 0.")
	requests     = desc("http_requests", "Requests under way, streams aside.")
	refusedTotal = desc("http_refused_total", "Requests refused before they began, by why.", "why")
	expiredTotal = desc("http_deadlines_total", "Requests that were not answered in time.")
	panicsTotal  = desc("http_panics_total", "Requests that ended in a panic.")
	streamsGauge = desc("http_streams", "Open event streams.")

	archiveLast    = desc("archive_last_sequence", "Sequence number of the newest event that is archived.")
	archiveWaiting = desc("archive_waiting_segments", "Closed segments of the journal that are not archived.")
	archiveBytes   = desc("archive_bytes_total", "Bytes that the archive wrote and read back, since the start.")
)

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("gatehouse_"+name, help, labels, nil)
}

type collector struct {
	a     *API
	build [3]string // version, revision, go
}

// build is what the program was made of; a revision is known when it was built
// within a repository.
func build(version string) [3]string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return [3]string{version, "", runtime.Version()}
	}
	revision := ""
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			revision = s.Value
		}
	}
	return [3]string{cmp.Or(version, info.Main.Version), revision, info.GoVersion}
}

func (c *collector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		eventsTotal, denialsTotal, cutTotal, waiting, lastEvent, indexLag, doorsByMode, alarmsByKind, buildInfo, readyGauge, streamsGauge,
		requests, refusedTotal, expiredTotal, panicsTotal,
		archiveLast, archiveWaiting, archiveBytes,
	} {
		ch <- d
	}
}

func (c *collector) Collect(ch chan<- prometheus.Metric) {
	send := func(d *prometheus.Desc, t prometheus.ValueType, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, t, v, labels...)
	}
	b := c.a.o.Building
	kinds, denials := b.Counts()
	for _, k := range kinds {
		send(eventsTotal, prometheus.CounterValue, float64(k.Value), k.Name)
	}
	for _, d := range denials {
		send(denialsTotal, prometheus.CounterValue, float64(d.Value), d.Name)
	}
	doors := b.Doors()
	for mode, n := range byMode(doors) {
		send(doorsByMode, prometheus.GaugeValue, float64(n), access.Mode(mode).String())
	}
	for kind, n := range byAlarm(doors) {
		send(alarmsByKind, prometheus.GaugeValue, float64(n), kind.String())
	}
	send(buildInfo, prometheus.GaugeValue, 1, c.build[:]...)
	health := b.Health()
	ready := 0.0
	if health.Ready {
		ready = 1
	}
	send(cutTotal, prometheus.CounterValue, float64(c.a.cut.Load()))
	send(waiting, prometheus.GaugeValue, float64(health.Waiting))
	send(lastEvent, prometheus.GaugeValue, float64(b.LastEvent()))
	send(indexLag, prometheus.GaugeValue, float64(b.IndexLag()))
	send(readyGauge, prometheus.GaugeValue, ready)
	send(streamsGauge, prometheus.GaugeValue, float64(len(c.a.streams)))
	send(requests, prometheus.GaugeValue, float64(c.a.gates.underWay()))
	flooded, busy := c.a.gates.refused()
	send(refusedTotal, prometheus.CounterValue, float64(flooded), "rate")
	send(refusedTotal, prometheus.CounterValue, float64(busy), "busy")
	send(expiredTotal, prometheus.CounterValue, float64(c.a.expired.Load()))
	send(panicsTotal, prometheus.CounterValue, float64(c.a.panics.Load()))
	if archive, ok := b.Archive(); ok {
		send(archiveLast, prometheus.GaugeValue, float64(archive.Last))
		send(archiveWaiting, prometheus.GaugeValue, float64(archive.Waiting))
		send(archiveBytes, prometheus.CounterValue, float64(archive.Bytes))
	}
}

// byMode counts the doors in each mode; a mode without a door is 0, not absent.
func byMode(doors []actors.DoorStatus) [access.DoubleLocked + 1]int {
	var n [access.DoubleLocked + 1]int
	for _, d := range doors {
		if int(d.Mode) < len(n) {
			n[d.Mode]++
		}
	}
	return n
}

// byAlarm counts the doors where an alarm lasts; 0, not absent, without one.
func byAlarm(doors []actors.DoorStatus) map[access.Kind]int {
	n := map[access.Kind]int{
		access.KindForcedOpen: 0, access.KindHeldOpen: 0, access.KindLockFault: 0,
		access.KindFireReleased: 0, access.KindActorFailed: 0,
	}
	for _, d := range doors {
		if kind, err := access.ParseKind(d.Alarm); err == nil && d.Alarm != "" {
			n[kind]++
		}
		if faulty(d) {
			n[access.KindLockFault]++
		}
		if d.Fire {
			n[access.KindFireReleased]++
		}
		if d.Actor == "failed" {
			n[access.KindActorFailed]++
		}
	}
	return n
}
