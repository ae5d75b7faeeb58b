package access

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestCompileFinds(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		spoil func(*Rules)
		code  error
		path  string
	}{
		"time zone":         {func(r *Rules) { r.Location = "Mars/Base" }, ErrTimeZone, "location"},
		"local zone":        {func(r *Rules) { r.Location = "Local" }, ErrTimeZone, "location"},
		"door twice":        {func(r *Rules) { r.Doors[1].ID = "entrance" }, ErrDuplicate, "doors[1].id"},
		"door without id":   {func(r *Rules) { r.Doors[1].ID = "" }, ErrRange, "doors[1].id"},
		"reader twice":      {func(r *Rules) { r.Doors[1].Readers[1].ID = "in" }, ErrDuplicate, "doors[1].readers[1].id"},
		"unknown from":      {func(r *Rules) { r.Doors[1].Readers[0].From = "attic" }, ErrDangling, "doors[1].readers[0].from"},
		"unknown to":        {func(r *Rules) { r.Doors[1].Readers[1].To = "attic" }, ErrDangling, "doors[1].readers[1].to"},
		"unknown format":    {func(r *Rules) { r.Doors[0].Readers[0].Format = "X9" }, ErrDangling, "doors[0].readers[0].format"},
		"negative time":     {func(r *Rules) { r.Doors[0].StrikeTime = -1 }, ErrRange, "doors[0].strike_time"},
		"area twice":        {func(r *Rules) { r.Areas[1].ID = "building" }, ErrDuplicate, "areas[1].id"},
		"outside declared":  {func(r *Rules) { r.Areas = append(r.Areas, Area{ID: Outside}) }, ErrDuplicate, "areas[2].id"},
		"level twice":       {func(r *Rules) { r.Levels[1].ID = "all" }, ErrDuplicate, "levels[1].id"},
		"unknown door":      {func(r *Rules) { r.Levels[2].Entries[0].Doors[0] = "gate" }, ErrDangling, "levels[2].entries[0].doors[0]"},
		"unknown schedule":  {func(r *Rules) { r.Levels[0].Entries[0].Schedule = "" }, ErrDangling, "levels[0].entries[0].schedule"},
		"schedule twice":    {func(r *Rules) { r.Schedules = append(r.Schedules, Schedule{ID: "office"}) }, ErrDuplicate, "schedules[2].id"},
		"always declared":   {func(r *Rules) { r.Schedules[0].ID = Always }, ErrDuplicate, "schedules[0].id"},
		"overlap":           {func(r *Rules) { r.Schedules[0].Intervals[1].FromMinute = 719 }, ErrOverlap, "schedules[0].intervals"},
		"interval reversed": {func(r *Rules) { r.Schedules[0].Intervals[0].ToMinute = 8 * 60 }, ErrRange, "schedules[0].intervals[0]"},
		"beyond midnight":   {func(r *Rules) { r.Schedules[0].Intervals[1].ToMinute = 1441 }, ErrRange, "schedules[0].intervals[1]"},
		"no weekday":        {func(r *Rules) { r.Schedules[0].Intervals[2].Day = 7 }, ErrRange, "schedules[0].intervals[2]"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rules := house()
			c.spoil(&rules)
			_, err := Compile(rules)
			for _, f := range faultsOf(err) {
				if errors.Is(f, c.code) && f.Path == c.path {
					if f.Message == "" || f.Hint == "" {
						t.Errorf("no message or no hint: %v", f)
					}
					return
				}
			}
			t.Errorf("want %v at %s, got %v", c.code, c.path, err)
		})
	}
}

func faultsOf(err error) []*Fault {
	var list []*Fault
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		for _, e := range joined.Unwrap() {
			list = append(list, e.(*Fault))
		}
	}
	return list
}

