package prom

import (
	"github.com/prometheus/client_golang/prometheus"

	"gatehouse/supervisor"
)

// ofSystem is what is measured of a whole system.
var ofSystem = []struct {
	name, help string
	kind       prometheus.ValueType
	of         func(supervisor.Counts) float64
}{
	{
		"actors", "Lives of actors, supervisors included.",
		prometheus.GaugeValue, func(n supervisor.Counts) float64 { return float64(n.Actors) },
	},
	{
		"timers", "Timers that are armed.",
		prometheus.GaugeValue, func(n supervisor.Counts) float64 { return float64(n.Timers) },
	},
	{
		"workers", "Workers (tasks and loops) that run for actors.",
		prometheus.GaugeValue, func(n supervisor.Counts) float64 { return float64(n.Workers) },
	},
	{
		"zombies", "Handlers and workers that still run although they were given up.",
		prometheus.GaugeValue, func(n supervisor.Counts) float64 { return float64(n.Zombies) },
	},
	{
		"hook_panics_total", "Panics of the program's own hooks, since the system's start.",
		prometheus.CounterValue, func(n supervisor.Counts) float64 { return float64(n.HookPanics) },
	},
}

// gauges are what is measured of a place and can be summed over places.
var gauges = [...]struct {
	name, help string
	of         func(*supervisor.Tree) int64
}{
	{"queued_messages", "Messages that wait in the mailbox.", func(t *supervisor.Tree) int64 { return int64(t.Queued) }},
	{"timers", "Timers that are armed here.", func(t *supervisor.Tree) int64 { return t.Timers }},
	{"workers", "Workers (tasks and loops) that run here.", func(t *supervisor.Tree) int64 { return t.Workers }},
	{
		"zombies", "Handlers and workers of this place that still run although they were given up.",
		func(t *supervisor.Tree) int64 { return t.Zombies },
	},
}

// counters are what a place counts since it is in the tree.
var counters = [...]struct {
	name, help string
	of         func(*supervisor.Tree) uint64
}{
	{"restarts_total", "Lives that began here after the first.", func(t *supervisor.Tree) uint64 { return t.Restarts }},
	{"refused_messages_total", "Messages that the full mailbox refused.", func(t *supervisor.Tree) uint64 { return t.Refused }},
}
