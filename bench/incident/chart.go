package incident

import (
	"fmt"
	"html/template"
	"math"
	"strings"
)

// curve is one line of a chart.
type curve struct {
	Name   string
	Class  string // of its colour
	Points []point
	Mark   *point // where it was told to stop
}

type point struct{ X, Y float64 }

// chart is a picture with axes.
type chart struct {
	ID     string
	Title  string
	About  string // what is to be seen, in words
	XLabel string
	YLabel string
	Curves []curve
}

// The size of a chart, in its own units, and the room for its labels.
const (
	chartWidth, chartHeight = 720.0, 300.0
	marginLeft              = 78.0
	marginRight             = 14.0
	marginTop               = 12.0
	marginBottom            = 48.0
)

// frame turns figures into places.
type frame struct{ fromX, toX, toY float64 }

func (f frame) x(v float64) float64 {
	return marginLeft + (v-f.fromX)/(f.toX-f.fromX)*(chartWidth-marginLeft-marginRight)
}

func (f frame) y(v float64) float64 {
	return chartHeight - marginBottom - v/f.toY*(chartHeight-marginTop-marginBottom)
}

// SVG draws it. Texts are escaped; everything else is numbers of ours.
func (c chart) SVG() template.HTML {
	var b strings.Builder
	f := c.frame()
	fmt.Fprintf(&b, `<svg viewBox="0 0 %.0f %.0f" role="img" aria-labelledby="%[3]s-t %[3]s-d"><title id="%[3]s-t">%[4]s</title><desc id="%[3]s-d">%[5]s</desc>`,
		chartWidth, chartHeight, c.ID, escape(c.Title), escape(c.About))
	c.axes(&b, f)
	for _, k := range c.Curves {
		k.draw(&b, f)
	}
	b.WriteString(`</svg>`)
	return template.HTML(b.String()) //nolint:gosec // texts are escaped above
}

func escape(text string) string { return template.HTMLEscapeString(text) }

func (c chart) frame() (f frame) {
	f.fromX = math.Inf(1)
	for _, k := range c.Curves {
		for _, p := range k.Points {
			f.fromX, f.toX, f.toY = min(f.fromX, p.X), max(f.toX, p.X), max(f.toY, p.Y)
		}
	}
	if f.toX <= f.fromX {
		f.fromX, f.toX = 0, 1
	}
	step := niceStep(f.toY / 4)
	f.toY = math.Ceil(f.toY/step) * step
	return f
}

// niceStep is 1, 2 or 5 times a power of ten, at least v.
func niceStep(v float64) float64 {
	if v <= 0 {
		return 1
	}
	power := math.Pow(10, math.Floor(math.Log10(v)))
	for _, m := range []float64{1, 2, 5} {
		if m*power >= v {
			return m * power
		}
	}
	return 10 * power
}

func (c chart) axes(b *strings.Builder, f frame) {
	right, bottom := chartWidth-marginRight, chartHeight-marginBottom
	for v, step := 0.0, niceStep(f.toY/4); v <= f.toY*1.001; v += step {
		fmt.Fprintf(b, `<line class="grid" x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f"/>`, marginLeft, f.y(v), right, f.y(v))
		fmt.Fprintf(b, `<text x="%.1f" y="%.1f" text-anchor="end">%s</text>`, marginLeft-7, f.y(v)+4.5, tick(v))
	}
	step := niceStep((f.toX - f.fromX) / 8)
	for v := math.Ceil(f.fromX/step) * step; v <= f.toX*1.001; v += step {
		fmt.Fprintf(b, `<line class="axis" x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f"/>`, f.x(v), bottom, f.x(v), bottom+5)
		fmt.Fprintf(b, `<text x="%.1f" y="%.1f" text-anchor="middle">%s</text>`, f.x(v), bottom+19, tick(v))
	}
	fmt.Fprintf(b, `<line class="axis" x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f"/>`, marginLeft, bottom, right, bottom)
	fmt.Fprintf(b, `<text x="%.1f" y="%.1f" text-anchor="middle">%s</text>`, (marginLeft+right)/2, chartHeight-8, escape(c.XLabel))
	fmt.Fprintf(b, `<text transform="translate(16 %.1f) rotate(-90)" text-anchor="middle">%s</text>`, (marginTop+bottom)/2, escape(c.YLabel))
}

