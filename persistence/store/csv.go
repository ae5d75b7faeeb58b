package store

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"gatehouse/access"
)

// The columns of an import, in any order; only the id is needed.
const (
	columnID = iota
	columnName
	columnFrom
	columnUntil
	columnLevels
	columnSuspended
	columnCredential
	columnFacility
	columnNumber
	columnCredentialFrom
	columnCredentialUntil
	columnCredentialSuspended
	columnCount
)

var columnNames = [columnCount]string{
	"id", "name", "valid_from", "valid_until", "levels", "suspended",
	"credential_id", "card_facility", "card_number", "credential_valid_from", "credential_valid_until", "credential_suspended",
}

const (
	maxLine  = 1 << 20 // bytes of a record
	maxLines = 1<<31 - 1
	maxName  = 200 // characters, as in a site file
)

// person is a line of an import.
type person struct {
	holder     access.Cardholder
	blank      bool // nothing is said of the holder but the id
	credential access.Credential
	card       bool // there is a credential
	place      place
}

// csvReader reads people from CSV. A line with mistakes is noted and left out.
type csvReader struct {
	r        *csv.Reader
	limit    *lineLimit
	column   [columnCount]int // in the file; -1: not there
	levels   map[access.LevelID]bool
	zone     *time.Location
	mistakes *Mistakes

	record []string // of this line
	wrong  bool     // so is this line
	lines  int
}

var errLongLine = fmt.Errorf("a record is longer than %d bytes; is a quote not closed?", maxLine)

// lineLimit ends a record that has no end.
type lineLimit struct {
	r    io.Reader
	left int
}

func (l *lineLimit) Read(p []byte) (int, error) {
	if l.left <= 0 {
		return 0, errLongLine
	}
	n, err := l.r.Read(p[:min(len(p), l.left)])
	l.left -= n
	return n, err
}

func newCSVReader(r io.Reader, levels map[access.LevelID]bool, zone *time.Location, m *Mistakes) *csvReader {
	limit := &lineLimit{r, maxLine}
	c := &csvReader{r: csv.NewReader(limit), limit: limit, levels: levels, zone: zone, mistakes: m}
	c.r.ReuseRecord = true
	return c
}

// next reads a record; false at the end of what can be read.
func (c *csvReader) next() (bool, error) {
	c.limit.left = maxLine
	record, err := c.r.Read()
	c.record, c.wrong = record, false
	if errors.Is(err, io.EOF) {
		return false, nil
	}
	c.lines++
	fault, ok := errors.AsType[*csv.ParseError](err)
	switch {
	case errors.Is(err, errLongLine):
		line, _ := c.r.FieldPos(0)
		c.mistakes.add(line+1, 1, "%v", errLongLine)
		return false, nil
	case ok && errors.Is(err, csv.ErrFieldCount):
		c.mistakes.add(fault.StartLine, 1, "there are %d columns instead of %d: a comma in a text needs quotes round it", len(record), c.r.FieldsPerRecord)
		c.wrong = true
		return true, nil
	case ok:
		c.mistakes.add(fault.Line, fault.Column, "%v; nothing is read beyond it", fault.Err)
		return false, nil
	}
	return err == nil, err
}

// header reads the first line.
func (c *csvReader) header() (bool, error) {
	for i := range c.column {
		c.column[i] = -1
	}
	ok, err := c.next()
	if err != nil || !ok {
		if err == nil && len(c.mistakes.List) == 0 {
			c.mistakes.add(1, 1, "there is no header line; begin with: %s", strings.Join(columnNames[:], ","))
		}
		return false, err
	}
	for i, name := range c.record {
		_, at := c.r.FieldPos(i)
		name = strings.TrimSpace(strings.TrimPrefix(name, "\ufeff"))
		n := slices.Index(columnNames[:], name)
		switch {
		case n < 0:
			c.mistakes.add(1, at, "the column %.40q is unknown; the columns are %s, with commas between them", name, strings.Join(columnNames[:], ", "))
		case c.column[n] >= 0:
			c.mistakes.add(1, at, "the column %s stands twice", name)
		default:
			c.column[n] = i
		}
	}
	if c.column[columnID] < 0 && len(c.mistakes.List) == 0 {
		c.mistakes.add(1, 1, "the column id is missing")
	}
	return len(c.mistakes.List) == 0, nil
}

// text is a field of this line, "" if the column is not there.
func (c *csvReader) text(column int) string {
	if at := c.column[column]; at >= 0 && at < len(c.record) {
		return strings.TrimSpace(c.record[at])
	}
	return ""
}

// at is where a field of this line begins.
func (c *csvReader) at(column int) (line, pos int) {
	return c.r.FieldPos(max(c.column[column], 0))
}

