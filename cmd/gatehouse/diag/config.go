package diag

import (
	"gatehouse/access"
	"gatehouse/cmd/gatehouse/site"
)

// config is what may be told of a site file. Names, people, cards, paths, hosts,
// keys and whatever is not here stays out.
type config struct {
	Building   string         `json:"building"`
	TimeZone   string         `json:"time_zone"`
	Addr       string         `json:"http_addr"`
	PprofOn    bool           `json:"pprof_listens"`
	SegmentMB  uint32         `json:"journal_segment_mb"`
	Retention  site.Retention `json:"retention"`
	Archive    copies         `json:"archive"`
	Backup     copies         `json:"backup"`
	RateMBPerS uint32         `json:"archive_rate_mb_per_s"`
	BackupKeep uint32         `json:"backup_keep"`
	HealthS    uint32         `json:"health_every_s"`
	Doors      []door         `json:"doors"`
	Devices    []device       `json:"devices"`
	FireInputs int            `json:"fire_inputs"`
	Areas      int            `json:"areas"`
	Schedules  int            `json:"schedules"`
	Levels     int            `json:"levels"`
	People     int            `json:"people"`
	Cards      int            `json:"credentials"`
}

// copies are made at night, or not.
type copies struct {
	Made       bool   `json:"made"`
	At         string `json:"at,omitempty"`
	Recipients int    `json:"recipients,omitempty"`
}

type door struct {
	ID          access.DoorID `json:"id"`
	LockType    string        `json:"lock_type"`
	Egress      string        `json:"egress"`
	FireRelease bool          `json:"fire_release"`
	Contact     bool          `json:"contact"`
	REX         bool          `json:"rex"`
	StrikeMS    int64         `json:"strike_time_ms"`
	HeldOpenMS  int64         `json:"held_open_time_ms"`
	RecordMS    int64         `json:"record_limit_ms"`
	AreaMS      int64         `json:"area_timeout_ms"`
	DecisionMS  int64         `json:"decision_deadline_ms"`
	Readers     []reader      `json:"readers"`
}

type reader struct {
	ID           access.ReaderID `json:"id"`
	Format       string          `json:"format"`
	AntiPassback string          `json:"anti_passback"`
}

type device struct {
	ID     string `json:"id"`
	Driver string `json:"driver"`
}

// configOf tells of a site.
func configOf(s *site.Site) config {
	c := config{
		Building: s.Building.ID, TimeZone: s.Building.TimeZone, Addr: s.HTTP.Addr, PprofOn: s.HTTP.PprofAddr != "",
		SegmentMB: s.Journal.SegmentMB, Retention: s.Journal.Retention,
		Archive:    copies{s.Archive.Dir != "", s.Archive.At, len(s.Archive.Recipients)},
		Backup:     copies{s.Backup.Dir != "", s.Backup.At, len(s.Backup.Recipients)},
		RateMBPerS: s.Archive.RateMBPerS, BackupKeep: s.Backup.Keep, HealthS: s.Health.EveryS,
		FireInputs: len(s.FireInputs), Areas: len(s.Rules.Areas), Schedules: len(s.Rules.Schedules), Levels: len(s.Rules.Levels),
		People: len(s.Holders), Cards: len(s.Credentials),
	}
	for i := range s.Rules.Doors {
		c.Doors = append(c.Doors, doorOf(&s.Rules.Doors[i]))
	}
	for _, d := range s.Devices {
		c.Devices = append(c.Devices, device{d.ID, d.Driver})
	}
	return c
}

func doorOf(d *access.Door) door {
	out := door{
		ID: d.ID, LockType: d.LockType.String(), Egress: d.Egress.String(), FireRelease: d.FireRelease, Contact: d.HasContact, REX: d.HasREX,
		StrikeMS: d.StrikeTime.Milliseconds(), HeldOpenMS: d.HeldOpenTime.Milliseconds(),
		RecordMS: d.RecordLimit.Milliseconds(), AreaMS: d.AreaTimeout.Milliseconds(), DecisionMS: d.DecisionDeadline.Milliseconds(),
	}
	for _, r := range d.Readers {
		out.Readers = append(out.Readers, reader{r.ID, r.Format, r.AntiPassback.String()})
	}
	return out
}
