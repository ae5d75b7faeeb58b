package store

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"gatehouse/access"
)

// rebuild makes a change by writing the whole store anew and giving the new file
// the old one's name: so it becomes visible at once, needs little memory, and
// leaves nothing behind of what was taken out. finish describes the change once
// the tables are known; values of the person without, if any, go out of the log.
// Nothing is changed when it fails, unless the store is broken after.
func (s *Store) rebuild(b *build, m meta, without access.CardholderID, finish func(*meta, *contents) ([]change, error)) error {
	log, err := s.log()
	if err != nil {
		return s.damaged(err)
	}
	path := filepath.Join(s.o.Dir, FileName)
	err = makeFile(path, s.step, func(db *database) error {
		next := s.all.with(nil, m)
		if next.sums, m.Tables, err = b.write(db); err != nil {
			return err
		}
		if err := b.verdict(); err != nil {
			return err
		}
		m.Revision++
		changes, err := finish(&m, &next)
		if err != nil {
			return err
		}
		sums := next.sums
		next = next.with(changes, m)
		next.sums = sums
		if err := writeLog(db, log, without); err != nil {
			return err
		}
		_, err = db.write(append(changes, next.everything()...))
		return err
	})
	if err != nil && !s.replaced(path) {
		return err
	}
	if err == nil {
		err = s.reopen(path)
	}
	if err != nil {
		return s.fail(err)
	}
	return s.replaceImage()
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

// reopen takes the file at path in the place of the open one.
func (s *Store) reopen(path string) error {
	i, err := inspect(path, &s.o)
	if err != nil {
		return err
	}
	db, err := openDatabase(path)
	if err != nil {
		return err
	}
	i.tables.find.r = db.file
	s.reading.Lock()
	old := s.db
	s.db, s.view, s.people = db, i.tables, i.people
	s.reading.Unlock()
	s.all, s.stale = *i.contents, true
	if err := old.close(); err != nil {
		return fmt.Errorf("the file before: %w", err)
	}
	return nil
}
