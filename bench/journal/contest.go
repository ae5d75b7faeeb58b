package main

import (
	"cmp"
	"fmt"
	"math"
	"os"
	"runtime"
	"slices"
)

// The turns are an odd number, which has a median, and a multiple of the sides.
const (
	rounds = 5
	turns  = 9
)

// contest is one load for each of the sides, which yields a figure for each row.
type contest struct {
	name string
	rows []row
	run  func(s sink) []float64
}

// row is a figure; a line of the output for each peer.
type row struct {
	name   string
	unit   string
	higher bool    // the higher the better
	ratio  bool    // the aims are for the ratio: bbolt's above 1, the bare file's from 0.8
	most   float64 // else ours may be this at most; 0: no aim
	alone  bool    // there is no peer
}

// play runs the rounds and prints the rows.
func (c *contest) play(dir string) {
	best := make([][]float64, len(sides))
	for range rounds {
		for at, figures := range c.round(dir) {
			best[at] = c.merge(best[at], figures)
		}
	}
	for i, r := range c.rows {
		for at := 1; at < len(sides); at++ {
			if !r.alone || at == 1 {
				r.print(c.name, sides[at].name, best[0][i], best[at][i])
			}
		}
	}
}

// round lets the sides take short turns, each beginning as often as the others, so
// that what else the disk does slows all of them; the median of the turns counts.
func (c *contest) round(dir string) [][]float64 {
	at, err := os.MkdirTemp(dir, "bench-journal-")
	must(err)
	defer func() { must(os.RemoveAll(at)) }()
	number = firstNumber
	var sinks []sink
	for _, s := range sides {
		k := s.open(at)
		defer k.close()
		sinks = append(sinks, k)
	}
	runtime.GC()
	all := make([][][]float64, len(sides))
	for turn := range turns {
		for i := range sinks {
			k := (i + turn) % len(sinks)
			all[k] = append(all[k], c.run(sinks[k]))
		}
	}
	out := make([][]float64, len(sides))
	for k, figures := range all {
		for i := range c.rows {
			slices.SortFunc(figures, func(a, b []float64) int { return cmp.Compare(a[i], b[i]) })
			out[k] = append(out[k], figures[turns/2][i])
		}
	}
	return out
}

func (c *contest) merge(best, now []float64) []float64 {
	if best == nil {
		return now
	}
	for i, v := range now {
		if v > best[i] == c.rows[i].higher {
			best[i] = v
		}
	}
	return best
}

func (r row) print(contest, peer string, ours, theirs float64) {
	ratio, aim, met := ours/theirs, "-", true
	switch {
	case r.ratio && peer == "bbolt":
		aim, met = "ratio > 1", r.better(ratio, 1)
	case r.ratio && r.higher:
		aim, met = "ratio >= 0.8", ratio >= 0.8
	case r.ratio:
		aim, met = "ratio <= 1.25", ratio <= 1.25
	case r.most > 0:
		aim, met = fmt.Sprintf("ours <= %g", r.most), ours <= r.most
	}
	mark := map[bool]string{true: "met", false: "MISSED"}[met]
	if aim == "-" {
		mark = ""
	}
	name, their, over := contest+", "+r.name, r.format(theirs), fmt.Sprintf("%.2f", ratio)
	if r.alone {
		their, over = "-", "-"
	} else {
		name += ", " + peer
	}
	fmt.Printf("%-46s %12s %12s %7s  %-14s %s\n", name, r.format(ours), their, over, aim, mark)
}

func (r row) better(ratio, than float64) bool {
	if r.higher {
		return ratio > than
	}
	return ratio < than
}

func (r row) format(v float64) string {
	unit := r.unit
	if unit == "/s" && v >= 1e3 {
		v, unit = v/1e3, "k/s"
	}
	digits := 2
	switch {
	case unit == "":
		digits = 4
	case math.Abs(v) >= 100:
		digits = 0
	}
	return fmt.Sprintf("%.*f %s", digits, v, unit)
}

// must: a disk that fails leaves nothing to measure.
func must(err error) {
	if err != nil {
		panic(err)
	}
}
