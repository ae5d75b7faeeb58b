package replay

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"gatehouse/access"
	"gatehouse/devices"
)

// Vast2009 is the badge traffic of the IEEE VAST Challenge 2009: a header and
// rows of local time to the minute, employee number and type, grouped by
// employee. examples/embassy/site.yaml is the building.
const Vast2009 = "vast2009"

const (
	vastHeader = "Datetime,ID,Type"
	vastTime   = "2006-01-02T15:04"
	// vastFacility and number = employee + 1 are the cards of the employees: the
	// recording has no card numbers, and 0 is none.
	vastFacility = 9

	maxLine = 1024       // bytes
	maxRows = 10_000_000 // a wrong path must not fill the memory
)

// vastReaders says where rows of each type are played.
var vastReaders = []struct {
	kind   string
	door   access.DoorID
	reader access.ReaderID
}{
	{"prox-in-building", "entrance", "in"},
	{"prox-in-classified", "classified", "in"},
	{"prox-out-classified", "classified", "out"},
}

// What no_entry is about: who was let through the first without having been let
// through the second on that day.
var (
	vastClassified = point{"classified", "in"}
	vastEntrance   = point{"entrance", "in"}
)

// Mistakes are the rows of a recording that cannot be played, in their order.
type Mistakes struct {
	List []string // file:line: what is wrong and what to do about it
	More int      // beyond maxMistakes
}

const maxMistakes = 20

// Error gives one line per mistake.
func (m *Mistakes) Error() string {
	text := strings.Join(m.List, "\n")
	if m.More > 0 {
		text += fmt.Sprintf("\nand %d more: correct these first", m.More)
	}
	return text
}

// parser reads a recording line by line and gathers rows and mistakes.
type parser struct {
	file     string // what messages call it
	zone     *time.Location
	places   map[string]*place // by type of row
	line     int
	rows     []row
	mistakes Mistakes
}

// parse reads the rows of a recording, in its own order. The error is a *Mistakes
// or that of reading.
func parse(file string, r io.Reader, zone *time.Location, places map[string]*place) ([]row, error) {
	p := &parser{file: file, zone: zone, places: places}
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 0, maxLine), maxLine)
	for lines.Scan() && len(p.rows) <= maxRows {
		p.line++
		p.read(lines.Text())
	}
	p.line++
	switch err := lines.Err(); {
	case errors.Is(err, bufio.ErrTooLong):
		p.mistake("the line is longer than %d bytes, reading ends here: give a recording in the format %s", maxLine, Vast2009)
	case err != nil:
		return nil, fmt.Errorf("%s: cannot be read: %w", file, err)
	case len(p.rows) > maxRows:
		p.mistake("more than %d rows: split the recording", maxRows)
	case len(p.rows) == 0 && len(p.mistakes.List) == 0:
		p.mistake("no rows: the file must begin with the line %s and have at least one row", vastHeader)
	}
	if len(p.mistakes.List) > 0 {
		return nil, &p.mistakes
	}
	return p.rows, nil
}

func (p *parser) mistake(format string, args ...any) {
	if len(p.mistakes.List) == maxMistakes {
		p.mistakes.More++
		return
	}
	p.mistakes.List = append(p.mistakes.List, fmt.Sprintf("%s:%d: ", p.file, p.line)+fmt.Sprintf(format, args...))
}

func (p *parser) read(line string) {
	if p.line == 1 {
		if line != vastHeader {
			p.mistake("the header is %.80q: it must be %s", line, vastHeader)
		}
		return
	}
	fields := strings.Split(line, ",")
	if len(fields) != 3 {
		p.mistake("%d fields instead of 3 (%s): correct or remove the row", len(fields), vastHeader)
		return
	}
	before := len(p.mistakes.List) + p.mistakes.More
	at, employee, to := p.time(fields[0]), p.employee(fields[1]), p.place(fields[2])
	if len(p.mistakes.List)+p.mistakes.More > before {
		return
	}
	bits, raw, err := to.format.Encode(access.Card{Facility: vastFacility, Number: employee + 1})
	if err != nil {
		p.mistake("employee %d: facility %d and number %d are no card for reader %s of door %s: %v",
			employee, vastFacility, employee+1, to.point.reader, to.point.door, err)
		return
	}
	p.rows = append(p.rows, row{line: uint64(p.line), at: at, place: to, read: devices.CardRead{Bits: bits, Raw: raw}})
}

// time is strict: it must read the same when written again. That also refuses an
// hour that daylight saving skips. Of one that it repeats Go takes one.
func (p *parser) time(text string) time.Time {
	at, err := time.ParseInLocation(vastTime, text, p.zone)
	switch {
	case err != nil:
		p.mistake("the time is %q: write it as in 2008-01-31T08:45", text)
	case at.Format(vastTime) != text:
		p.mistake("the time %q does not exist as it is written in %s: correct it, or the building's time_zone", text, p.zone)
	}
	return at
}

func (p *parser) employee(text string) uint64 {
	n, err := strconv.ParseUint(text, 10, 32)
	if err != nil || strconv.FormatUint(n, 10) != text {
		p.mistake("the employee is %q: it must be a number from 0, without leading zeros", text)
	}
	return n
}

func (p *parser) place(kind string) *place {
	to := p.places[kind]
	if to == nil {
		p.mistake("the type is %q: it must be one of %s", kind, vastKinds())
	}
	return to
}

func vastKinds() string {
	kinds := make([]string, len(vastReaders))
	for i, r := range vastReaders {
		kinds[i] = r.kind
	}
	return strings.Join(kinds, ", ")
}
