package access

import (
	"fmt"
	"slices"
	"time"
)

// What Compile puts in place of a door's zero durations.
const (
	DefaultStrikeTime       = 5 * time.Second
	DefaultHeldOpenTime     = 30 * time.Second
	DefaultRecordLimit      = 150 * time.Millisecond
	DefaultDecisionDeadline = 300 * time.Millisecond
	DefaultAreaTimeout      = 100 * time.Millisecond
)

// Compiled is a checked set of rules, ready to decide by. It is immutable and
// safe for concurrent use; what it hands out must not be changed.
type Compiled struct {
	version  uint64
	location *time.Location
	doors    []Door
	byID     map[DoorID]*Door
	levels   map[LevelID][]opening
	unseen   map[passage]bool // see Accepts
}

// Compile checks the rules and prepares them. The error joins one *Fault per
// mistake: duplicate ids, references to what is not declared, overlapping
// intervals of one schedule on one day, a bad time zone, numbers out of range.
// Zero durations of a door take the defaults above; the rules are copied.
func Compile(rules Rules) (*Compiled, error) {
	var f faults
	c := &Compiled{version: rules.Version, location: zone(&f, rules.Location), byID: map[DoorID]*Door{}}
	areas := checkAreas(&f, rules.Areas)
	for i, d := range rules.Doors {
		checkDoor(&f, fmt.Sprintf("doors[%d]", i), d, areas)
		c.doors = append(c.doors, ready(d))
	}
	for i := range c.doors {
		unique(&f, fmt.Sprintf("doors[%d].id", i), "door", c.byID, c.doors[i].ID, &c.doors[i])
	}
	c.levels = compileLevels(&f, rules.Levels, c.byID, compileSchedules(&f, rules.Schedules))
	c.unseen = unseenEntrances(c.doors)
	if err := f.err(); err != nil {
		return nil, err
	}
	return c, nil
}

// Version is the version of the rules that were compiled.
func (c *Compiled) Version() uint64 { return c.version }

// Location is the building's time zone.
func (c *Compiled) Location() *time.Location { return c.location }

// Doors are all doors in the order of the rules.
func (c *Compiled) Doors() []*Door {
	doors := make([]*Door, len(c.doors))
	for i := range c.doors {
		doors[i] = &c.doors[i]
	}
	return doors
}

// Door finds a door.
func (c *Compiled) Door(id DoorID) (*Door, bool) {
	d, ok := c.byID[id]
	return d, ok
}

// Reader finds a reader of a door.
func (c *Compiled) Reader(door DoorID, reader ReaderID) (*Reader, bool) {
	d, ok := c.byID[door]
	if !ok {
		return nil, false
	}
	i := slices.IndexFunc(d.Readers, func(r Reader) bool { return r.ID == reader })
	if i < 0 {
		return nil, false
	}
	return &d.Readers[i], true
}

// Effective is the anti-passback that holds at a reader: an exit reader's hard
// wish counts as soft unless people also get out without our help.
func (c *Compiled) Effective(door *Door, r *Reader) AntiPassback {
	if r.AntiPassback == AntiPassbackHard && r.Side == SideOut && !door.Egress.Independent() {
		return AntiPassbackSoft
	}
	return r.AntiPassback
}

func zone(f *faults, name string) *time.Location {
	const hint = `give an IANA name such as "Europe/Berlin"; empty is UTC`
	if name == "Local" { // would mean another zone on every machine
		f.add(ErrTimeZone, "location", hint, "%q is not a place", name)
		return time.UTC
	}
	loc, err := time.LoadLocation(name)
	if err != nil {
		f.add(ErrTimeZone, "location", hint, "%q is not known here", name)
		return time.UTC
	}
	return loc
}

// unique adds an id to a set that may hold it once, and not empty.
func unique[K ~string, V any](f *faults, path, what string, set map[K]V, id K, v V) {
	if id == "" {
		f.add(ErrRange, path, "give it an id", "a %s has no id", what)
		return
	}
	if _, taken := set[id]; taken {
		f.add(ErrDuplicate, path, "rename one of them", "the %s id %q is used twice", what, id)
		return
	}
	set[id] = v
}

func checkAreas(f *faults, list []Area) map[AreaID]bool {
	areas := map[AreaID]bool{}
	for i, a := range list {
		path := fmt.Sprintf("areas[%d].id", i)
		if a.ID == Outside {
			f.add(ErrDuplicate, path, "leave it out or rename it", "the area %q is there in every building", Outside)
			continue
		}
		unique(f, path, "area", areas, a.ID, true)
	}
	areas[Outside] = true
	return areas
}

func checkDoor(f *faults, path string, d Door, areas map[AreaID]bool) {
	checkDurations(f, path, d)
	readers := map[ReaderID]bool{}
	for i, r := range d.Readers {
		at := fmt.Sprintf("%s.readers[%d]", path, i)
		unique(f, at+".id", fmt.Sprintf("reader of door %q:", d.ID), readers, r.ID, true)
		checkArea(f, at+".from", d, r, r.From, areas)
		checkArea(f, at+".to", d, r, r.To, areas)
		if _, err := ParseFormat(r.Format); err != nil {
			f.add(ErrDangling, at+".format", "use one of "+formatNames(), "the card format %q of reader %q at door %q is not known", r.Format, r.ID, d.ID)
		}
	}
}

func checkArea(f *faults, path string, d Door, r Reader, area AreaID, areas map[AreaID]bool) {
	if area != "" && !areas[area] {
		f.add(ErrDangling, path, "declare the area or correct the name",
			"reader %q of door %q names the unknown area %q", r.ID, d.ID, area)
	}
}

func checkDurations(f *faults, path string, d Door) {
	for _, t := range []struct {
		name string
		is   time.Duration
	}{
		{"strike_time", d.StrikeTime},
		{"held_open_time", d.HeldOpenTime},
		{"record_limit", d.RecordLimit},
		{"decision_deadline", d.DecisionDeadline},
		{"area_timeout", d.AreaTimeout},
	} {
		if t.is < 0 {
			f.add(ErrRange, path+"."+t.name, "give a positive time or leave it out", "door %q has the time %v", d.ID, t.is)
		}
	}
}

// ready is a copy of the door with its defaults filled in.
func ready(d Door) Door {
	d.Readers = slices.Clone(d.Readers)
	d.StrikeTime = orDefault(d.StrikeTime, DefaultStrikeTime)
	d.HeldOpenTime = orDefault(d.HeldOpenTime, DefaultHeldOpenTime)
	d.RecordLimit = orDefault(d.RecordLimit, DefaultRecordLimit)
	d.DecisionDeadline = orDefault(d.DecisionDeadline, DefaultDecisionDeadline)
	d.AreaTimeout = orDefault(d.AreaTimeout, DefaultAreaTimeout)
	return d
}

func orDefault(d, otherwise time.Duration) time.Duration {
	if d == 0 {
		return otherwise
	}
	return d
}
