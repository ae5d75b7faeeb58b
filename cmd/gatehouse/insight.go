package main

import (
	"errors"
	"os"
	"reflect"
	"runtime"
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"gatehouse/cmd/gatehouse/daemon"
	"gatehouse/cmd/gatehouse/diag"
	"gatehouse/cmd/gatehouse/limits"
	"gatehouse/edge/httpapi"
	"gatehouse/supervisor"
)

// insight is what a daemon knows of itself.
type insight struct {
	limits    *limits.Limits
	profiling *diag.Profiling
	recorder  *diag.Recorder
	diagnosis *diag.Diagnosis
	life      httpapi.Life
}

// limitMemory sets the limit of Go's memory, before anything is opened.
func (h *host) limitMemory() {
	h.memory = limits.SetMemory(os.Getenv("GOMEMLIMIT"), h.site.Memory.LimitMB, os.DirFS("/"))
	h.limits = limits.New(limits.Options{
		Data: h.data, Building: h.site.Building.ID, Memory: h.memory, Now: h.exec.Now, Read: limits.Read,
	})
}

// look makes what looks into the daemon, which is not refused any more: a refusal is
// one line.
func (h *host) look(d *daemon.Daemon) insight {
	if h.memory.Bytes == 0 {
		h.log.Info().Msg("memory has no limit")
	} else {
		h.log.Info().Int64("bytes", h.memory.Bytes).Str("from", h.memory.From).Msg("memory limit")
	}
	if err := h.limits.Load(d.Degraded()); err != nil {
		h.log.Error().Err(err).Msg("thresholds")
	}
	lives := d.Lives()
	in := insight{
		limits: h.limits, recorder: diag.NewRecorder(h.log), profiling: diag.NewProfiling(h.exec.Now, d.Building.NoteProfiling),
		life: httpapi.Life{Starts: lives.Starts, LastEnd: string(lives.LastEnd), LastAt: lives.LastAt},
	}
	in.diagnosis = diag.New(diag.Options{
		Building: d.Building, Site: h.site, Executor: h.exec, Recorder: in.recorder, Limits: h.limits, Life: in.life, Version: version,
		Known: []string{runtime.FuncForPC(reflect.ValueOf(onSignals).Pointer()).Name()},
	})
	return in
}

// insightSpecs are its actors.
func (h *host) insightSpecs(in insight) []supervisor.ChildSpec {
	specs := []supervisor.ChildSpec{in.profiling.Spec()}
	if !h.site.Diagnosis.NoRecorder {
		specs = append(specs, in.recorder.Spec())
	}
	return specs
}

// collectors are its metrics.
func (in insight) collectors() []prometheus.Collector {
	starts := prometheus.NewDesc("gatehouse_process_starts_total", "Starts of the daemon on its data directory, this one included; 0 when they are not counted.", nil, nil)
	last := prometheus.NewDesc("gatehouse_process_last_end", "Always 1; the label says how the life before ended.", []string{"how"}, nil)
	list := []prometheus.Collector{
		in.limits.Collector(),
		constant{prometheus.MustNewConstMetric(starts, prometheus.CounterValue, float64(in.life.Starts))},
	}
	if in.life.LastEnd != "" {
		list = append(list, constant{prometheus.MustNewConstMetric(last, prometheus.GaugeValue, 1, in.life.LastEnd)})
	}
	return list
}

// constant is a metric that does not change in a life.
type constant struct{ prometheus.Metric }

// Describe sends what it measures.
func (c constant) Describe(ch chan<- *prometheus.Desc) { ch <- c.Desc() }

// Collect sends it.
func (c constant) Collect(ch chan<- prometheus.Metric) { ch <- c.Metric }

// machineBoot tells the starts of the machine apart, so that a kill can be told from
// a power failure.
func machineBoot() string {
	text, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if errors.Is(err, os.ErrNotExist) || len(text) == 0 {
		return "-" // this system does not say
	}
	return strings.TrimSpace(string(text))
}
