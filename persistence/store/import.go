package store

import (
	"context"
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
// unless it gives their card to another one: those are removed. At most 1,000 lines
// may be of one cardholder.
//
// Memory stays below some 50 MB whatever the size. It ends soon after ctx does,
// unless it is about to be done. Errors: *Mistakes, ErrBroken, ErrCorrupt, those of
// ctx, of r or of the disk: nothing is changed; or that of the image, as with Take.
func (s *Store) Import(ctx context.Context, r io.Reader, o ImportOptions) (Report, error) {
	s.changing.Lock()
	defer s.changing.Unlock()
	now, err := s.now()
	if err != nil {
		return Report{}, err
	}
	b := newBuild(ctx, s.o.Dir, o.Progress)
	defer b.discard()
	if err := b.read(&now, r); err != nil {
		return Report{}, err
	}
	if _, err := b.old(s.view, ""); err != nil {
		return Report{}, s.damagedUnless(ctx, err)
	}
	b.report.Version = now.meta.Version + 1
	before := now.fingerprint()
	err = s.rebuild(b, "", func(m *meta, next *contents) ([]change, error) {
		return b.changed.describe(m, Change{
			Kind: access.KindPeopleChanged, Author: o.Author, Before: before, After: next.fingerprint(),
		})
	})
	if errors.Is(err, errUnchanged) {
		b.report.Version, err = now.meta.Version, s.owedImage()
	}
	return b.report, err
}

// now is what holds at the beginning of a change. Its rules and people hold until
// the end, since the caller has s.changing.
func (s *Store) now() (contents, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.all, s.mayChange()
}

// owedImage replaces the boot image if a change before could not: whoever tries that
// change again finds it made.
func (s *Store) owedImage() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.replaceImage()
}

// damagedUnless is what an error while people are read means: damage, unless the
// reading was broken off.
func (s *Store) damagedUnless(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return s.damaged(err)
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
func (b *build) read(now *contents, r io.Reader) error {
	m, err := now.decode()
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
		if err := b.ctx.Err(); err != nil {
			return err
		}
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
// beside it) are not touched. It ends soon after ctx does, unless it is about to be
// done. Errors: ErrUnknown, ErrBroken, ErrCorrupt, those of ctx or of the disk:
// nothing is changed; or that of the image, as with Take.
func (s *Store) Erase(ctx context.Context, id access.CardholderID, by Author) (credentials int, err error) {
	s.changing.Lock()
	defer s.changing.Unlock()
	now, err := s.now()
	if err != nil {
		return 0, err
	}
	b := newBuild(ctx, s.o.Dir, nil)
	b.always = true
	defer b.discard()
	erased, err := b.old(s.view, id)
	if err != nil {
		return 0, s.damagedUnless(ctx, err)
	}
	if len(erased) == 0 {
		if err := s.owedImage(); err != nil {
			return 0, err
		}
		return 0, fmt.Errorf("%w: %q; nothing is changed", ErrUnknown, id)
	}
	gone := draft{ids: erased[:min(len(erased), maxNamed)], count: len(erased)}
	before := now.fingerprint()
	return len(erased) - 1, s.rebuild(b, id, func(m *meta, next *contents) ([]change, error) {
		return gone.describe(m, Change{
			Kind: access.KindPersonErased, Author: by, Before: before, After: next.fingerprint(),
		})
	})
}
