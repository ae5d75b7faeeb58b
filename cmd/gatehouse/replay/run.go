package replay

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"gatehouse/access"
	"gatehouse/cmd/gatehouse/daemon"
	"gatehouse/cmd/gatehouse/site"
	"gatehouse/devices"
	"gatehouse/devices/virtual"
	"gatehouse/supervisor/sim"
)

// Options of a replay.
type Options struct {
	Site   *site.Site
	Data   string // the data directory: empty, or of an interrupted replay of File
	Format string // Vast2009
	File   string
	Report string // "text" (or "") or "json"
	Resume bool   // go on with an interrupted replay; one that never began begins
	Out    io.Writer
	Err    io.Writer        // progress, duration and rate
	Clock  func() time.Time // real time, for the rate
}

const (
	formText = "text"
	formJSON = "json"
)

// ErrIncomplete: rows lack their decision in the journal. The report was written.
var ErrIncomplete = errors.New("not every row has exactly one decision in the journal")

const (
	// seed draws the order of the actors' turns: the same in every replay.
	seed = 2009
	// early is how long before the first row the building starts.
	early = time.Minute
)

// Run replays the recording and writes the report to o.Out. Errors: *Mistakes of
// the recording; a data directory that is locked, damaged or holds something else
// (left byte-identical); ErrIncomplete; ctx's, after the row under way.
func Run(ctx context.Context, o Options) error {
	if o.Report != "" && o.Report != formText && o.Report != formJSON {
		return fmt.Errorf("unknown form %q of a report: use %s or %s", o.Report, formText, formJSON)
	}
	rec, err := load(o)
	if err != nil {
		return err
	}
	pos, err := locate(o, rec)
	if err != nil {
		return err
	}
	p, err := begin(o, rec, pos)
	if err != nil {
		return err
	}
	report, err := p.replay(ctx, pos.next())
	_, stopped := p.house.Stop()
	if err := errors.Join(err, stopped); err != nil {
		return err
	}
	if err := report.write(o.Out, o.Report, rec.title(o.Site.Building)); err != nil {
		return fmt.Errorf("the report cannot be written: %w", err)
	}
	if report.Journaled != report.Events {
		return fmt.Errorf("%w: %d of %d", ErrIncomplete, report.Journaled, report.Events)
	}
	return nil
}

// player holds cards to the readers of a building and moves its doors.
type player struct {
	opts    Options
	rec     *recording
	sim     *sim.Sim
	rig     *virtual.Rig
	house   *daemon.Daemon
	granted uint64 // order of the last row that was granted
}

// begin starts the building at the virtual time where the replay begins or goes
// on.
func begin(o Options, rec *recording, pos position) (*player, error) {
	start := rec.rows[0].at.Add(-early)
	if pos.at.After(start) {
		start = pos.at.In(start.Location())
	}
	p := &player{opts: o, rec: rec, sim: sim.New(seed, sim.Options{Start: start}), rig: virtual.New(virtual.Options{})}
	building := *o.Site // what was recorded is neither archived nor removed
	building.Archive, building.Journal.Retention = site.Archive{}, site.Retention{}
	house, err := daemon.Open(daemon.Options{
		Site: &building, Data: o.Data, Executor: p.sim, Drivers: []devices.Driver{p.rig.Driver()},
		Log: logger(o.Err), Clock: access.ClockRecorded, OnEvent: p.note, Strict: true,
		// No earlier life had this number: each wrote an event at least, or nothing.
		Boot: pos.last + 1,
	})
	if err != nil {
		return nil, err
	}
	p.house = house
	if house.Journal.Last() != pos.last {
		return nil, errors.Join(fmt.Errorf("data directory %s was changed by another process just now: try again", o.Data), house.Close())
	}
	if err := house.Start(); err != nil {
		return nil, err
	}
	p.sim.Quiesce()
	return p, nil
}

// logger tells people what goes wrong, without the time: it is virtual.
func logger(w io.Writer) zerolog.Logger {
	return zerolog.New(zerolog.ConsoleWriter{Out: w, NoColor: true, PartsExclude: []string{zerolog.TimestampFieldName}}).
		Level(zerolog.WarnLevel)
}

// note hears every event before it is on disk, on this goroutine.
func (p *player) note(e access.Event) {
	if e.Kind == access.KindGranted {
		p.granted = e.Origin.Order
	}
}

// replay plays the rows from the given order on, then reads back what came of all
// of them.
func (p *player) replay(ctx context.Context, from uint64) (*Report, error) {
	if err := p.play(ctx, from); err != nil {
		return nil, err
	}
	rules, err := access.Compile(p.opts.Site.Rules)
	if err != nil {
		return nil, err
	}
	return readBack(p.house.Journal, p.rec, rules)
}

func (p *player) play(ctx context.Context, from uint64) error {
	rows := p.rec.rows[from-1:]
	m := meter{opts: &p.opts, all: len(p.rec.rows), before: int(from) - 1}
	m.start()
	if err := p.healthy(); err != nil {
		return err
	}
	for i := range rows {
		if ctx.Err() != nil {
			return fmt.Errorf("interrupted after %d of %d rows, go on with --resume: %w", m.before+i, m.all, context.Cause(ctx))
		}
		if err := p.feed(&rows[i]); err != nil {
			return err
		}
		m.fed(i + 1)
	}
	m.finish(len(rows))
	return nil
}

// feed plays one row: a card, and if it is granted and the lock lets go, somebody
// who opens the door and closes it again. The clock stands still meanwhile.
func (p *player) feed(w *row) error {
	p.sim.AdvanceTo(w.at)
	p.rig.Present(w.place.part, w.read)
	p.sim.Quiesce()
	if p.granted == w.order && w.place.contact != "" && p.rig.Lock(w.place.lock).Released() {
		if err := p.passThrough(w.place); err != nil {
			return err
		}
	}
	return p.healthy()
}

func (p *player) passThrough(at *place) error {
	leaf := p.rig.DoorOf(at.lock, at.contact)
	if err := leaf.Open(); err != nil {
		return err
	}
	p.sim.Quiesce()
	leaf.Close()
	p.sim.Quiesce()
	return nil
}

// healthy refuses to go on when something does not work: what follows would not
// follow from the recording alone.
func (p *player) healthy() error {
	h := p.house.Building.Health()
	if !h.Ready || h.Waiting > 0 {
		return fmt.Errorf("the replay cannot go on: %s (%d events not on disk): put it right, then go on with --resume",
			strings.Join(h.Degraded, "; "), h.Waiting)
	}
	return nil
}
