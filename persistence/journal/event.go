package journal

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"

	"gatehouse/access"
)

// Field numbers of an event's payload. They are on disk: only ever append, never
// change a meaning. A field with its zero value is left out. Sequence, wall
// time, monotonic time and kind stand in the frame.
const (
	fieldClock      protowire.Number = iota + 1 // 1  varint  access.ClockQuality
	fieldBoot                                   // 2  varint  Source.Boot
	fieldRun                                    // 3  varint  Source.Run
	fieldNumber                                 // 4  varint  Source.Number
	fieldDoor                                   // 5  string
	fieldReader                                 // 6  string
	fieldCardholder                             // 7  string
	fieldCredential                             // 8  string
	fieldReason                                 // 9  varint  access.Reason
	fieldFrom                                   // 10 string
	fieldTo                                     // 11 string
	fieldMode                                   // 12 varint  access.Mode
	fieldCause                                  // 13 varint
	fieldRow                                    // 14 varint  Origin.Row
	fieldOrder                                  // 15 varint  Origin.Order
	fieldFile                                   // 16 string  Origin.File
	fieldName                                   // 17 string  Source.Name; absent: "door/"+Door, or "" without a door
	fieldHeld                                   // 18 string
	fieldOperator                               // 19 string
	fieldCount                                  // 20 varint
	fieldDetail                                 // 21 string
)

const (
	maxPayload = 4096
	// maxText bounds every text but Detail, so that all of them fit a payload
	// and Detail gets what is left.
	maxText = 255
	noTime  = math.MinInt64
)

var errPayload = errors.New("payload is not an event")

// payloadWriter appends fields and counts the bytes that had to be cut.
type payloadWriter struct {
	b   []byte
	cut int
}

func (w *payloadWriter) number(field protowire.Number, v uint64) {
	if v != 0 {
		w.head(field, protowire.VarintType, v)
	}
}

// head appends a field's tag and a number, in its own words for the small ones,
// which most are.
func (w *payloadWriter) head(field protowire.Number, wire protowire.Type, v uint64) {
	const oneByte = 0x80
	tag := protowire.EncodeTag(field, wire)
	if tag < oneByte && v < oneByte {
		w.b = append(w.b, byte(tag), byte(v))
		return
	}
	w.b = protowire.AppendVarint(protowire.AppendVarint(w.b, tag), v)
}

func (w *payloadWriter) text(field protowire.Number, s string) {
	if s != "" {
		kept := clip(s, maxText)
		w.cut += len(s) - len(kept)
		w.put(field, kept)
	}
}

func (w *payloadWriter) put(field protowire.Number, s string) {
	w.head(field, protowire.BytesType, uint64(len(s)))
	w.b = append(w.b, s...)
}

// appendEvent appends e's payload, at most maxPayload bytes, and reports how many
// bytes of its texts had to be cut; Detail then ends with "[+N bytes cut]".
func appendEvent(b []byte, e *access.Event) (_ []byte, cut int) {
	w := payloadWriter{b: b}
	w.number(fieldClock, uint64(e.Clock))
	w.number(fieldBoot, e.Source.Boot)
	w.number(fieldRun, e.Source.Run)
	w.number(fieldNumber, e.Source.Number)
	w.text(fieldDoor, string(e.Door))
	w.text(fieldReader, string(e.Reader))
	w.text(fieldCardholder, string(e.Cardholder))
	w.text(fieldCredential, string(e.Credential))
	w.number(fieldReason, uint64(e.Reason))
	w.text(fieldFrom, string(e.From))
	w.text(fieldTo, string(e.To))
	w.number(fieldMode, uint64(e.Mode))
	w.number(fieldCause, e.Cause)
	w.number(fieldRow, e.Origin.Row)
	w.number(fieldOrder, e.Origin.Order)
	w.text(fieldFile, e.Origin.File)
	if !isDefaultName(e.Source.Name, e.Door) {
		w.cut += len(e.Source.Name) - len(clip(e.Source.Name, maxText))
		w.put(fieldName, clip(e.Source.Name, maxText))
	}
	w.text(fieldHeld, string(e.Held))
	w.text(fieldOperator, string(e.Operator))
	w.number(fieldCount, e.Count)
	w.detail(e.Detail, maxPayload-(len(w.b)-len(b)))
	return w.b, w.cut
}

// detail appends s in at most room bytes, with the mark if anything was cut.
func (w *payloadWriter) detail(s string, room int) {
	const fieldHead, mark = 4, len(" [+18446744073709551615 bytes cut]")
	if w.cut == 0 && len(s) <= room-fieldHead {
		if s != "" {
			w.put(fieldDetail, s)
		}
		return
	}
	kept := clip(s, room-fieldHead-mark)
	w.cut += len(s) - len(kept)
	w.put(fieldDetail, kept+" [+"+strconv.Itoa(w.cut)+" bytes cut]")
}

// clip returns at most n bytes of s, and no half of a letter.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for i := n; i > n-utf8.UTFMax; i-- {
		if utf8.RuneStart(s[i]) {
			return s[:i]
		}
	}
	return s[:n] // not text
}

