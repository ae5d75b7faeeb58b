package demo

import (
	"fmt"
	"time"

	"gatehouse/access"
	"gatehouse/cmd/gatehouse/site"
	"gatehouse/devices"
	"gatehouse/devices/virtual"
)

// The areas lie within one another: outside, lobby, office, server room.
const (
	lobby  access.AreaID = "lobby"
	office access.AreaID = "office"
	server access.AreaID = "server-room"
)

const (
	cardFormat = "H10301"
	fireInput  = "fire-panel/alarm"
)

// plan is a door as the demo thinks of it. Its device has the door's id and the
// parts of virtual.DoorLayout.
type plan struct {
	name      string
	lock      access.LockType
	egress    access.Egress
	rex       bool
	fire      bool
	noContact bool
	readers   []access.Reader
}

// plans are the doors d-01 to d-12. Each is there for something of its own.
func plans() []plan {
	const (
		soft = access.AntiPassbackSoft
		hard = access.AntiPassbackHard
	)
	return []plan{
		{name: "Main entrance", egress: access.EgressREX, rex: true, fire: true, readers: both(access.Outside, lobby, soft)},
		{name: "Side entrance", egress: access.EgressMechanical, readers: both(access.Outside, lobby, hard)},
		{name: "Delivery gate", egress: access.EgressREX, rex: true, fire: true, readers: in(access.Outside, lobby, soft)},
		{name: "Garage", lock: access.FailSafe, egress: access.EgressHardwired, fire: true, readers: both(access.Outside, lobby, soft)},
		{name: "Office ground", egress: access.EgressREX, rex: true, fire: true, readers: both(lobby, office, soft)},
		{name: "Office upstairs", egress: access.EgressMechanical, readers: both(lobby, office, soft)},
		{name: "Office stairwell", egress: access.EgressREX, rex: true, fire: true, readers: in(lobby, office, soft)},
		{name: "Meeting room", egress: access.EgressMechanical, noContact: true, readers: in("", "", access.AntiPassbackOff)},
		{name: "Archive", egress: access.EgressMechanical, readers: in("", "", access.AntiPassbackOff)},
		{name: "Server room", egress: access.EgressMechanical, readers: both(office, server, hard)},
		{name: "Server loading", egress: access.EgressREX, rex: true, fire: true, readers: append(in(office, server, hard), out(server, office, soft)...)},
		{name: "Garden door", lock: access.FailSafe, egress: access.EgressREX, rex: true, fire: true, readers: out(lobby, access.Outside, soft)},
	}
}

func in(from, to access.AreaID, apb access.AntiPassback) []access.Reader {
	return []access.Reader{{ID: "in", Side: access.SideIn, From: from, To: to, AntiPassback: apb, Format: cardFormat}}
}

func out(from, to access.AreaID, apb access.AntiPassback) []access.Reader {
	return []access.Reader{{ID: "out", Side: access.SideOut, From: from, To: to, AntiPassback: apb, Format: cardFormat}}
}

func both(from, to access.AreaID, apb access.AntiPassback) []access.Reader {
	return append(in(from, to, apb), out(to, from, apb)...)
}

// Site is the demo's building. Names, cards and who belongs to which group are
// drawn from seed; doors, areas, schedules and levels are always the same.
func Site(seed uint64) *site.Site {
	s := &site.Site{
		Building:   site.Building{ID: "demo", Name: "Demo building", TimeZone: "UTC"},
		HTTP:       site.HTTP{Addr: "127.0.0.1:8480"},
		FireInputs: []string{fireInput},
		Devices:    []devices.Config{{ID: "fire-panel", Driver: virtual.DriverName, Options: map[string]string{"inputs": "alarm"}}},
	}
	s.Rules = access.Rules{
		Location: s.Building.TimeZone,
		Areas: []access.Area{
			{ID: lobby, Name: "Lobby"}, {ID: office, Name: "Office"}, {ID: server, Name: "Server room"},
		},
		Schedules: schedules(),
		Levels:    levels(),
	}
	for i, p := range plans() {
		d := p.door(doorID(i + 1))
		s.Rules.Doors = append(s.Rules.Doors, d)
		s.Wiring = append(s.Wiring, wire(d))
		s.Devices = append(s.Devices, devices.Config{ID: string(d.ID), Driver: virtual.DriverName})
	}
	populate(s, seed)
	return s
}

func doorID(n int) access.DoorID { return access.DoorID(fmt.Sprintf("d-%02d", n)) }

func doorIDs(numbers ...int) (ids []access.DoorID) {
	for _, n := range numbers {
		ids = append(ids, doorID(n))
	}
	return ids
}

func (p plan) door(id access.DoorID) access.Door {
	return access.Door{
		ID: id, Name: p.name, LockType: p.lock, Egress: p.egress, FireRelease: p.fire,
		HasContact: !p.noContact, HasREX: p.rex, Readers: p.readers,
		StrikeTime: access.DefaultStrikeTime, HeldOpenTime: access.DefaultHeldOpenTime,
		RecordLimit: access.DefaultRecordLimit, AreaTimeout: access.DefaultAreaTimeout,
	}
}

func wire(d access.Door) site.Wiring {
	part := func(name string) string { return string(d.ID) + "/" + name }
	w := site.Wiring{Door: d.ID, Lock: part("lock"), Tamper: part("tamper")}
	if d.HasContact {
		w.Contact = part("contact")
	}
	if d.HasREX {
		w.REX = part("rex")
	}
	for _, r := range d.Readers {
		name := part(string(r.ID))
		w.Readers = append(w.Readers, site.ReaderWiring{Reader: r.ID, Device: name, Indicator: name})
	}
	return w
}

func schedules() []access.Schedule {
	hours := access.Schedule{ID: "office-hours"}
	for day := time.Monday; day <= time.Friday; day++ {
		hours.Intervals = append(hours.Intervals, access.Interval{Day: day, FromMinute: 7 * 60, ToMinute: 19 * 60})
	}
	evenings := access.Schedule{ID: "evenings"}
	for day := time.Sunday; day <= time.Saturday; day++ {
		evenings.Intervals = append(evenings.Intervals, access.Interval{Day: day, FromMinute: 17 * 60, ToMinute: 22 * 60})
	}
	return []access.Schedule{hours, evenings}
}

// levels leave most people in at any time: the clock on the wall of a demo is
// real, whatever time of day its crowd thinks it is.
func levels() []access.Level {
	entry := func(schedule access.ScheduleID, doors ...int) []access.LevelEntry {
		return []access.LevelEntry{{Doors: doorIDs(doors...), Schedule: schedule}}
	}
	return []access.Level{
		{ID: "everywhere", Name: "Facility management", Entries: []access.LevelEntry{{AllDoors: true, Schedule: access.Always}}},
		{ID: "staff", Name: "Staff", Entries: entry(access.Always, 1, 2, 3, 4, 5, 6, 7, 8, 9, 12)},
		{ID: "servers", Name: "Server room", Entries: entry(access.Always, 10, 11)},
		{ID: "contractors", Name: "Contractors", Entries: entry("office-hours", 1, 3, 5, 8, 12)},
		{ID: "cleaning", Name: "Cleaning", Entries: entry("evenings", 2, 5, 6, 8, 9, 12)},
	}
}