func TestCompileReportsAllInOneRun(t *testing.T) {
	t.Parallel()
	rules := house()
	rules.Location = "Mars/Base"
	rules.Doors[1].ID = "entrance"
	rules.Doors[1].Readers[0].To = "attic"
	_, err := Compile(rules)
	if got := len(faultsOf(err)); got != 3 {
		t.Errorf("want 3 mistakes, got %d: %v", got, err)
	}
	if text := err.Error(); !strings.Contains(text, `unknown area "attic"`) {
		t.Errorf("unclear: %s", text)
	}
}

func TestCompiledStandsAlone(t *testing.T) {
	t.Parallel()
	rules := house()
	c := compiled(t, rules)
	rules.Doors[0].Name = "changed"
	rules.Doors[0].Readers[0].To = "changed"
	door, ok := c.Door("entrance")
	if !ok || door.Name != "" || door.Readers[0].To != "building" {
		t.Errorf("the compiled rules follow the originals: %+v", door)
	}
	if door.StrikeTime != DefaultStrikeTime || door.HeldOpenTime != DefaultHeldOpenTime ||
		door.RecordLimit != 150*time.Millisecond || door.AreaTimeout != DefaultAreaTimeout {
		t.Errorf("defaults are missing: %+v", door)
	}
	if c.Version() != 7 || c.Location().String() != "Europe/Berlin" || len(c.Doors()) != 3 || c.Doors()[1].ID != "vault" {
		t.Error("version, location or doors are lost")
	}
}

func TestFinding(t *testing.T) {
	t.Parallel()
	c := compiled(t, house())
	if r, ok := c.Reader("vault", "out"); !ok || r.From != "vault" {
		t.Errorf("vault/out: %+v %t", r, ok)
	}
	for _, missing := range [][2]string{{"vault", "side"}, {"gate", "in"}, {"", ""}} {
		if _, ok := c.Reader(DoorID(missing[0]), ReaderID(missing[1])); ok {
			t.Errorf("found %v", missing)
		}
	}
	if _, ok := c.Door("gate"); ok {
		t.Error("found a gate")
	}
}

func TestEffective(t *testing.T) {
	t.Parallel()
	c := compiled(t, house())
	for _, row := range []struct {
		side   Side
		egress Egress
		wish   AntiPassback
		want   AntiPassback
	}{
		{SideIn, EgressNone, AntiPassbackHard, AntiPassbackHard},
		{SideOut, EgressNone, AntiPassbackHard, AntiPassbackSoft},
		{SideOut, EgressREX, AntiPassbackHard, AntiPassbackSoft},
		{SideOut, EgressMechanical, AntiPassbackHard, AntiPassbackHard},
		{SideOut, EgressHardwired, AntiPassbackHard, AntiPassbackHard},
		{SideOut, EgressNone, AntiPassbackSoft, AntiPassbackSoft},
		{SideOut, EgressNone, AntiPassbackOff, AntiPassbackOff},
	} {
		got := c.Effective(&Door{Egress: row.egress}, &Reader{Side: row.side, AntiPassback: row.wish})
		if got != row.want {
			t.Errorf("%+v: got %v", row, got)
		}
	}
}

