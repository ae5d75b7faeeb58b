package store

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"gatehouse/access"
)

// rebuildSuffix marks a store that a change makes in the place of the old one.
const rebuildSuffix = ".new"

// rebuild makes a change by writing the whole store anew and giving the new file
// the old one's name: so it becomes visible at once, needs little memory, and
// leaves nothing behind of what was taken out. finish describes the change once
// the tables are known; values of the person without, if any, go out of the log.
// Nothing is changed when it fails, unless the store is broken after.
//
// The caller holds s.changing. s.mu is held for the last step only, which is short,
// so that doors' modes are saved while a million people are written.
func (s *Store) rebuild(b *build, without access.CardholderID, finish func(*meta, *contents) ([]change, error)) (err error) {
	path := filepath.Join(s.o.Dir, FileName)
	last := lastStep{s: s}
	defer func() { err = errors.Join(err, last.end()) }()
	err = makeFile(path+rebuildSuffix, path, s.step, func(db *database) error {
		sums, tables, err := b.write(db)
		if err == nil {
			err = b.verdict()
		}
		if err == nil {
			err = s.copyLog(db, without)
		}
		if err == nil {
			err = db.guard(path, db.db.Sync) // so that the last step has little to sync
		}
		if err != nil {
			return err
		}
		last.begin()
		return s.finishRebuild(db, sums, tables, finish)
	})
	if err != nil && !(last.begun && s.replaced(path)) {
		return err
	}
	if err == nil {
		last.before, last.file, err = s.reopen(path)
	}
	if err != nil {
		return s.fail(err)
	}
	return s.replaceImage()
}

// lastStep is the part of a rebuild that nobody else changes anything in. What it
// replaced is closed after it, since that waits for a copy under way.
type lastStep struct {
	s      *Store
	begun  bool
	before *database
	file   *os.File
}

func (l *lastStep) begin() {
	l.s.mu.Lock()
	l.begun = true
}

func (l *lastStep) end() error {
	if l.begun {
		l.s.mu.Unlock()
	}
	if l.before == nil {
		return nil
	}
	if err := errors.Join(l.before.close(), l.file.Close()); err != nil {
		return fmt.Errorf("the change is made; the file before: %w", err)
	}
	return nil
}

// finishRebuild writes all but the people, as it is by now.
func (s *Store) finishRebuild(db *database, sums [tableCount]sums, tables [tableCount]tableMeta, finish func(*meta, *contents) ([]change, error)) error {
	if s.broken != nil {
		return s.broken
	}
	m := s.all.meta
	m.Revision++
	m.Version++
	m.People, m.Tables = m.Version, tables
	next := s.all.with(nil, m)
	next.sums = sums
	changes, err := finish(&m, &next)
	if err != nil {
		return err
	}
	next = next.with(changes, m)
	next.sums = sums
	_, err = db.write(append(changes, next.everything()...))
	return err
}

// copyLog writes the change log into a new store, without the values of a person.
func (s *Store) copyLog(db *database, without access.CardholderID) error {
	s.mu.Lock()
	log, err := s.log()
	s.mu.Unlock()
	if err != nil {
		return s.damaged(err)
	}
	return writeLog(db, log, without)
}

func writeLog(db *database, log []logged, without access.CardholderID) error {
	var list []change
	for _, l := range log {
		if without != "" {
			l = l.without(without)
		}
		entry, err := json.Marshal(l)
		if err != nil {
			return err
		}
		list = append(list, change{bucketLog, changeKey(l.Number), entry})
	}
	_, err := db.write(list)
	return err
}

// replaced reports whether the file at path is another than the open one.
func (s *Store) replaced(path string) bool {
	at, err := os.Stat(path)
	open, openErr := s.db.file.Stat()
	return errors.Join(err, openErr) != nil || !os.SameFile(at, open)
}

// reopen takes the file at path in the place of the open one, which it returns.
func (s *Store) reopen(path string) (before *database, file *os.File, err error) {
	i, err := inspect(path, &s.o)
	if err != nil {
		return nil, nil, err
	}
	db, opened, err := openBoth(path)
	if err != nil {
		return nil, nil, err
	}
	i.tables.find.r = opened
	s.reading.Lock()
	before, file = s.db, s.file
	s.db, s.file, s.view, s.people = db, opened, i.tables, i.people
	s.reading.Unlock()
	s.all, s.stale = *i.contents, true
	return before, file, nil
}