func tick(v float64) string {
	if v != math.Trunc(v) {
		return fmt.Sprintf("%.1f", v)
	}
	return count(int(v))
}

func (k curve) draw(b *strings.Builder, f frame) {
	fmt.Fprintf(b, `<polyline class="%s" points="`, k.Class)
	for _, p := range k.Points {
		fmt.Fprintf(b, "%.1f,%.1f ", f.x(p.X), f.y(p.Y))
	}
	fmt.Fprintf(b, `"><title>%s</title></polyline>`, escape(k.Name))
	if k.Mark != nil {
		fmt.Fprintf(b, `<circle class="%s" cx="%.1f" cy="%.1f" r="4.5"><title>%s: told to stop</title></circle>`, k.Class, f.x(k.Mark.X), f.y(k.Mark.Y), escape(k.Name))
	}
}

// class is the colour of a column.
func class(r *Result) string {
	if r.Variant != "" {
		return "variant"
	}
	return string(r.Column)
}

// charts are those of a duty.
func (r *Report) charts(d Duty) []chart {
	columns := r.columns(d.Number)
	switch d.Number {
	case 6:
		return []chart{overTime(d, columns, "RssAnon", "memory (RssAnon), MiB", func(s Sample) float64 { return inMiB(s.Anon) })}
	case 7:
		return []chart{inRounds(d, columns)}
	case 3, 5:
		return []chart{
			overTime(d, columns, "Goroutines", "goroutines", func(s Sample) float64 { return float64(s.Goroutines) }),
			overTime(d, columns, "Files", "open files", func(s Sample) float64 { return float64(s.Files) }),
		}
	}
	return []chart{overTime(d, columns, "Goroutines", "goroutines", func(s Sample) float64 { return float64(s.Goroutines) })}
}

// maxPoints of a curve; of what lies between two the greatest is shown.
const maxPoints = 160

func overTime(d Duty, columns []named, what, label string, of func(Sample) float64) chart {
	c := chart{
		ID: fmt.Sprintf("c%d-%s", d.Number, strings.ToLower(what)), Title: fmt.Sprintf("%s over time: %s", what, d.Name),
		XLabel: "time in the run, s", YLabel: label,
	}
	if d.Factor > 1 {
		c.XLabel += fmt.Sprintf(" (1 s stands for %s)", stands(d.Factor))
	}
	var about []string
	for _, col := range columns {
		k := curve{Name: col.Name, Class: class(col.Result), Points: thin(col.Samples, of)}
		k.Mark = &point{col.Last.At, of(col.Last)}
		c.Curves = append(c.Curves, k)
		about = append(about, fmt.Sprintf("%s: %s ready, %s at most, %s after the stop", col.Name, tick(math.Round(of(col.Ready))), tick(math.Round(of(col.Peak))), tick(math.Round(of(col.Left)))))
	}
	c.About = strings.Join(about, "; ") + "."
	return c
}

// stands is a second of the run in the time that it stands for.
func stands(factor float64) string {
	switch {
	case factor >= 3600:
		return tick(factor/3600) + " h"
	case factor >= 60:
		return tick(factor/60) + " min"
	}
	return tick(factor) + " s"
}

func thin(samples []Sample, of func(Sample) float64) (points []point) {
	width := (len(samples) + maxPoints - 1) / maxPoints
	for from := 0; from < len(samples); from += max(width, 1) {
		part := samples[from:min(from+max(width, 1), len(samples))]
		p := point{part[0].At, of(part[0])}
		for _, s := range part[1:] {
			p.Y = max(p.Y, of(s))
		}
		points = append(points, p)
	}
	return points
}

// inRounds shows how fast the columns were in each round.
func inRounds(d Duty, columns []named) chart {
	c := chart{
		ID: "c7-rounds", Title: "Requests per second in each round: " + d.Name,
		XLabel: "round (the columns take turns)", YLabel: "1,000 requests/s",
	}
	var about []string
	for _, col := range columns {
		k := curve{Name: col.Name, Class: class(col.Result)}
		for i, round := range col.Rounds {
			k.Points = append(k.Points, point{float64(i + 1), round.PerSecond / 1000})
		}
		c.Curves = append(c.Curves, k)
		about = append(about, fmt.Sprintf("%s: %s requests/s in the middle", col.Name, count(int(col.PerSecond))))
	}
	c.About = strings.Join(about, "; ") + "."
	return c
}