func TestAllowed(t *testing.T) {
	t.Parallel()
	c := compiled(t, house())
	berlin := c.Location()
	at := func(day, hour, minute int) time.Time { return time.Date(2026, 3, day, hour, minute, 0, 0, berlin) }
	for name, row := range map[string]struct {
		levels []LevelID
		door   DoorID
		now    time.Time
		want   Reason
	}{
		"always":                {[]LevelID{"all"}, "vault", at(1, 3, 0), ReasonCredential},
		"in office hours":       {[]LevelID{"staff"}, "entrance", at(2, 8, 0), ReasonCredential},
		"adjacent intervals":    {[]LevelID{"staff"}, "entrance", at(2, 12, 0), ReasonCredential},
		"last minute":           {[]LevelID{"staff"}, "entrance", at(2, 17, 59), ReasonCredential},
		"before":                {[]LevelID{"staff"}, "entrance", at(2, 7, 59), ReasonOutsideSchedule},
		"at the end":            {[]LevelID{"staff"}, "entrance", at(2, 18, 0), ReasonOutsideSchedule},
		"other day":             {[]LevelID{"staff"}, "entrance", at(3, 9, 0), ReasonOutsideSchedule},
		"other door":            {[]LevelID{"staff"}, "vault", at(2, 9, 0), ReasonNoLevel},
		"no level":              {nil, "entrance", at(2, 9, 0), ReasonNoLevel},
		"unknown level":         {[]LevelID{"ghost"}, "entrance", at(2, 9, 0), ReasonNoLevel},
		"second level opens":    {[]LevelID{"staff", "all"}, "entrance", at(3, 9, 0), ReasonCredential},
		"instant, not its zone": {[]LevelID{"staff"}, "entrance", time.Date(2026, 3, 2, 7, 0, 0, 0, time.UTC), ReasonCredential},
	} {
		if ok, why := c.Allowed(row.levels, row.door, row.now); why != row.want || ok != (row.want == ReasonCredential) {
			t.Errorf("%s: got %t %v, want %v", name, ok, why, row.want)
		}
	}
}

// On 2026-03-29 Berlin's clocks go from 02:00 to 03:00, on 2026-10-25 from 03:00
// back to 02:00. "office" has Sundays 02:00 to 04:00.
func TestAllowedAcrossDaylightSaving(t *testing.T) {
	t.Parallel()
	c := compiled(t, house())
	for _, row := range []struct {
		utc  time.Time
		want bool
	}{
		{time.Date(2026, 3, 29, 0, 59, 0, 0, time.UTC), false}, // 01:59
		{time.Date(2026, 3, 29, 1, 0, 0, 0, time.UTC), true},   // 03:00
		{time.Date(2026, 3, 29, 1, 59, 0, 0, time.UTC), true},  // 03:59
		{time.Date(2026, 3, 29, 2, 0, 0, 0, time.UTC), false},  // 04:00
		{time.Date(2026, 10, 24, 23, 59, 0, 0, time.UTC), false},
		{time.Date(2026, 10, 25, 0, 0, 0, 0, time.UTC), true},  // 02:00, the first time
		{time.Date(2026, 10, 25, 1, 30, 0, 0, time.UTC), true}, // 02:30, the second time
		{time.Date(2026, 10, 25, 2, 59, 0, 0, time.UTC), true}, // 03:59
		{time.Date(2026, 10, 25, 3, 0, 0, 0, time.UTC), false}, // 04:00
	} {
		if ok, _ := c.Allowed([]LevelID{"staff"}, "entrance", row.utc); ok != row.want {
			t.Errorf("%v: got %t", row.utc.In(c.Location()), ok)
		}
	}
}

