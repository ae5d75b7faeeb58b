// Package trend tells whether what was measured again and again grows. It takes
// the minima of blocks of samples, since what a program really holds is what is
// left when a cache was emptied and a night's work is over, and asks two
// questions: is the rise more than chance (Mann-Kendall), and how steep is it
// (Theil-Sen)? Both look at the order of values only, or at their median, so that
// a spike moves neither.
//
// It must not know what was measured, nor a clock.
package trend

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"time"
)

// Sample is one measurement, At after the beginning.
type Sample struct {
	At    time.Duration
	Value float64
}

// Options say when a rise is an alarm; the zero value is the house's.
type Options struct {
	Drop   float64       // part of the window that is left out at its beginning, as warm-up; default 0.25
	Block  int           // samples in a block; default 6
	Alpha  float64       // significant below this probability, two-sided; default 0.05
	PerDay float64       // and steeper than this part of the baseline a day; default 0.01
	Blocks int           // fewer than these are not judged; default 8
	Window time.Duration // nor is a shorter time: a minute's rise says nothing about a day's; default 8 h
}

func (o Options) filled() Options {
	o.Drop = cmp.Or(o.Drop, 0.25)
	o.Block = cmp.Or(o.Block, 6)
	o.Alpha = cmp.Or(o.Alpha, 0.05)
	o.PerDay = cmp.Or(o.PerDay, 0.01)
	o.Blocks = cmp.Or(o.Blocks, 8)
	o.Window = cmp.Or(o.Window, 8*time.Hour)
	return o
}

// Verdict is what the samples say.
type Verdict struct {
	Blocks   int     `json:"blocks"`
	Baseline float64 `json:"baseline"` // median of the minima
	PerDay   float64 `json:"per_day"`  // Theil-Sen slope, in units of the value a day
	P        float64 `json:"p"`        // Mann-Kendall, two-sided
	Judged   bool    `json:"judged"`   // false: too few blocks or too short a window to say
	Alarm    bool    `json:"alarm"`
}

// Part is the slope as a part of the baseline a day, 0 without a baseline.
func (v Verdict) Part() float64 {
	if v.Baseline == 0 {
		return 0
	}
	return v.PerDay / v.Baseline
}

// String is the verdict in one line.
func (v Verdict) String() string {
	if !v.Judged {
		return fmt.Sprintf("about %.0f, too short to judge (%d blocks)", v.Baseline, v.Blocks)
	}
	word := "quiet"
	if v.Alarm {
		word = "GROWS"
	}
	return fmt.Sprintf("%s: %+.3f %% of %.0f a day, p %.3f, %d blocks", word, 100*v.Part(), v.Baseline, v.P, v.Blocks)
}

// Judge looks at samples, the oldest first.
func Judge(samples []Sample, o Options) Verdict {
	o = o.filled()
	points := Minima(samples, o.Drop, o.Block)
	v := Verdict{Blocks: len(points), P: 1}
	if len(points) == 0 {
		return v
	}
	values := make([]float64, len(points))
	for i, p := range points {
		values[i] = p.Value
	}
	v.PerDay = TheilSen(points) * float64(24*time.Hour)
	v.P = MannKendall(values).P
	v.Baseline = median(values)
	v.Judged = len(points) >= o.Blocks && samples[len(samples)-1].At-samples[0].At >= o.Window
	v.Alarm = v.Judged && v.P < o.Alpha && v.PerDay > o.PerDay*v.Baseline
	return v
}

// Minima leaves out the first part of the samples, cuts the rest into blocks and
// returns the smallest sample of each. What does not fill a block at the end is
// left out: of fewer samples the minimum is greater.
func Minima(samples []Sample, drop float64, block int) (points []Sample) {
	rest := samples[int(math.Ceil(drop*float64(len(samples)))):]
	for b := range slices.Chunk(rest, block) {
		if len(b) == block {
			points = append(points, slices.MinFunc(b, func(a, b Sample) int { return cmp.Compare(a.Value, b.Value) }))
		}
	}
	return points
}

// TheilSen is the median of the slopes between all pairs of points, in units of
// the value a nanosecond; 0 for fewer than two times.
func TheilSen(points []Sample) float64 {
	var slopes []float64
	for i, a := range points {
		for _, b := range points[i+1:] {
			if b.At != a.At {
				slopes = append(slopes, (b.Value-a.Value)/float64(b.At-a.At))
			}
		}
	}
	return median(slopes)
}

// Kendall is a Mann-Kendall test.
type Kendall struct {
	S   int     // pairs that rise, less those that fall
	Var float64 // of S by chance, ties considered
	Z   float64 // of S, with the correction for continuity
	P   float64 // of a Z as far from 0 as this, by chance; 1 where nothing differs
}

// MannKendall tests whether the values rise or fall in their order. P is that of
// the normal approximation: good from eight values on.
func MannKendall(values []float64) Kendall {
	var k Kendall
	for i, a := range values {
		for _, b := range values[i+1:] {
			k.S += cmp.Compare(b, a)
		}
	}
	k.Var = spread(len(values))
	for _, t := range ties(values) {
		k.Var -= spread(t)
	}
	if k.Var > 0 && k.S != 0 {
		k.Z = (float64(k.S) - math.Copysign(1, float64(k.S))) / math.Sqrt(k.Var)
	}
	k.P = math.Erfc(math.Abs(k.Z) / math.Sqrt2)
	return k
}

// spread is the variance of S for n values without ties.
func spread(n int) float64 { return float64(n*(n-1)*(2*n+5)) / 18 }

// ties is how many values there are of each that comes more than once.
func ties(values []float64) (sizes []int) {
	sorted := slices.Sorted(slices.Values(values))
	for from := 0; from < len(sorted); {
		to := from
		for to < len(sorted) && sorted[to] == sorted[from] {
			to++
		}
		if to-from > 1 {
			sizes = append(sizes, to-from)
		}
		from = to
	}
	return sizes
}

// median is 0 for nothing.
func median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	mid := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[mid]
	}
	return (sorted[mid-1] + sorted[mid]) / 2
}
