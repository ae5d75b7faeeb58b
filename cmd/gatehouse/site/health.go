package site

import (
	"time"

	"go.yaml.in/yaml/v3"
)

// Health says how often every device is checked, and how long a check may take.
type Health struct {
	EveryS uint32
	Limit  time.Duration // at most half of EveryS
}

// Bounds of the section health.
const (
	minEveryS = 5
	maxEveryS = 3600
)

var defaultHealth = Health{EveryS: 30, Limit: 5 * time.Second}

func (p *parser) health(n *yaml.Node) {
	h := &p.site.Health
	p.object(
		n, "the health section",
		field{"every_s", "", number(p, &h.EveryS, minEveryS, maxEveryS)},
		field{"limit_ms", "", p.millis(&h.Limit, 10)},
	)
	most := time.Duration(h.EveryS) * time.Second / 2
	if at := given(n, "limit_ms"); at != nil && h.Limit > most {
		p.at(at, "limit_ms is %d, more than half of every_s — give %d at most, so that a check is over before the next",
			h.Limit.Milliseconds(), most.Milliseconds())
	}
	h.Limit = min(h.Limit, most)
}
