package store

import (
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	bolt "go.etcd.io/bbolt"
)

// CopyTo writes the store as it is now to a new file at path, at full speed, and
// syncs it: whatever takes long (compression, encryption, a slow line) is done
// with the copy, since a read transaction keeps pages from being used again and
// may make a change wait. now is kept for OldestRead. The copy is a store of its
// own. An existing file is an error.
func (s *Store) CopyTo(path string, now time.Time) (err error) {
	s.mu.Lock()
	db, broken := s.db, s.broken
	if broken == nil {
		s.readBegins(now)
	}
	s.mu.Unlock()
	if broken != nil {
		return broken
	}
	defer s.readEnds(now)
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("cannot copy the store: %w", err)
	}
	err = db.copyTo(f)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		_ = os.Remove(path)
		return fmt.Errorf("cannot copy the store: %w", err)
	}
	return nil
}

func (s *Store) readBegins(now time.Time) {
	s.readsMu.Lock()
	defer s.readsMu.Unlock()
	s.reads = append(s.reads, now)
}

func (s *Store) readEnds(begun time.Time) {
	s.readsMu.Lock()
	defer s.readsMu.Unlock()
	for i, t := range s.reads {
		if t.Equal(begun) {
			s.reads = append(s.reads[:i], s.reads[i+1:]...)
			return
		}
	}
}

// OldestRead is when the oldest read transaction that goes on began; false if
// there is none. It waits for no change: whoever watches over the building asks
// while the disk hangs, too.
func (s *Store) OldestRead() (begun time.Time, ok bool) {
	s.readsMu.Lock()
	defer s.readsMu.Unlock()
	for _, t := range s.reads {
		if !ok || t.Before(begun) {
			begun, ok = t, true
		}
	}
	return begun, ok
}

func (d *database) copyTo(w io.Writer) error {
	return d.guard(d.file.Name(), func() error {
		return d.db.View(func(tx *bolt.Tx) error {
			_, err := tx.WriteTo(w)
			return err
		})
	})
}
