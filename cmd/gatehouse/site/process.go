package site

import "go.yaml.in/yaml/v3"

// Bounds of memory.limit_mb: below the first the collector would do nothing else.
const (
	minMemoryMB = 64
	maxMemoryMB = 1 << 20
)

// Memory says what the process may use.
type Memory struct {
	LimitMB uint32 // of Go's memory, in 2^20 bytes; 0: what the control group says
}

// Diagnosis says how the process looks at itself.
type Diagnosis struct {
	NoRecorder bool // the flight recorder is off
}

func (p *parser) memory(n *yaml.Node) {
	p.object(
		n, "the memory section",
		field{"limit_mb", "", number(p, &p.site.Memory.LimitMB, minMemoryMB, maxMemoryMB)},
	)
}

func (p *parser) diagnosis(n *yaml.Node) {
	recorder := true
	p.object(
		n, "the diagnosis section",
		field{"flight_recorder", "", p.truth(&recorder)},
	)
	p.site.Diagnosis.NoRecorder = !recorder
}
