package incident

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"gatehouse/access"
	"gatehouse/bench/incident/house"
	"gatehouse/persistence/journal"
)

// copyJournal gives a column a journal of its own to archive.
func (o *outside) copyJournal() (r reply, err error) {
	from, bytes, err := o.shared.events()
	if err != nil {
		return r, fmt.Errorf("events to archive: %w", err)
	}
	to, err := o.temp()
	if err != nil {
		return r, err
	}
	o.closes = append(o.closes, func() { _ = os.RemoveAll(to) })
	return reply{Text: to, Count: bytes}, copyFiles(from, to)
}

func copyFiles(from, to string) error {
	list, err := os.ReadDir(from)
	if err != nil {
		return err
	}
	for _, e := range list {
		if err := copyFile(filepath.Join(from, e.Name()), filepath.Join(to, e.Name())); err != nil {
			return err
		}
	}
	return nil
}

func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }() // opened for reading
	out, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	if _, err := io.Copy(out, in); err != nil {
		_ = out.Close() // the copy's error counts
		return err
	}
	return out.Close()
}

// events makes a journal of closed segments with what a building's days look like.
func (s *shared) events() (dir string, bytes uint64, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.journal != "" {
		return s.journal, s.bytes, nil
	}
	want, segment := int64(96<<20), int64(16<<20)
	if s.short {
		want, segment = 32<<20, 8<<20
	}
	dir = filepath.Join(s.dir, "journal")
	j, err := journal.Open(journal.Options{Dir: dir, Building: house.Name, Boot: 9, SegmentBytes: segment})
	if err != nil {
		return "", 0, err
	}
	var closed int64
	for n := uint64(0); closed < want && err == nil; {
		err = j.Commit(day(&n))
		closed = 0
		for _, seg := range j.Segments() {
			if seg.Sealed {
				closed += seg.Bytes
			}
		}
	}
	if closeErr := j.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return "", 0, err
	}
	s.journal, s.bytes = dir, uint64(closed)
	return dir, s.bytes, nil
}

// day is a batch of events: people go in and out by eight doors.
func day(n *uint64) []access.Event {
	batch := make([]access.Event, journal.MaxBatch)
	begin := time.Date(2026, 1, 5, 8, 0, 0, 0, time.UTC)
	for i := range batch {
		*n++
		k := *n * 2654435761 % (1 << 32) // spread, and the same in every run
		batch[i] = access.Event{
			Time: begin.Add(time.Duration(*n) * 317 * time.Millisecond), Clock: access.ClockSynchronised, Kind: access.KindGranted,
			Source: access.Source{Name: "door/" + string(house.DoorID(int(k%8))), Boot: 9, Run: 1, Number: *n},
			Door:   house.DoorID(int(k % 8)), Reader: "in", Cause: *n - 1,
			Cardholder: access.CardholderID("p-" + strconv.FormatUint(k%5000, 10)),
			Credential: access.CredentialID("c-" + strconv.FormatUint(k%6000, 10)),
		}
	}
	return batch
}
