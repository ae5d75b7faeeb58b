package daemon

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strings"

	"gatehouse/access"
	"gatehouse/persistence/store"
)

// RecordChanges tells the journal what the store says it was not yet told, and
// then the store that it was. A crash in between repeats the telling, and the
// journal refuses the repeat: a change's source and number are always the same.
// It returns what was told.
func RecordChanges(s *store.Store, commit func([]access.Event) error, clock access.ClockQuality) ([]access.Event, error) {
	pending, err := s.Pending()
	if err != nil || len(pending) == 0 {
		return nil, err
	}
	events := make([]access.Event, len(pending))
	for i, c := range pending {
		events[i] = changeEvent(s.BuildingID(), c, clock)
	}
	if err := commit(events); err != nil {
		return nil, fmt.Errorf("changes of rules or people wait for the journal: %w", err)
	}
	return events, s.Settled(pending[len(pending)-1].Number)
}

func changeEvent(store string, c store.Change, clock access.ClockQuality) access.Event {
	e := access.Event{
		Time: c.Author.Time, Clock: clock, Kind: c.Kind, Operator: c.Author.Operator, Count: uint64(c.Count),
		Source: access.Source{Name: "store", Boot: leading(store), Run: leading(c.After), Number: c.Number},
		Detail: changeDetail(c),
	}
	if c.Kind == access.KindRulesChanged {
		e.Count = c.Version
	}
	if c.Kind == access.KindPersonErased && len(c.IDs) > 0 {
		e.Cardholder = access.CardholderID(c.IDs[0])
	}
	return e
}

func changeDetail(c store.Change) string {
	text := fmt.Sprintf("version %d; fingerprint %s before, %s after", c.Version, c.Before, c.After)
	if len(c.IDs) > 0 {
		text += "; " + strings.Join(c.IDs, " ")
	}
	return text
}

// leading is the first 64 bits of a text of hex digits.
func leading(digits string) uint64 {
	b, err := hex.DecodeString(digits)
	if err != nil || len(b) < 8 {
		return 0
	}
	return binary.BigEndian.Uint64(b)
}
