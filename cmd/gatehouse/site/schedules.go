package site

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"gatehouse/access"
)

const minutesPerDay = 24 * 60

var weekdays = []time.Weekday{
	time.Monday, time.Tuesday, time.Wednesday, time.Thursday, time.Friday, time.Saturday, time.Sunday,
}

// dayWord is mon, tue and so on.
func dayWord(d time.Weekday) string { return strings.ToLower(d.String()[:3]) }

// span is an interval with the place where it is written.
type span struct {
	access.Interval
	at *yaml.Node
}

func (p *parser) schedule(n *yaml.Node) {
	var s access.Schedule
	var spans []span
	p.object(
		n, "a schedule",
		field{"id", "office-hours", id(p, &s.ID, p.schedules)},
		field{"intervals", `[{days: [mon], from: "08:00", to: "18:00"}]`, p.list("intervals", func(n *yaml.Node) {
			spans = append(spans, p.interval(n)...)
		})},
	)
	for _, sp := range spans {
		s.Intervals = append(s.Intervals, sp.Interval)
	}
	p.checkOverlaps(spans)
	p.site.Rules.Schedules = append(p.site.Rules.Schedules, s)
}

// interval gives one span a day; none after a mistake.
func (p *parser) interval(n *yaml.Node) []span {
	var days []time.Weekday
	from, to := -1, -1
	p.object(
		n, "an interval",
		field{"days", "[mon, tue, wed, thu, fri]", p.days(&days)},
		field{"from", `"08:00"`, p.clock(&from, false)},
		field{"to", `"18:00"`, p.clock(&to, true)},
	)
	if from < 0 || to < 0 {
		return nil
	}
	if from >= to {
		p.at(child(n, "to"), `"to" is not after "from" — over midnight, write one interval to "24:00" and one from "00:00" on the next day`)
		return nil
	}
	spans := make([]span, len(days))
	for i, day := range days {
		spans[i] = span{access.Interval{Day: day, FromMinute: from, ToMinute: to}, n}
	}
	return spans
}

func (p *parser) days(dst *[]time.Weekday) func(*yaml.Node) {
	return func(n *yaml.Node) {
		if n.Kind == yaml.SequenceNode && len(n.Content) == 0 {
			p.at(n, "an interval without days — name some, such as [mon, tue]")
		}
		p.list("days", func(n *yaml.Node) {
			day := time.Weekday(-1)
			choice(p, &day, dayWord, weekdays...)(n)
			switch {
			case day < 0:
			case slices.Contains(*dst, day):
				p.at(n, "%s is in this list twice — remove one", n.Value)
			default:
				*dst = append(*dst, day)
			}
		})(n)
	}
}

// checkOverlaps notes every two intervals that meet on a day, once, at the one
// that is written later.
func (p *parser) checkOverlaps(spans []span) {
	sorted := slices.Clone(spans)
	slices.SortStableFunc(sorted, func(a, b span) int {
		return cmp.Or(cmp.Compare(slices.Index(weekdays, a.Day), slices.Index(weekdays, b.Day)), cmp.Compare(a.FromMinute, b.FromMinute))
	})
	noted := map[[2]*yaml.Node]bool{}
	for i, reach := 1, 0; i < len(sorted); i++ { // reach: the one that ends last so far
		s, r := sorted[i], sorted[reach]
		if s.Day == r.Day && s.FromMinute < r.ToMinute {
			p.overlap(r, s, noted)
		}
		if s.Day != r.Day || s.ToMinute > r.ToMinute {
			reach = i
		}
	}
}

func (p *parser) overlap(a, b span, noted map[[2]*yaml.Node]bool) {
	if cmp.Or(cmp.Compare(a.at.Line, b.at.Line), cmp.Compare(a.at.Column, b.at.Column)) > 0 {
		a, b = b, a
	}
	pair := [2]*yaml.Node{a.at, b.at}
	if noted[pair] {
		return
	}
	noted[pair] = true
	p.at(b.at, "the interval at line %d overlaps the one at line %d on %s — join them or move one", b.at.Line, a.at.Line, dayWord(a.Day))
}
