package incident

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"gatehouse/supervisor/supervisortest"
)

// The whole thing on a fraction of the time and the traffic: every gate holds. It
// counts, so it runs without the race detector, like the seed sweeps.
func TestSweepIncident(t *testing.T) {
	if supervisortest.RaceEnabled {
		t.Skip("what is counted is the program's, not the race detector's")
	}
	t.Parallel()
	r, err := Run(t.Context(), Options{Short: true, Command: columnProcess})
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	if err := r.Text(&text); err != nil {
		t.Fatal(err)
	}
	t.Log(text.String())
	for _, g := range r.Broken() {
		t.Errorf("duty %d: %s: %s", g.Duty, g.What, g.Seen)
	}
	if n := len(r.Results); n != 3*7+1-1 { // a variant of 2, no fix of 6
		t.Errorf("%d columns ran", n)
	}
	t.Run("the page", func(t *testing.T) { checkPage(t, r) })
	t.Run("the gates bite", func(t *testing.T) { gatesBite(t, r) })
}

// gatesBite takes each other column for this house's. Every gate of this house that
// a leak can break is broken by the column that leaks.
func gatesBite(t *testing.T, r *Report) {
	for _, d := range Duties() {
		forged := *r
		forged.Results = nil
		was := *r.Result(d.Number, Naive)
		if v := r.Variant(d.Number); v != nil {
			was = *v
		}
		was.Column, was.Variant, was.House = House, "", r.Result(d.Number, House).House // with the books of an honest house
		for _, x := range r.Results {
			if x.Duty == d.Number && x.Column == House {
				x = was
			}
			forged.Results = append(forged.Results, x)
		}
		forged.judge()
		var broken []string
		for _, g := range forged.Broken() {
			if g.Duty != d.Number {
				t.Errorf("duty %d stands in for this house, and duty %d breaks: %s", d.Number, g.Duty, g.What)
			}
			broken = append(broken, g.What)
		}
		if len(broken) == 0 {
			t.Errorf("duty %d as it was passes for this house", d.Number)
		}
		t.Logf("duty %d as it was breaks: %s", d.Number, strings.Join(broken, "; "))
	}
}

// A leak in the very process of this house is found and named: the naive duty runs
// beside the building.
func TestSweepSmuggledLeakIsFound(t *testing.T) {
	if supervisortest.RaceEnabled {
		t.Skip("TestSweepIncident says why")
	}
	t.Parallel()
	r := &run{Options: Options{Command: columnProcess}, ctx: t.Context(), shared: shared{short: true, dir: t.TempDir()}}
	result, err := r.process(Spec{Duty: 1, Column: House, Short: true, Smuggled: true})
	if err != nil {
		t.Fatal(err)
	}
	j := &judge{duty: 1}
	j.ends(result)
	var broken []string
	for _, g := range j.list {
		if !g.OK {
			broken = append(broken, g.What)
		}
	}
	for _, want := range []string{
		"this house: after the traffic every goroutine has an owner",
		"this house: nothing is left in the tree",
		"this house: the process has no more goroutines and files than before",
	} {
		if !slices.Contains(broken, want) {
			t.Errorf("holds with a leak: %s; broken are %q", want, broken)
		}
	}
	named := strings.Join(result.House.Left.Strays, "\n")
	if !strings.Contains(named, "naive.(*Monitor).Start") {
		t.Errorf("the leak is not named:\n%s", named)
	}
}

var (
	outsideLink = regexp.MustCompile(`(?i)(src|href)\s*=\s*["']?(https?:)?//|url\(|@import|<script|<link|<img|<iframe`)
	tableHeader = regexp.MustCompile(`<th[ >]`)
	scopedTh    = regexp.MustCompile(`<th [^>]*scope="(col|row)"`)
)

// checkPage: the page needs nothing else, and those who do not see it can read it.
func checkPage(t *testing.T, r *Report) {
	data, err := r.HTML()
	if err != nil {
		t.Fatal(err)
	}
	text := string(data)
	if at := outsideLink.FindString(text); at != "" {
		t.Errorf("the page wants something from outside: %s", at)
	}
	if all, scoped := len(tableHeader.FindAllString(text, -1)), len(scopedTh.FindAllString(text, -1)); all != scoped || all == 0 {
		t.Errorf("%d of %d table headers say what they are for", scoped, all)
	}
	charts := strings.Count(text, `role="img"`)
	if charts < 7 || charts != strings.Count(text, "</desc>") || charts != strings.Count(text, "<figcaption>") {
		t.Errorf("%d charts, %d with a description", charts, strings.Count(text, "</desc>"))
	}
	for _, want := range []string{r.Machine, r.Go, r.Redis, "prefers-color-scheme: dark", "width=device-width", string(NotReproducible)} {
		if !strings.Contains(text, want) {
			t.Errorf("the page does not say %q", want)
		}
	}
	if strings.Contains(text, "NaN") || strings.Contains(text, "Inf") {
		t.Error("a chart has a place that is no number")
	}
}
