package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"gatehouse/access"
)

// Rows are what people are kept as, keyed by holder id, card or credential id.
// Little is spent on a person: a million of them share one file.
//
//	holder      flags, times, name, number of levels, levels     key: its id
//	card        flags, times, credential id, holder id           key: facility u32, number u64, big-endian
//	credential  facility u32, number u64, big-endian             key: its id
//
// Texts and numbers are varint-counted; a time is seconds since 1970 (zigzag
// varint) and nanoseconds (varint), and is there if its flag is set.
const (
	flagSuspended = 1 << iota
	flagFrom
	flagUntil
	knownFlags = flagSuspended | flagFrom | flagUntil
)

const cardLen = 12

var errRow = errors.New("a row cannot be read")

func cardKey(c access.Card) []byte {
	key := binary.BigEndian.AppendUint32(make([]byte, 0, cardLen), c.Facility)
	return binary.BigEndian.AppendUint64(key, c.Number)
}

func parseCard(key []byte) (access.Card, error) {
	if len(key) != cardLen {
		return access.Card{}, errRow
	}
	return access.Card{Facility: binary.BigEndian.Uint32(key), Number: binary.BigEndian.Uint64(key[4:])}, nil
}

func appendHolder(b []byte, h access.Cardholder) []byte {
	b = appendValidity(b, h.Suspended, h.ValidFrom, h.ValidUntil)
	b = appendText(b, h.Name)
	b = binary.AppendUvarint(b, uint64(len(h.Levels)))
	for _, level := range h.Levels {
		b = appendText(b, string(level))
	}
	return b
}

func parseHolder(id, row []byte) (access.Cardholder, error) {
	r := rowReader{b: row}
	h := access.Cardholder{ID: access.CardholderID(id)}
	h.Suspended, h.ValidFrom, h.ValidUntil = r.validity()
	h.Name = r.text()
	for n := r.number(); n > 0 && r.err == nil; n-- {
		h.Levels = append(h.Levels, access.LevelID(r.text()))
	}
	return h, r.end()
}

func appendCredential(b []byte, c access.Credential) []byte {
	b = appendValidity(b, c.Suspended, c.ValidFrom, c.ValidUntil)
	return appendText(appendText(b, string(c.ID)), string(c.Holder))
}

func parseCredential(card, row []byte) (c access.Credential, err error) {
	if c.Card, err = parseCard(card); err != nil {
		return c, err
	}
	r := rowReader{b: row}
	c.Suspended, c.ValidFrom, c.ValidUntil = r.validity()
	c.ID, c.Holder = access.CredentialID(r.text()), access.CardholderID(r.text())
	return c, r.end()
}

func appendText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

func appendValidity(b []byte, suspended bool, from, until time.Time) []byte {
	var flags byte
	if suspended {
		flags |= flagSuspended
	}
	if !from.IsZero() {
		flags |= flagFrom
	}
	if !until.IsZero() {
		flags |= flagUntil
	}
	b = append(b, flags)
	for _, t := range []time.Time{from, until} {
		if !t.IsZero() {
			b = binary.AppendUvarint(binary.AppendVarint(b, t.Unix()), uint64(t.Nanosecond()))
		}
	}
	return b
}

// rowReader reads a row; after a fault it gives zeros.
type rowReader struct {
	b   []byte
	err error
}

func (r *rowReader) fail() {
	r.b, r.err = nil, errRow
}

func (r *rowReader) number() uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 {
		r.fail()
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *rowReader) bytes() []byte {
	n := r.number()
	if n > uint64(len(r.b)) {
		r.fail()
		return nil
	}
	b := r.b[:n:n]
	r.b = r.b[n:]
	return b
}

func (r *rowReader) text() string { return string(r.bytes()) }

func (r *rowReader) validity() (suspended bool, from, until time.Time) {
	if len(r.b) == 0 || r.b[0]&^knownFlags != 0 {
		r.fail()
		return false, from, until
	}
	flags := r.b[0]
	r.b = r.b[1:]
	if flags&flagFrom != 0 {
		from = r.time()
	}
	if flags&flagUntil != 0 {
		until = r.time()
	}
	return flags&flagSuspended != 0, from, until
}

func (r *rowReader) time() time.Time {
	sec, n := binary.Varint(r.b)
	if n <= 0 {
		r.fail()
		return time.Time{}
	}
	r.b = r.b[n:]
	return time.Unix(sec, int64(r.number())).UTC()
}

func (r *rowReader) end() error {
	if r.err == nil && len(r.b) > 0 {
		r.err = errRow
	}
	return r.err
}

func validHolder(h access.Cardholder) error {
	return errors.Join(validID("cardholder", string(h.ID)), validTimes(string(h.ID), h.ValidFrom, h.ValidUntil))
}

func validCredential(c access.Credential) error {
	return errors.Join(validID("credential", string(c.ID)), validTimes(string(c.ID), c.ValidFrom, c.ValidUntil))
}

// validTimes keeps to years that every format can write.
func validTimes(id string, times ...time.Time) error {
	for _, t := range times {
		if y := t.Year(); y < 0 || y > 9999 {
			return fmt.Errorf("%w: %q has a time in the year %d; use 0 to 9999", ErrInvalid, id, y)
		}
	}
	return nil
}
