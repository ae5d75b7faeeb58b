package store

import (
	"errors"
	"fmt"
	"io"
	"time"

	"gatehouse/access"
)

// Report says what an import did.
type Report struct {
	Lines              int // without the header
	HoldersAdded       int
	HoldersChanged     int
	CredentialsAdded   int
	CredentialsChanged int
	CredentialsRemoved int // their card went to another credential
	Version            uint64
}

// Changed reports whether the import changed anything.
func (r Report) Changed() bool {
	return r.HoldersAdded+r.HoldersChanged+r.CredentialsAdded+r.CredentialsChanged+r.CredentialsRemoved > 0
}

// ImportOptions of an import.
type ImportOptions struct {
	Author Author
	// Progress is told from time to time how many lines were read ("lines"), then
	// how many rows of each table were settled; nil: nobody.
	Progress func(stage string, done int)
}

const progressLines = 10_000

// Import takes the people of a CSV file into the store, all or none. Its first
// line names the columns, in any order: id, name, valid_from, valid_until, levels
// (ids with semicolons between them), suspended, credential_id, card_facility,
// card_number, credential_valid_from, credential_valid_until,
// credential_suspended. A date is its first instant in the building's time zone.
//
// Who has several credentials has several lines; the columns of the cardholder are
// repeated or left empty. A line with nothing but an id and a credential gives it
// to somebody who is known, or makes somebody of that id without a level. Whoever
// the file does not name stays, and so do credentials that it does not name,
// unless it gives their card to another one: those are removed.
//
// Memory stays below some 50 MB whatever the size. Errors: *Mistakes, ErrBroken,
// ErrCorrupt, that of r or of the disk: nothing is changed; or that of the image,
// as with Take.
func (s *Store) Import(r io.Reader, o ImportOptions) (Report, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.mayChange(); err != nil {
		return Report{}, err
	}
	b := newBuild(s.o.Dir, o.Progress)
	defer b.discard()
	if err := s.read(b, r); err != nil {
		return Report{}, err
	}
	if _, err := b.old(s.view, ""); err != nil {
		return Report{}, s.damaged(err)
	}
	m := s.all.meta
	m.Version++
	m.People = m.Version
	b.report.Version = m.Version
	before := s.all.fingerprint()
	err := s.rebuild(b, m, "", func(m *meta, next *contents) ([]change, error) {
		return b.changed.describe(m, Change{
			Kind: access.KindPeopleChanged, Author: o.Author, Before: before, After: next.fingerprint(),
		})
	})
	if errors.Is(err, errUnchanged) {
		b.report.Version, err = s.all.meta.Version, nil
	}
	return b.report, err
}

// verdict is what stands against writing what was settled.
func (b *build) verdict() error {
	if err := b.mistakes.err(); err != nil {
		return err
	}
	if !b.always && !b.report.Changed() {
		return errUnchanged
	}
	return nil
}

// read brings the lines of a CSV file into b.
func (s *Store) read(b *build, r io.Reader) error {
	m, err := s.all.decode()
	if err != nil {
		return err
	}
	zone, err := time.LoadLocation(m.Rules.Location)
	if err != nil {
		return fmt.Errorf("the time zone of the rules: %w", err)
	}
	levels := map[access.LevelID]bool{}
	for _, l := range m.Rules.Levels {
		levels[l.ID] = true
	}
	c := newCSVReader(r, levels, zone, &b.mistakes)
	if ok, err := c.header(); err != nil || !ok {
		return errors.Join(err, b.mistakes.err())
	}
	for {
		ok, err := c.next()
		if err != nil {
			return fmt.Errorf("the import cannot be read: %w", err)
		}
		if !ok {
			b.tick("lines", b.report.Lines)
			return nil
		}
		if err := b.line(c); err != nil {
			return err
		}
	}
}

func (b *build) line(c *csvReader) error {
	if b.report.Lines++; b.report.Lines%progressLines == 0 {
		b.tick("lines", b.report.Lines)
	}
	p, ok := c.person()
	if !ok {
		return nil
	}
	line, id := c.at(columnID)
	err := b.holder(p.holder, placeAt(line, id, 0), p.blank)
	if err == nil && p.card {
		err = b.credential(p.credential, p.place)
	}
	return err
}

// Erase takes a cardholder with all credentials out of the store: out of the
// tables, the boot image and the values of the change log, and out of every page
// of the file. Ids and what happened stay. Copies of the file (backups, store.db.*
// beside it) are not touched. Errors: ErrUnknown, ErrBroken, ErrCorrupt, that of
// the disk: nothing is changed; or that of the image, as with Take.
func (s *Store) Erase(id access.CardholderID, by Author) (credentials int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.mayChange(); err != nil {
		return 0, err
	}
	b := newBuild(s.o.Dir, nil)
	b.always = true
	defer b.discard()
	erased, err := b.old(s.view, id)
	if err != nil {
		return 0, s.damaged(err)
	}
	if len(erased) == 0 {
		return 0, fmt.Errorf("%w: %q; nothing is changed", ErrUnknown, id)
	}
	m := s.all.meta
	m.Version++
	m.People = m.Version
	gone := draft{ids: erased[:min(len(erased), maxNamed)], count: len(erased)}
	before := s.all.fingerprint()
	return len(erased) - 1, s.rebuild(b, m, id, func(m *meta, next *contents) ([]change, error) {
		return gone.describe(m, Change{
			Kind: access.KindPersonErased, Author: by, Before: before, After: next.fingerprint(),
		})
	})
}
