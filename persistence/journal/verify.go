package journal

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"gatehouse/access"
)

// Report is what Verify found.
type Report struct {
	Building string
	Epoch    uint64
	Life     Life
	Last     uint64 // sequence of the last acknowledged event
	Bytes    int64  // of all segments
	Torn     int64  // bytes of an unacknowledged batch that Open will cut off
	Segments []Segment
	Gaps     []Gap           // quarantined; no fault any more
	Faults   []*CorruptError // every one, the oldest first
}

// Verify checks every byte of the journal in dir and the chain through all
// segments, and changes nothing. With damage the report is complete all the same,
// and the error is all of its faults. Other errors as OpenReadOnly; a directory
// without a journal is fs.ErrNotExist. Beside a daemon that begins or drops segments
// meanwhile it looks again, so what that looked like is no fault.
func Verify(dir, building string) (Report, error) {
	return verify(diskFiles{}, dir, building)
}

// maxLooks is how often a journal may change while it is verified: to begin or to
// drop a segment takes a daemon much longer than to list a directory.
const maxLooks = 10

func verify(files files, dir, building string) (Report, error) {
	for look := 1; ; look++ {
		before, _ := layout(files, dir) // the look itself says what is wrong
		r, err := verifyOnce(files, dir, building)
		if err == nil || look == maxLooks {
			return r, err
		}
		if after, _ := layout(files, dir); after == before {
			return r, err
		}
	}
}

// layout tells whether segments came, went, were sealed or set aside: their names,
// and the length of all but the newest, which grows.
func layout(files files, dir string) (all string, err error) {
	names, err := files.List(dir)
	names = slices.DeleteFunc(names, func(name string) bool { _, _, ok := parseName(name); return !ok })
	slices.Sort(names)
	for i, name := range names {
		size := int64(0)
		if i+1 < len(names) {
			if size, err = sizeOf(files, filepath.Join(dir, name)); err != nil {
				return "", err
			}
		}
		all += fmt.Sprintf("%s %d\n", name, size)
	}
	return all, err
}

func verifyOnce(files files, dir, building string) (Report, error) {
	l := &loader{files: files, dir: dir, building: building, mode: survey}
	if err := l.load(); err != nil {
		return Report{}, err
	}
	j := fromLoader(Options{Dir: dir, fs: files}, l)
	r := Report{Last: j.Last(), Torn: j.torn, Faults: l.faults, Segments: j.Segments()}
	for _, s := range l.older {
		r.Building, r.Epoch, r.Life = s.building, s.epoch, s.life
		if s.block != nil && s.block.path != s.path {
			r.Gaps = append(r.Gaps, s.quarantined()...)
		}
	}
	if l.tail != nil {
		r.Building, r.Epoch, r.Life = l.tail.building, l.tail.epoch, l.tail.life
	}
	var errs []error
	for _, f := range l.faults {
		errs = append(errs, f)
	}
	for _, s := range r.Segments {
		r.Bytes += s.Bytes
	}
	return r, errors.Join(errs...)
}

// look checks all of a segment that was taken in by its footer, or its sidecar.
func (l *loader) look(s *segment, f file) error {
	if s.block.path != s.path {
		return s.walk(l.files, 0, func(access.Event) error { return nil })
	}
	check, err := newScanner(f, s.path, &link{s.last, s.chain, true}, newSeen())
	if err != nil {
		return err
	}
	check.begin(s.header)
	if err := check.run(); err != nil {
		return err
	}
	if check.summary != s.summary {
		return check.corrupt(check.end, s.last, "the footer does not say what the segment holds")
	}
	return checkBlock(check, s.block, f)
}

// checkBlock compares a segment's sparse index with what was scanned, and reads
// its marks.
func checkBlock(c *scanner, b *block, f file) error {
	slot := 0
	err := readBlock(f, c.end, b.marksAt, gapsKind, func([]byte) error { return errBad })
	if err == nil {
		err = readBlock(f, b.marksAt, b.indexAt, marksKind, newSeen().take)
	}
	if err == nil {
		err = readBlock(f, b.indexAt, b.size-footerLen, indexKind, func(p []byte) error {
			for ; len(p) >= entryLen && slot < len(c.index); p, slot = p[entryLen:], slot+1 {
				e := entry{int64(le.Uint64(p)), int64(le.Uint64(p[8:]))}
				if e != c.index[slot] {
					return errBad
				}
			}
			if len(p) > 0 {
				return errBad
			}
			return nil
		})
	}
	if err == nil && slot < len(c.index) {
		err = errBad
	}
	if isDamage(err) {
		return c.corrupt(c.end, c.last, fmt.Sprintf("the footer's marks or index: %v", err))
	}
	if err != nil {
		return readError(c.path, err)
	}
	return nil
}

// quarantined lists the segment's gaps.
func (s *segment) quarantined() (list []Gap) {
	for _, g := range s.gaps {
		list = append(list, Gap{s.path, g.from, g.to, g.first, g.count})
	}
	return list
}
