package access

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

const minutesOfDay = 24 * 60

// week is a schedule by weekday. A nil week is Always.
type week [7][]Interval

func (w *week) contains(local time.Time) bool {
	if w == nil {
		return true
	}
	minute := local.Hour()*60 + local.Minute()
	return slices.ContainsFunc(w[local.Weekday()], func(iv Interval) bool {
		return iv.FromMinute <= minute && minute < iv.ToMinute
	})
}

// opening is a level entry, ready to be asked.
type opening struct {
	all   bool
	doors map[DoorID]bool
	week  *week
}

// Allowed says whether one of the levels opens the door now: ReasonCredential,
// or else ReasonNoLevel or ReasonOutsideSchedule. Schedules are read in the
// building's civil time: an hour that daylight saving skips never comes, one
// that it repeats comes twice. Unknown levels open nothing.
func (c *Compiled) Allowed(levels []LevelID, door DoorID, now time.Time) (bool, Reason) {
	why := ReasonNoLevel
	local := now.In(c.location)
	for _, id := range levels {
		for _, o := range c.levels[id] {
			if !o.all && !o.doors[door] {
				continue
			}
			if o.week.contains(local) {
				return true, ReasonCredential
			}
			why = ReasonOutsideSchedule
		}
	}
	return false, why
}

func compileSchedules(f *faults, list []Schedule) map[ScheduleID]*week {
	weeks := map[ScheduleID]*week{Always: nil}
	for i, s := range list {
		path := fmt.Sprintf("schedules[%d]", i)
		if s.ID == Always {
			f.add(ErrDuplicate, path+".id", "leave it out or rename it", "the schedule %q is there in every building", Always)
			continue
		}
		unique(f, path+".id", "schedule", weeks, s.ID, compileWeek(f, path, s))
	}
	return weeks
}

func compileWeek(f *faults, path string, s Schedule) *week {
	var w week
	for i, iv := range s.Intervals {
		at := fmt.Sprintf("%s.intervals[%d]", path, i)
		if iv.Day < time.Sunday || iv.Day > time.Saturday {
			f.add(ErrRange, at, "days are 0 (Sunday) to 6", "schedule %q has the weekday %d", s.ID, int(iv.Day))
			continue
		}
		if iv.FromMinute < 0 || iv.ToMinute > minutesOfDay || iv.FromMinute >= iv.ToMinute {
			f.add(ErrRange, at, "it must begin before it ends, both within 00:00 to 24:00; split what crosses midnight",
				"schedule %q has the interval %s", s.ID, clock(iv))
			continue
		}
		w[iv.Day] = append(w[iv.Day], iv)
	}
	for day := range w {
		slices.SortFunc(w[day], func(a, b Interval) int { return cmp.Compare(a.FromMinute, b.FromMinute) })
		checkOverlap(f, path, s.ID, w[day])
	}
	return &w
}

func checkOverlap(f *faults, path string, id ScheduleID, sorted []Interval) {
	for i := 1; i < len(sorted); i++ {
		if sorted[i].FromMinute < sorted[i-1].ToMinute {
			f.add(ErrOverlap, path+".intervals", "join them or move one",
				"schedule %q has %s and %s on %v", id, clock(sorted[i-1]), clock(sorted[i]), sorted[i].Day)
		}
	}
}

func clock(iv Interval) string {
	return fmt.Sprintf("%02d:%02d-%02d:%02d", iv.FromMinute/60, iv.FromMinute%60, iv.ToMinute/60, iv.ToMinute%60)
}

func compileLevels(f *faults, list []Level, doors map[DoorID]*Door, weeks map[ScheduleID]*week) map[LevelID][]opening {
	levels := map[LevelID][]opening{}
	for i, l := range list {
		path := fmt.Sprintf("levels[%d]", i)
		var openings []opening
		for j, e := range l.Entries {
			openings = append(openings, compileEntry(f, fmt.Sprintf("%s.entries[%d]", path, j), l.ID, e, doors, weeks))
		}
		unique(f, path+".id", "level", levels, l.ID, openings)
	}
	return levels
}

func compileEntry(f *faults, path string, level LevelID, e LevelEntry, doors map[DoorID]*Door, weeks map[ScheduleID]*week) opening {
	w, ok := weeks[e.Schedule]
	if !ok {
		f.add(ErrDangling, path+".schedule", fmt.Sprintf("declare the schedule or use %q", Always),
			"level %q names the unknown schedule %q", level, e.Schedule)
	}
	o := opening{all: e.AllDoors, doors: map[DoorID]bool{}, week: w}
	for i, id := range e.Doors {
		if doors[id] == nil {
			f.add(ErrDangling, fmt.Sprintf("%s.doors[%d]", path, i), "declare the door or correct the name",
				"level %q names the unknown door %q", level, id)
		}
		o.doors[id] = true
	}
	return o
}
