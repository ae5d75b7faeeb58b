package incident

import (
	"cmp"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"
)

// Report is a whole run.
type Report struct {
	Made    time.Time `json:"made"`
	Took    float64   `json:"took_s"`
	Short   bool      `json:"short"`
	Machine string    `json:"machine"`
	Commit  string    `json:"commit"`
	Go      string    `json:"go"`
	Redis   string    `json:"redis"`

	Results []Result `json:"results"`
	Claims  []Claim  `json:"claims"`
	Gates   []Gate   `json:"gates"`
}

// judge sorts the results and applies the rules to them.
func (r *Report) judge() {
	slices.SortFunc(r.Results, func(a, b Result) int {
		order := map[Column]int{Naive: 0, Published: 1, House: 2}
		return cmp.Or(cmp.Compare(a.Duty, b.Duty), cmp.Compare(order[a.Column], order[b.Column]), strings.Compare(a.Variant, b.Variant))
	})
	r.Claims = claims(r)
	r.Gates = gates(r)
}

// Result finds a column's, nil if it did not run. The variant of the naive column
// is found by Variant.
func (r *Report) Result(duty int, c Column) *Result { return r.find(duty, c, false) }

// Variant finds the stated variant of a naive column, nil if there is none.
func (r *Report) Variant(duty int) *Result { return r.find(duty, Naive, true) }

func (r *Report) find(duty int, c Column, variant bool) *Result {
	for i := range r.Results {
		if x := &r.Results[i]; x.Duty == duty && x.Column == c && (x.Variant != "") == variant {
			return x
		}
	}
	return nil
}

// Broken are the gates that do not hold.
func (r *Report) Broken() (list []Gate) {
	for _, g := range r.Gates {
		if !g.OK {
			list = append(list, g)
		}
	}
	return list
}

// machine says what this runs on, in one line.
func machine() string {
	model := runtime.GOARCH
	text, _ := os.ReadFile("/proc/cpuinfo") // not everywhere
	for l := range strings.Lines(string(text)) {
		if _, name, ok := strings.Cut(l, "model name"); ok {
			model = strings.TrimSpace(strings.TrimLeft(strings.TrimSpace(name), ":"))
			break
		}
	}
	return fmt.Sprintf("%d cores, %s, %s", runtime.NumCPU(), model, runtime.GOOS)
}