func TestAccepts(t *testing.T) {
	t.Parallel()
	way := func(id string, from, to AreaID) Door {
		return Door{ID: DoorID(id), Readers: []Reader{{ID: "r", From: from, To: to}}}
	}
	for name, row := range map[string]struct {
		doors []Door
		want  map[string][]AreaID
	}{
		"entrance badged in only, vault inside": {
			[]Door{way("entrance", Outside, "a"), way("in", "a", "b"), way("out", "b", "a")},
			map[string][]AreaID{"entrance": {Outside, "a"}, "in": {"a"}, "out": {"b"}},
		},
		"entrance with an exit reader": {
			[]Door{way("in", Outside, "a"), way("out", "a", Outside)},
			map[string][]AreaID{"in": {Outside}, "out": {"a"}},
		},
		"exit reader at another door": {
			[]Door{way("in", Outside, "a"), way("in2", Outside, "a"), way("out", "a", Outside)},
			map[string][]AreaID{"in": {Outside}, "in2": {Outside}, "out": {"a"}},
		},
		"one way through": {
			[]Door{way("in", Outside, "a"), way("on", "a", "b"), way("out", "b", Outside)},
			map[string][]AreaID{"in": {Outside}, "on": {"a"}, "out": {"b"}},
		},
		"badged out only": {
			[]Door{way("out", "a", Outside)},
			map[string][]AreaID{"out": {"a", Outside}},
		},
		"room inside badged in only": {
			[]Door{way("in", Outside, "a"), way("room", "a", "b")},
			map[string][]AreaID{"in": {Outside, "a"}, "room": {"a", "b"}},
		},
		"areas that nothing links to the outside": {
			[]Door{way("in", "a", "b"), way("out", "b", "a"), way("room", "a", "c")},
			map[string][]AreaID{"in": {"a"}, "out": {"b"}, "room": {"a", "c"}},
		},
		"leads nowhere": {
			[]Door{way("same", "a", "a"), way("from", "a", ""), way("to", "", "a")},
			map[string][]AreaID{"same": nil, "from": nil, "to": nil},
		},
	} {
		c := compiled(t, Rules{Areas: []Area{{ID: "a"}, {ID: "b"}, {ID: "c"}}, Doors: row.doors})
		for door, want := range row.want {
			r, _ := c.Reader(DoorID(door), "r")
			if got := c.Accepts(r); !slices.Equal(got, want) {
				t.Errorf("%s: %s accepts %v, want %v", name, door, got, want)
			}
			if c.LeadsSomewhere(r) != (want != nil) {
				t.Errorf("%s: %s leads somewhere: %t", name, door, want == nil)
			}
		}
	}
}

func TestPeople(t *testing.T) {
	t.Parallel()
	holders := []Cardholder{{ID: "b", Name: "Bo", Levels: []LevelID{"all"}}, {ID: "a", Name: "Al"}}
	credentials := []Credential{
		{ID: "c2", Card: Card{1, 20}, Holder: "a"},
		{ID: "c1", Card: Card{1, 10}, Holder: "b"},
		{ID: "c3", Card: Card{2, 10}, Holder: "b"},
	}
	p, err := NewPeople(holders, credentials)
	if err != nil {
		t.Fatal(err)
	}
	holders[0].Levels[0] = "changed"
	credentials[0].Holder = "changed"
	got, ok, err := p.Lookup(Card{1, 10})
	if !ok || err != nil || got.Cardholder.Name != "Bo" || got.Cardholder.Levels[0] != "all" || got.Credential.ID != "c1" {
		t.Errorf("got %+v %t %v", got, ok, err)
	}
	for _, card := range []Card{{}, {1, 11}, {3, 10}} {
		if _, ok, _ := p.Lookup(card); ok {
			t.Errorf("found %v", card)
		}
	}
	var ids []CredentialID
	for _, person := range p.All() {
		ids = append(ids, person.Credential.ID)
	}
	same(t, []CredentialID{"c1", "c2", "c3"}, ids)
	if p.Len() != 3 {
		t.Errorf("%d people", p.Len())
	}
}

func TestPeopleRefused(t *testing.T) {
	t.Parallel()
	holders := []Cardholder{{ID: "a"}, {ID: "a"}}
	_, err := NewPeople(holders, []Credential{
		{ID: "c1", Card: Card{1, 4711}, Holder: "a"},
		{ID: "c1", Card: Card{1, 4712}, Holder: "a"},
		{ID: "c2", Card: Card{1, 4711}, Holder: "a"},
		{ID: "c3", Card: Card{1, 4713}, Holder: "ghost"},
	})
	var got []string
	for _, f := range faultsOf(err) {
		got = append(got, f.Code.Error()+" "+f.Path)
	}
	same(t, []string{
		"duplicate cardholders[1].id", "duplicate credentials[1].id",
		"duplicate credentials[2].card", "dangling reference credentials[3].holder",
	}, got)
	if strings.Contains(err.Error(), "471") {
		t.Errorf("a card number is in the error: %v", err)
	}
}
