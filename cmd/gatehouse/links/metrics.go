package links

import (
	"github.com/prometheus/client_golang/prometheus"

	"gatehouse/actors"
	"gatehouse/edge/redis"
)

// Collector shows the links to Prometheus; status is the building's list of them.
func (l *Links) Collector(status func() []actors.LinkStatus) prometheus.Collector {
	return collector{l, status}
}

type collector struct {
	links  *Links
	status func() []actors.LinkStatus
}

var (
	upGauge  = desc("up", "1 while the other system answers, else 0.", "link")
	lagGauge = desc("lag_events", "Events on disk that the other system has not acknowledged.", "link")
	failures = desc("failures_total", "Uses of the link that failed, since the start.", "link")
	messages = desc("messages_total", "Messages from the channel, by what they were to this building, since the start.", "link", "kind")
	limited  = desc("hints_limited_total", "Hints that came too soon after another of their kind, since the start.", "link")
)

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("gatehouse_link_"+name, help, labels, nil)
}

// Describe says which metrics there are.
func (collector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{upGauge, lagGauge, failures, messages, limited} {
		ch <- d
	}
}

// Collect reads them.
func (c collector) Collect(ch chan<- prometheus.Metric) {
	send := func(d *prometheus.Desc, t prometheus.ValueType, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, t, v, labels...)
	}
	for _, s := range c.status() {
		up := 0.0
		if s.State == actors.LinkUp {
			up = 1
		}
		send(upGauge, prometheus.GaugeValue, up, s.Name)
		send(failures, prometheus.CounterValue, float64(s.Failures), s.Name)
		if s.Lag != nil {
			send(lagGauge, prometheus.GaugeValue, float64(*s.Lag), s.Name)
		}
	}
	k := c.links.redis
	if k == nil {
		return
	}
	for what := range redis.TakenEnd {
		send(messages, prometheus.CounterValue, float64(k.taken[what].Load()), RedisName, what.String())
	}
	send(limited, prometheus.CounterValue, float64(k.limited.Load()), RedisName)
}