const doorPrefix = "door/"

func isDefaultName(name string, door access.DoorID) bool {
	if door == "" {
		return name == ""
	}
	return len(door) <= maxText && len(name) == len(doorPrefix)+len(door) &&
		name[:len(doorPrefix)] == doorPrefix && name[len(doorPrefix):] == string(door)
}

func defaultName(door access.DoorID) string {
	if door == "" {
		return ""
	}
	return doorPrefix + string(door)
}

// decodeEvent reads a payload. Unknown fields are skipped: a newer gatehouse may
// have appended some.
func decodeEvent(payload []byte) (access.Event, error) { return texts(nil).decode(payload) }

// texts keeps the texts of many events once each: most of them come again and
// again. nil keeps none.
type texts map[string]string

func (t texts) of(b []byte) string {
	if s, ok := t[string(b)]; ok { // takes no memory
		return s
	}
	s := string(b)
	const most = 10_000
	if t != nil && len(t) < most {
		t[s] = s
	}
	return s
}

// name is the default name of a door's source.
func (t texts) name(door access.DoorID) string {
	if t == nil || door == "" {
		return defaultName(door)
	}
	var b [len(doorPrefix) + maxText]byte
	return t.of(append(append(b[:0], doorPrefix...), door...))
}

func (t texts) decode(payload []byte) (access.Event, error) {
	var e access.Event
	named := false
	for len(payload) > 0 {
		field, wire, n := protowire.ConsumeTag(payload)
		if n < 0 {
			return access.Event{}, fmt.Errorf("%w: %w", errPayload, protowire.ParseError(n))
		}
		payload = payload[n:]
		n, err := t.field(&e, field, wire, payload)
		if err != nil {
			return access.Event{}, err
		}
		named = named || field == fieldName
		payload = payload[n:]
	}
	if !named {
		e.Source.Name = t.name(e.Door)
	}
	return e, nil
}

// field reads one field's value and returns its length.
func (t texts) field(e *access.Event, field protowire.Number, wire protowire.Type, b []byte) (n int, err error) {
	ok := false
	switch wire {
	case protowire.BytesType:
		var v []byte
		if v, n = protowire.ConsumeBytes(b); n >= 0 {
			ok = t.set(e, field, v)
		}
	case protowire.VarintType:
		var v uint64
		if v, n = protowire.ConsumeVarint(b); n >= 0 {
			ok = setNumber(e, field, v)
		}
	default:
		n = protowire.ConsumeFieldValue(field, wire, b)
		ok = field > fieldDetail
	}
	if n < 0 {
		return 0, fmt.Errorf("%w: field %d: %w", errPayload, field, protowire.ParseError(n))
	}
	if !ok {
		return 0, fmt.Errorf("%w: field %d has a wrong type or value", errPayload, field)
	}
	return n, nil
}

// set reports false for a field that is no text.
func (t texts) set(e *access.Event, field protowire.Number, v []byte) bool {
	switch field {
	case fieldDoor:
		e.Door = access.DoorID(t.of(v))
	case fieldReader:
		e.Reader = access.ReaderID(t.of(v))
	case fieldCardholder:
		e.Cardholder = access.CardholderID(t.of(v))
	case fieldCredential:
		e.Credential = access.CredentialID(t.of(v))
	case fieldFrom:
		e.From = access.AreaID(t.of(v))
	case fieldTo:
		e.To = access.AreaID(t.of(v))
	case fieldFile:
		e.Origin.File = t.of(v)
	case fieldName:
		e.Source.Name = t.of(v)
	case fieldHeld:
		e.Held = access.AreaID(t.of(v))
	case fieldOperator:
		e.Operator = access.OperatorID(t.of(v))
	case fieldDetail:
		e.Detail = t.of(v)
	default:
		return field > fieldDetail
	}
	return true
}

// setNumber reports false for a field that is no number and for a value out of
// its range.
func setNumber(e *access.Event, field protowire.Number, v uint64) bool {
	switch field {
	case fieldClock:
		e.Clock = access.ClockQuality(v)
		return v <= math.MaxUint8
	case fieldReason:
		e.Reason = access.Reason(v)
		return v <= math.MaxUint16
	case fieldMode:
		e.Mode = access.Mode(v)
		return v <= math.MaxUint8
	case fieldBoot:
		e.Source.Boot = v
	case fieldRun:
		e.Source.Run = v
	case fieldNumber:
		e.Source.Number = v
	case fieldCause:
		e.Cause = v
	case fieldRow:
		e.Origin.Row = v
	case fieldOrder:
		e.Origin.Order = v
	case fieldCount:
		e.Count = v
	default:
		return field > fieldDetail
	}
	return true
}

// toWall and fromWall carry a time in ns since 1970. What does not fit (before
// 1678, after 2261) is kept as no time.
func toWall(t time.Time) int64 {
	if t.IsZero() || t.Year() < 1678 || t.Year() > 2261 {
		return noTime
	}
	return t.UnixNano()
}

func fromWall(ns int64) time.Time {
	if ns == noTime {
		return time.Time{}
	}
	return time.Unix(0, ns).UTC()
}
