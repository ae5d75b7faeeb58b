package limits

import "github.com/prometheus/client_golang/prometheus"

// Descriptions of the metrics.
var (
	rss       = desc("memory_rss_anon_bytes", "Memory of the process that belongs to no file.")
	headroom  = desc("files_headroom", "Files that can still be opened before the limit of the process.")
	figure    = desc("limit_figure", "What the process uses, by figure that can have a threshold.", "figure")
	threshold = desc("limit_threshold", "Threshold above which a figure is an alarm.", "figure")
)

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("gatehouse_"+name, help, labels, nil)
}

// Collector measures what Go's own collectors do not.
func (l *Limits) Collector() prometheus.Collector { return collector{l} }

type collector struct{ l *Limits }

// Describe sends what is measured.
func (collector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{rss, headroom, figure, threshold} {
		ch <- d
	}
}

// Collect takes a reading. What cannot be read is missing.
func (c collector) Collect(ch chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, n uint64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, float64(n), labels...)
	}
	r, _ := c.l.o.Read() // the chore says so when a part of it fails
	if r.RSSAnon > 0 {
		gauge(rss, r.RSSAnon)
	}
	if r.FilesLimit > 0 {
		gauge(headroom, r.Headroom())
	}
	for name, n := range r.Figures() {
		gauge(figure, n, name)
	}
	for name, n := range inForce(c.l.set().Thresholds, r, c.l.o.Memory.Bytes) {
		gauge(threshold, n, name)
	}
}
