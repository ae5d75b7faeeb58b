package incident

import (
	"fmt"
	"strings"
)

// Gate is something that has to hold in every run.
type Gate struct {
	Duty int    `json:"duty"`
	What string `json:"what"`
	OK   bool   `json:"ok"`
	Seen string `json:"seen"`
}

// What this house may have.
const (
	restLimit   = 24  // goroutines at rest, and one more for each enabled link
	recordBytes = 24  // allocated per recorded event
	recordAlloc = 0.1 // allocations per recorded event
	recordGain  = 1.8 // requests/s, against as it was
	// Durations differ from run to run on a busy machine; half of what is asked for
	// is given as room to those that are asserted in CI.
	shortRoom = 1.5
)

// judge collects gates of one duty.
type judge struct {
	duty int
	list []Gate
}

func (j *judge) that(ok bool, what, seen string, args ...any) {
	j.list = append(j.list, Gate{j.duty, what, ok, fmt.Sprintf(seen, args...)})
}

// gates are those of all duties that ran.
func gates(r *Report) (list []Gate) {
	for _, d := range duties() {
		was, fix, ours := r.Result(d.Number, Naive), r.Result(d.Number, Published), r.Result(d.Number, House)
		if was == nil || ours == nil || (fix == nil && d.Fix != "") {
			continue
		}
		j := &judge{duty: d.Number}
		compare[d.Number](j, r, was, fix, ours)
		j.ends(ours)
		list = append(list, j.list...)
	}
	return list
}

// ends are the gates that this house has to pass whatever the duty.
func (j *judge) ends(r *Result) {
	if r.House == nil {
		j.that(false, "this house: there is a ledger", "none")
		return
	}
	rest, left := r.House.Rest, r.House.Left
	most := restLimit + r.House.Links
	j.that(rest.Goroutines <= most && rest.Unaccounted == 0, fmt.Sprintf("this house: at most %d goroutines at rest, each with an owner", most),
		"%d, %d without", rest.Goroutines, rest.Unaccounted)
	j.that(r.House.Quiet.Unaccounted == 0, "this house: after the traffic every goroutine has an owner",
		"%d without %s", r.House.Quiet.Unaccounted, strings.Join(r.House.Quiet.Strays, "; "))
	j.that(left.Unaccounted == 0 && left.Actors == 0 && left.Timers == 0 && left.Workers == 0 && left.Zombies == 0,
		"this house: nothing is left in the tree",
		"%d unaccounted, %d actors, %d timers, %d workers, %d zombies %s", left.Unaccounted, left.Actors, left.Timers, left.Workers, left.Zombies, strings.Join(left.Strays, "; "))
	j.that(r.Grew() <= 0 && r.Files() <= 0, "this house: the process has no more goroutines and files than before",
		"%+d goroutines, %+d files", r.Grew(), r.Files())
	j.that(!r.StopHung && r.Error == "", "this house: it stops in order", "%.0f ms %s", r.StopMS, r.Error)
}

// leaks says that a column is left with at least as many goroutines.
func (j *judge) leaks(who string, r *Result, least float64) {
	j.that(float64(r.Grew()) >= least, who+" leaks", "%+d goroutines and %+d files after the stop; at least %.0f goroutines expected", r.Grew(), r.Files(), least)
}

// cured says that nothing is left of a column.
func (j *judge) cured(what string, r *Result) {
	j.that(r.Grew() <= 0 && !r.StopHung, "the published fix: "+what, "%+d goroutines, %+d files after the stop", r.Grew(), r.Files())
}

