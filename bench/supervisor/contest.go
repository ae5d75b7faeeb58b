package main

import (
	"fmt"
	"math"
	"runtime"
	"strings"
)

// rounds is how often each side runs, unless its contest says otherwise.
const rounds = 5

// figures is what one run of one side yields: one for each row.
type figures []float64

// contest is two sides that are measured in turn.
type contest struct {
	rows        []row
	rounds      int
	ours, stock func() figures // nil: there is no such side
	close       func()         // after the last round
}

// row is a line of the output. The ratio is always ours / stock.
type row struct {
	name   string
	unit   string // "/s", "ns", "ms", "B" or "" for a plain number
	higher bool   // the higher the better
	first  bool   // the first run counts, not the best
	aim    aim
	stock  string // what it is compared with
}

// aim is what a row has to reach; the zero value asks for nothing.
type aim struct {
	subject string // "ratio" or "ours"
	least   bool   // limit is the least, not the most
	limit   float64
}

func ratioAtLeast(v float64) aim { return aim{"ratio", true, v} }
func ratioAtMost(v float64) aim  { return aim{"ratio", false, v} }
func oursAtLeast(v float64) aim  { return aim{"ours", true, v} }
func oursAtMost(v float64) aim   { return aim{"ours", false, v} }

func (a aim) String() string {
	switch {
	case a.subject == "":
		return "-"
	case a.least:
		return fmt.Sprintf("%s >= %g", a.subject, a.limit)
	}
	return fmt.Sprintf("%s <= %g", a.subject, a.limit)
}

// mark says whether the aim is met.
func (a aim) mark(ours, ratio float64) string {
	v := ratio
	if a.subject == "ours" {
		v = ours
	}
	switch {
	case a.subject == "" || math.IsNaN(v):
		return ""
	case a.least && v >= a.limit, !a.least && v <= a.limit:
		return "met"
	}
	return "MISSED"
}

// play runs the rounds, the sides in turn, and prints the rows.
func (c *contest) play(only string) {
	ours, stock := c.none(), c.none()
	n := c.rounds
	if n == 0 {
		n = rounds
	}
	for round := range n {
		sides := []func(){
			func() { c.merge(ours, c.ours) },
			func() { c.merge(stock, c.stock) },
		}
		sides[round%2]()
		sides[1-round%2]()
	}
	if c.close != nil {
		c.close()
	}
	for i, r := range c.rows {
		if strings.Contains(r.name, only) {
			c.print(i, ours[i], stock[i])
		}
	}
}

// none is a side that has not run.
func (c *contest) none() figures {
	f := make(figures, len(c.rows))
	for i := range f {
		f[i] = math.NaN()
	}
	return f
}

// merge runs a side on a clean heap and keeps its best figures.
func (c *contest) merge(best figures, side func() figures) {
	if side == nil {
		return
	}
	runtime.GC()
	for i, v := range side() {
		if r := c.rows[i]; math.IsNaN(best[i]) || !r.first && v > best[i] == r.higher {
			best[i] = v
		}
	}
}

func (c *contest) print(i int, ours, stock float64) {
	r := c.rows[i]
	ratio := ours / stock
	mark, own := r.aim.mark(ours, ratio), r.format(ours)
	if c.ours == nil {
		mark, own = "", "not built"
	}
	fmt.Printf("%-50s %12s %12s %6s  %-15s %-7s %s\n",
		r.name, own, r.format(stock), row{}.format(ratio), r.aim, mark, r.stock)
}

// format gives three or more digits and the unit.
func (r row) format(v float64) string {
	unit := r.unit
	switch {
	case math.IsNaN(v) || math.IsInf(v, 0):
		return "-"
	case unit == "/s" && v >= 1e6:
		v, unit = v/1e6, "M/s"
	case unit == "/s" && v >= 1e3:
		v, unit = v/1e3, "k/s"
	}
	digits := 2
	if math.Abs(v) >= 100 {
		digits = 0
	}
	return strings.TrimSpace(fmt.Sprintf("%.*f %s", digits, v, unit))
}
