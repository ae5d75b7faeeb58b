package replay

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"time"

	"gatehouse/access"
	"gatehouse/cmd/gatehouse/daemon"
	"gatehouse/persistence"
	"gatehouse/persistence/journal"
	"gatehouse/persistence/store"
)

// history is the journal, as far as a replay needs it.
type history interface {
	// Scan gives every event on disk to visit, in order, until visit returns an
	// error, which it returns.
	Scan(visit func(access.Event) error) error
	// Last is the Seq of the newest event on disk.
	Last() uint64
}

// position is how far a replay has come. The zero value is its beginning.
type position struct {
	decided uint64    // order of the last row with a decision, 0 if none
	granted bool      // that row was granted and its passage is missing
	last    uint64    // Seq of the newest event
	at      time.Time // of the newest event
}

// next is the order of the row to be fed next.
func (p position) next() uint64 {
	if p.granted {
		return p.decided
	}
	return p.decided + 1
}

// locate finds out how far the replay in o.Data has come, and refuses a directory
// that could make another report of the recording. It changes nothing there, so
// that a refusal leaves no trace.
func locate(o Options, rec *recording) (pos position, err error) {
	unlock, err := persistence.Lock(o.Data)
	if errors.Is(err, fs.ErrNotExist) {
		return position{}, nil
	}
	if err != nil {
		return position{}, fmt.Errorf("data directory: %w", err)
	}
	defer func() { err = errors.Join(err, unlock()) }()
	if err := daemon.CheckOwner(o.Data, o.Site.Building.ID); err != nil {
		return position{}, err
	}
	pos, err = rec.positionIn(o)
	switch {
	case err != nil:
		return position{}, fmt.Errorf("data directory %s: %w", o.Data, err)
	case pos.decided > 0 && !o.Resume:
		return position{}, fmt.Errorf("data directory %s holds a replay of %s already: go on with it by --resume, or name another directory with --data",
			o.Data, rec.file)
	case !sameSite(o):
		return position{}, fmt.Errorf("data directory %s was begun with other rules, people or door modes than the site file has: change the site file back, or name an empty directory with --data",
			o.Data)
	}
	return pos, nil
}

func (r *recording) positionIn(o Options) (pos position, err error) {
	j, err := journal.OpenReadOnly(daemon.JournalDir(o.Data), o.Site.Building.ID)
	if errors.Is(err, fs.ErrNotExist) {
		return position{}, nil
	}
	if err != nil {
		return position{}, err
	}
	defer func() { err = errors.Join(err, j.Close()) }()
	return r.position(j)
}

// sameSite reports whether a building that began in o.Data had the rules and
// people of the site file, as far as the boot image can tell; one that is not
// there or cannot be read tells nothing.
func sameSite(o Options) bool {
	image, err := store.ReadImage(filepath.Join(o.Data, store.ImageName))
	if err != nil || image.Rules.Version == 0 {
		return true
	}
	image.Rules.Version = 0
	if !sameText(image.Rules, o.Site.Rules) {
		return false
	}
	holders := map[access.CardholderID]access.Cardholder{}
	for _, h := range image.Holders {
		holders[h.ID] = h
	}
	credentials := map[access.CredentialID]access.Credential{}
	for _, c := range image.Credentials {
		credentials[c.ID] = c
	}
	same := !slices.ContainsFunc(image.Doors, func(d access.DoorMemory) bool { return d.Mode != access.Locked || d.Fire })
	for _, h := range o.Site.Holders {
		same = same && sameText(holders[h.ID], h)
	}
	for _, c := range o.Site.Credentials {
		same = same && sameText(credentials[c.ID], c)
	}
	return same && len(holders) == len(o.Site.Holders) && len(credentials) == len(o.Site.Credentials)
}

// sameText compares as the store does: what is written alike is the same.
func sameText(a, b any) bool {
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	return errX == nil && errY == nil && bytes.Equal(x, y)
}

// position reads a position from the journal, which must hold nothing but this
// recording.
func (r *recording) position(h history) (position, error) {
	pos := position{last: h.Last()}
	err := h.Scan(func(e access.Event) error {
		pos.at = e.Time
		if err := r.foreign(e); err != nil {
			return err
		}
		switch {
		case e.Origin.File == "":
		case e.Kind == access.KindGranted, e.Kind == access.KindDenied:
			pos.decided, pos.granted = e.Origin.Order, e.Kind == access.KindGranted
		case e.Kind == access.KindPassage && e.Origin.Order == pos.decided:
			pos.granted = false
		}
		return nil
	})
	return pos, err
}

// foreign says why an event cannot have come from this recording, through this
// building.
func (r *recording) foreign(e access.Event) error {
	const hint = "name an empty directory with --data"
	switch {
	case e.Origin.File != "" && e.Origin.File != r.file:
		return fmt.Errorf("it holds events of the recording %q: %s", e.Origin.File, hint)
	case e.Clock != access.ClockRecorded:
		return fmt.Errorf("it holds events of a building that was no replay: %s", hint)
	case e.Origin.File != "" && !r.has(e):
		return fmt.Errorf("its event %d, of line %d, does not fit: %s or the site file was changed since; %s",
			e.Seq, e.Origin.Row, r.file, hint)
	}
	return nil
}

// has reports whether an event names a row of the recording rightly. Its time is
// that of the row only if it is a decision.
func (r *recording) has(e access.Event) bool {
	if e.Origin.Order < 1 || e.Origin.Order > uint64(len(r.rows)) {
		return false
	}
	w := &r.rows[e.Origin.Order-1]
	decision := e.Kind == access.KindGranted || e.Kind == access.KindDenied
	return w.line == e.Origin.Row && w.place.point == point{e.Door, e.Reader} &&
		(!decision || w.at.Equal(e.Time))
}