// compare are the gates of each duty. What is expected of a leak follows from the
// traffic that there was, not from a figure that somebody once measured.
var compare = map[int]func(j *judge, r *Report, was, fix, ours *Result){
	1: func(j *judge, _ *Report, was, fix, ours *Result) {
		j.leaks("as it was", was, 0.9*was.Facts["checks_hung"])
		j.cured("no goroutine is left", fix)
		j.that(fix.Facts["checks_in_last_quarter"] == 0, "the published fix: but after one check that hangs no door is checked any more",
			"%.0f checks in the last quarter", fix.Facts["checks_in_last_quarter"])
		j.that(ours.Facts["checks_in_last_quarter"] > 0 && ours.Facts["checks_hung"] > 0, "this house: checks that hang keep no other from being made",
			"%.0f hung, %.0f made in the last quarter", ours.Facts["checks_hung"], ours.Facts["checks_in_last_quarter"])
	},
	2: func(j *judge, r *Report, _, fix, ours *Result) {
		variant := r.Variant(2)
		j.that(variant != nil, "as it was, variant: it ran", "")
		if variant != nil {
			j.leaks("as it was, variant", variant, 0.9*float64(variant.Failed))
		}
		j.cured("no goroutine is left", fix)
		j.that(fix.Facts["goroutines_in_burst"] >= fix.Facts["burst"], "the published fix: but nothing bounds how many wait",
			"%.0f goroutines for %.0f requests at once", fix.Facts["goroutines_in_burst"], fix.Facts["burst"])
		j.that(ours.Facts["goroutines_in_burst"] < ours.Facts["burst"], "this house: fewer goroutines than requests, however many come at once",
			"%.0f goroutines for %.0f requests at once", ours.Facts["goroutines_in_burst"], ours.Facts["burst"])
	},
	3: func(j *judge, _ *Report, was, fix, _ *Result) {
		j.leaks("as it was", was, 2*0.9*float64(was.Requests))
		j.that(float64(was.Files()) >= 0.9*float64(was.Requests), "as it was: each push keeps its connection", "%+d files of %d pushes", was.Files(), was.Requests)
		j.cured("no goroutine is left", fix)
	},
	4: func(j *judge, _ *Report, was, fix, _ *Result) {
		j.leaks("as it was", was, float64(was.Requests))
		j.cured("no goroutine is left", fix)
		j.that(fix.Facts["ends_late"] > 0, "the published fix: but while its server hangs it does not end with its context",
			"%.0f of %d had not ended after %v", fix.Facts["ends_late"], fix.Requests, endLimit)
	},
	5: func(j *judge, _ *Report, was, fix, _ *Result) {
		j.leaks("as it was", was, 0.9*float64(was.Requests))
		j.that(was.Facts["beats_after_stop"] > 0, "as it was: it beats on after the stop", "%.0f beats", was.Facts["beats_after_stop"])
		j.that(fix.Facts["beats_after_stop"] == 0, "the published fix: it beats no more after the stop", "%.0f beats", fix.Facts["beats_after_stop"])
		j.leaks("the published fix still", fix, 0.9*float64(fix.Requests))
	},
	6: func(j *judge, _ *Report, was, _, ours *Result) {
		bytes := was.Facts["bytes"]
		if was.Ready.Anon == 0 {
			return // the system does not say
		}
		j.that(growth(was) >= bytes, "as it was: memory grows by more than the snapshot", "%+.0f MiB for %.0f MiB", growth(was)/mib, bytes/mib)
		j.that(growth(ours) < bytes, "this house: memory grows by less than the snapshot", "%+.0f MiB for %.0f MiB", growth(ours)/mib, bytes/mib)
	},
	7: func(j *judge, r *Report, was, _, ours *Result) {
		j.that(ours.BytesEach <= recordBytes && ours.AllocEach <= recordAlloc, fmt.Sprintf("this house: at most %d B and %.1f allocations per recorded event", recordBytes, recordAlloc),
			"%.1f B, %.3f allocations", ours.BytesEach, ours.AllocEach)
		j.that(ours.Facts["kept"] == ours.Facts["recorded"], "this house: every event is on the disk", "%.0f of %.0f", ours.Facts["kept"], ours.Facts["recorded"])
		room := 1.0
		if r.Short {
			room = shortRoom
		}
		gain := recordGain / room
		rate, p50 := ratio(was, ours, func(x Round) float64 { return x.PerSecond }), ratio(ours, was, func(x Round) float64 { return x.P50 })
		j.that(rate >= gain, fmt.Sprintf("this house: at least %.1f times the requests/s", gain), "%.1f times", rate)
		j.that(p50 >= gain, fmt.Sprintf("this house: the median request is at least %.1f times as fast", gain), "%.1f times", p50)
	},
}

const mib = 1 << 20

// growth is by how many bytes the memory of a column grew at most.
func growth(r *Result) float64 { return float64(r.Peak.Anon) - float64(r.Ready.Anon) }

// ratio is the median over the rounds, which took turns, of b's figure to a's.
func ratio(a, b *Result, of func(Round) float64) float64 {
	var list []float64
	for i := range min(len(a.Rounds), len(b.Rounds)) {
		if x := of(a.Rounds[i]); x > 0 {
			list = append(list, of(b.Rounds[i])/x)
		}
	}
	return median(list)
}
