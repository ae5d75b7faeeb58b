package links

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"time"

	"gatehouse/access"
	"gatehouse/edge/redis"
	"gatehouse/persistence"
)

// cursorName is the file of the data directory that says how far the channel has got.
const cursorName = "redis.cursor"

// cursor is the newest event that the server has acknowledged: its number, and what
// tells it from another journal's event of the same number.
type cursor struct {
	Building string        `json:"building"`
	Seq      uint64        `json:"seq"`
	Source   access.Source `json:"source"`
	Time     time.Time     `json:"time"`
	// Why the events up to it are not sent, which is still to be told; "": they were,
	// or it was.
	Why redis.Why `json:"why,omitempty"`
}

func cursorAt(building string, e access.Event) cursor {
	return cursor{Building: building, Seq: e.Seq, Source: e.Source, Time: e.Time.UTC()}
}

func (p cursor) same(e access.Event) bool {
	return p.Seq == e.Seq && p.Source == e.Source && p.Time.Equal(e.Time)
}

// readCursor finds out where to go on. Where that is not known, it is at the newest
// event, and all before it are a gap.
func readCursor(dir, building string, from Building) (p cursor, err error) {
	err = persistence.ReadNote(filepath.Join(dir, cursorName), &p)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return newest(building, from, redis.WhyNew)
	case errors.Is(err, persistence.ErrDamaged), err == nil && p.Building != building:
		return newest(building, from, redis.WhyLost)
	case err != nil:
		return cursor{}, err
	case p.Seq == 0:
		return p, nil
	}
	at, err := from.Events(p.Seq-1, 1)
	if err != nil {
		return cursor{}, fmt.Errorf("the journal cannot be read: %w", err)
	}
	if len(at) == 0 || at[0].Seq == p.Seq && !p.same(at[0]) {
		return newest(building, from, redis.WhyReplaced)
	}
	return p, nil // the event itself may have gone meanwhile
}

var errNoLast = errors.New("its newest event is not there")

// newest is a cursor at the newest event.
func newest(building string, from Building, why redis.Why) (cursor, error) {
	last := from.LastEvent()
	if last == 0 {
		return cursor{Building: building}, nil
	}
	at, err := from.Events(last-1, 1)
	if err == nil && len(at) == 0 {
		err = errNoLast
	}
	if err != nil {
		return cursor{}, fmt.Errorf("the journal cannot be read: %w", err)
	}
	p := cursorAt(building, at[0])
	p.Why = why
	return p, nil
}

func (p cursor) save(dir string) error {
	return persistence.WriteNote(filepath.Join(dir, cursorName), p)
}

// letter is a message to send, and how far the channel has got with it.
type letter struct {
	text []byte
	then cursor
}

// letters are what there is to send after a cursor: the events, and a gap for each
// number that is not among them.
func letters(p cursor, events []access.Event) (list []letter, err error) {
	add := func(then cursor, text []byte, wrong error) {
		list, err = append(list, letter{text, then}), errors.Join(err, wrong)
	}
	if p.Why != "" {
		text, wrong := redis.OfGap(p.Building, redis.Gap{First: 1, Count: p.Seq, Why: p.Why})
		p.Why = ""
		add(p, text, wrong)
	}
	for _, e := range events {
		if missing := e.Seq - p.Seq - 1; missing > 0 {
			text, wrong := redis.OfGap(p.Building, redis.Gap{First: p.Seq + 1, Count: missing, Why: redis.WhyMissing})
			add(p, text, wrong) // the event behind it moves the cursor
		}
		p = cursorAt(p.Building, e)
		text, wrong := redis.OfEvent(p.Building, e)
		add(p, text, wrong)
	}
	return list, err
}
