package actors

import (
	"context"
	"time"

	"gatehouse/access"
)

// Occupancy is where people are held to be by the events of a journal up to one of
// them. Source and Time are that event's: they tell whether another journal is the
// same. The zero value is of no event.
type Occupancy struct {
	Through uint64 // Seq of the newest event that was read
	Source  access.Source
	Time    time.Time
	Places  *access.Places // never nil after an event
}

// OccupancyStore keeps an Occupancy, so that a start need not read the whole
// journal. It is a help and never the truth: what cannot be read back is read from
// the journal. Its calls block and are made by workers only.
type OccupancyStore interface {
	// Load returns what was kept last, the zero value if nothing was. It is safe for
	// concurrent use, beside Save too.
	Load() (Occupancy, error)
	// Save replaces it durably: at every moment there is the old one or the whole new
	// one. A call beside one that hangs is to be refused.
	Save(Occupancy) error
}

func (o *Occupancy) note(e *access.Event) {
	o.Through, o.Source, o.Time = e.Seq, e.Source, e.Time
	o.place(e)
}

func (o *Occupancy) place(e *access.Event) {
	if e.Kind == access.KindPassage && e.Cardholder != "" && e.To != "" {
		o.Places.Set(e.Cardholder, access.Place{Area: e.To, Seq: e.Seq})
	}
}

// passages reads the journal to its end, then what still waits for it. An event
// leaves the intake only after it is on disk, so that none is missed between the
// two; what is on disk by the second reading counts as read.
func (b *Building) passages(ctx context.Context) (Occupancy, error) {
	all, err := b.occupancy(ctx)
	if err != nil {
		return Occupancy{}, err
	}
	waiting := b.intake.passages()
	written := map[access.Source]bool{}
	_, err = b.read(ctx, all.Through, func(e *access.Event) {
		all.note(e)
		written[e.Source] = true
	})
	for i := range waiting {
		if e := &waiting[i]; !written[e.Source] {
			all.place(e)
		}
	}
	return all, err
}

// occupancy is where people are by the journal: what was kept of it and its events
// after that. It is the same as if all of them were read.
func (b *Building) occupancy(ctx context.Context) (Occupancy, error) {
	o := b.kept()
	if _, err := b.read(ctx, o.Through, o.note); err != nil {
		return Occupancy{}, err
	}
	return o, b.forgetRemoved(&o)
}

// kept is what the occupancy's store has of this journal, or nothing.
func (b *Building) kept() Occupancy {
	nothing := Occupancy{Places: &access.Places{}}
	if b.cfg.Occupancy == nil {
		return nothing
	}
	o, err := b.cfg.Occupancy.Load()
	if err == nil && o.Through == 0 {
		return nothing
	}
	if err == nil && b.has(&o) {
		return o
	}
	b.cfg.Log.Warn().Err(err).Uint64("event", o.Through).
		Msg("what is kept of where people are is not of this journal or damaged; all of the journal is read instead")
	return nothing
}

// has reports whether the journal has the very event that o reaches to. One that
// was set back, and goes on from there, gave its number to another.
func (b *Building) has(o *Occupancy) bool {
	at, err := b.cfg.Journal.Read(o.Through-1, 1)
	return err == nil && len(at) == 1 && at[0].Seq == o.Through && at[0].Source == o.Source && at[0].Time.Equal(o.Time)
}

// forgetRemoved forgets passages whose events are no longer kept. It comes after the
// reading: whoever passed again in an event that was removed meanwhile is then not
// held to be where they were before.
func (b *Building) forgetRemoved(o *Occupancy) error {
	first, err := b.cfg.Journal.Read(0, 1)
	if err != nil || len(first) == 0 {
		return err
	}
	o.Places.ForgetBefore(first[0].Seq)
	return nil
}

// read visits the journal's events from after on, and gives the last's Seq.
func (b *Building) read(ctx context.Context, after uint64, visit func(*access.Event)) (uint64, error) {
	for ctx.Err() == nil {
		page, err := b.cfg.Journal.Read(after, rebuildPage)
		if err != nil || len(page) == 0 {
			return after, err
		}
		for i := range page {
			visit(&page[i])
		}
		after = page[len(page)-1].Seq
	}
	return after, ctx.Err()
}