func (c *csvReader) mistake(column int, format string, args ...any) {
	line, pos := c.at(column)
	c.mistakes.add(line, pos, columnNames[column]+": "+format, args...)
	c.wrong = true
}

// person reads this line.
func (c *csvReader) person() (p person, ok bool) {
	if c.wrong {
		return p, false
	}
	line, id := c.at(columnCredential)
	_, card := c.at(columnNumber)
	p.holder = c.holder()
	p.blank = c.blank(columnName, columnSuspended)
	if p.card = !c.blank(columnCredential, columnCredentialSuspended); p.card {
		p.credential = c.credential(p.holder.ID)
	}
	if line >= maxLines {
		c.mistake(columnID, "more than %d lines; import them in parts", maxLines)
	}
	p.place = placeAt(line, id, card)
	return p, !c.wrong
}

func (c *csvReader) blank(from, to int) bool {
	for column := from; column <= to; column++ {
		if c.text(column) != "" {
			return false
		}
	}
	return true
}

func (c *csvReader) holder() access.Cardholder {
	h := access.Cardholder{ID: access.CardholderID(c.id(columnID)), Name: c.name()}
	if h.Name == "" {
		h.Name = string(h.ID)
	}
	h.ValidFrom, h.ValidUntil = c.validity(columnFrom, columnUntil)
	h.Suspended = c.truth(columnSuspended)
	for level := range strings.SplitSeq(c.text(columnLevels), ";") {
		switch id := access.LevelID(strings.TrimSpace(level)); {
		case id == "":
		case !c.levels[id]:
			c.mistake(columnLevels, "there is no access level %.40q; levels are ids of the site file, with semicolons between them", id)
		default:
			h.Levels = append(h.Levels, id)
		}
	}
	return h
}

func (c *csvReader) credential(holder access.CardholderID) access.Credential {
	cred := access.Credential{ID: access.CredentialID(c.id(columnCredential)), Holder: holder}
	cred.Card.Facility = uint32(c.number(columnFacility, 0, 32))
	cred.Card.Number = c.number(columnNumber, 1, 64)
	cred.ValidFrom, cred.ValidUntil = c.validity(columnCredentialFrom, columnCredentialUntil)
	cred.Suspended = c.truth(columnCredentialSuspended)
	return cred
}

func (c *csvReader) id(column int) string {
	id := c.text(column)
	if id == "" || len(id) > maxID || !utf8.ValidString(id) || strings.ContainsFunc(id, unicode.IsControl) {
		c.mistake(column, "expected text of 1 to %d bytes, without control characters", maxID)
	}
	return id
}

func (c *csvReader) name() string {
	name := c.text(columnName)
	if !utf8.ValidString(name) || utf8.RuneCountInString(name) > maxName || strings.ContainsFunc(name, unicode.IsControl) {
		c.mistake(columnName, "expected at most %d characters of UTF-8 on one line, without control characters", maxName)
	}
	return name
}

func (c *csvReader) truth(column int) bool {
	switch c.text(column) {
	case "", "false", "no", "0":
		return false
	case "true", "yes", "1":
		return true
	}
	c.mistake(column, "expected true or false")
	return false
}

// number reads plain digits; nothing is 0.
func (c *csvReader) number(column int, low uint64, bits int) uint64 {
	text := c.text(column)
	if text == "" && low == 0 {
		return 0
	}
	n, err := strconv.ParseUint(text, 10, bits)
	if err != nil || n < low {
		c.mistake(column, "expected a whole number from %d to %d", low, uint64(1)<<(bits-1)-1+uint64(1)<<(bits-1))
	}
	return n
}

func (c *csvReader) validity(from, until int) (start, end time.Time) {
	start, end = c.moment(from), c.moment(until)
	if !start.IsZero() && !end.IsZero() && !start.Before(end) {
		c.mistake(until, "is not after %s; give a later one (it is the first instant that is not valid any more)", columnNames[from])
	}
	return start, end
}

// moment reads a date, which is its first instant in the building's time zone, or
// a time with its offset.
func (c *csvReader) moment(column int) time.Time {
	text := c.text(column)
	if text == "" {
		return time.Time{}
	}
	if t, err := time.ParseInLocation(time.DateOnly, text, c.zone); err == nil && !t.IsZero() {
		return t.UTC()
	}
	if t, err := time.Parse(time.RFC3339, text); err == nil && !t.IsZero() && validTimes("", t.UTC()) == nil {
		return t.UTC()
	}
	c.mistake(column, "expected a date such as 2026-01-31 or a time such as 2026-01-31T08:00:00+01:00")
	return time.Time{}
}
