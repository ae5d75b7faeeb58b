package replay

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"gatehouse/access"
	"gatehouse/cmd/gatehouse/site"
	"gatehouse/devices"
	"gatehouse/devices/virtual"
)

// recording is a file of rows, in the order in which they are played.
type recording struct {
	file string // base name: what the journal calls it
	rows []row
}

// row is one card held to one reader.
type row struct {
	line  uint64    // in the file, from 1
	order uint64    // in the recording, from 1
	at    time.Time // in the building's time zone
	place *place
	read  devices.CardRead
}

// point is a reader in the site file.
type point struct {
	door   access.DoorID
	reader access.ReaderID
}

// place is a reader in the rig, and the door that it is for. lock and contact are
// device/part; contact is empty when none is wired.
type place struct {
	point   point
	part    string
	lock    string
	contact string
	format  access.Format
}

// load reads the recording that o names, for the building that o names.
func load(o Options) (*recording, error) {
	if o.Format != Vast2009 {
		return nil, fmt.Errorf("unknown format %q of a recording: use %s", o.Format, Vast2009)
	}
	zone, err := time.LoadLocation(o.Site.Building.TimeZone)
	if err != nil {
		return nil, fmt.Errorf("time zone of the building: %w", err)
	}
	places, err := findPlaces(o.Site)
	if err != nil {
		return nil, err
	}
	f, err := os.Open(o.File)
	if err != nil {
		return nil, fmt.Errorf("the recording cannot be read: %w: give the path of a file in the format %s", err, o.Format)
	}
	defer func() { _ = f.Close() }() // only read
	rows, err := parse(o.File, f, zone, places)
	if err != nil {
		return nil, err
	}
	rec := &recording{file: filepath.Base(o.File), rows: rows}
	rec.arrange()
	return rec, nil
}

// arrange brings the rows, read to the minute, into time order and spreads those
// of one minute over it.
func (r *recording) arrange() {
	slices.SortStableFunc(r.rows, func(a, b row) int { return a.at.Compare(b.at) })
	for from := 0; from < len(r.rows); {
		minute, to := r.rows[from].at, from
		for to < len(r.rows) && r.rows[to].at.Equal(minute) {
			to++
		}
		for i := from; i < to; i++ {
			w := &r.rows[i]
			w.at = minute.Add(time.Duration(i-from) * time.Minute / time.Duration(to-from))
			w.order = uint64(i + 1)
			w.read.Origin = devices.Origin{File: r.file, Row: w.line, Order: w.order}
		}
		from = to
	}
}

// findPlaces finds the readers of the format vast2009 in the site, by the type of
// row that is played there. The error joins all that is missing.
func findPlaces(s *site.Site) (map[string]*place, error) {
	var errs []error
	for _, d := range s.Devices {
		if d.Driver != virtual.DriverName {
			errs = append(errs, fmt.Errorf("device %s has the driver %s: a replay needs a site file with virtual devices only", d.ID, d.Driver))
		}
	}
	places := map[string]*place{}
	for _, want := range vastReaders {
		p := findPlace(s, point{want.door, want.reader})
		if p == nil {
			errs = append(errs, fmt.Errorf("the format %s plays %s at reader %q of door %q, and the site file has none: add it, or use examples/embassy/site.yaml",
				Vast2009, want.kind, want.reader, want.door))
		}
		places[want.kind] = p
	}
	return places, errors.Join(errs...)
}

func findPlace(s *site.Site, at point) *place {
	for i, d := range s.Rules.Doors {
		for j, r := range d.Readers {
			if d.ID != at.door || r.ID != at.reader {
				continue
			}
			format, _ := access.ParseFormat(r.Format) // the site was checked
			w := &s.Wiring[i]
			return &place{point: at, part: w.Readers[j].Device, lock: w.Lock, contact: w.Contact, format: format}
		}
	}
	return nil
}
