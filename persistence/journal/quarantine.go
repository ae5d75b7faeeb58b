package journal

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"gatehouse/access"
)

// Gap is a quarantined part of a segment: bytes that are damaged, and the events
// that they cost. The file itself is as it was found; its sidecar, NAME.gap, says
// what readers skip.
type Gap struct {
	Path         string
	From, To     int64  // bytes
	First, Count uint64 // events that can no longer be read; at the journal's end Count is the most that can be lost
}

// Event is the record that a gap leaves in the journal, without a time. Committing
// it again is a repeat.
func (g Gap) Event() access.Event {
	detail := fmt.Sprintf("%s: bytes %d to %d are damaged and set aside", filepath.Base(g.Path), g.From, g.To)
	if g.Count > 0 {
		detail += fmt.Sprintf("; events %d to %d are lost", g.First, g.First+g.Count-1)
	}
	return access.Event{
		Kind: access.KindGap, Count: g.Count, Detail: detail,
		Source: access.Source{Name: "journal/quarantine", Boot: g.First, Run: uint64(g.From), Number: 1},
	}
}

// Gaps lists everything that is quarantined, the oldest first.
func (j *Journal) Gaps() (list []Gap) {
	v := j.view()
	for _, s := range v.older {
		list = append(list, s.quarantined()...)
	}
	return list
}

// readSidecar reads a segment by its sidecar: header, quarantined spans, marks,
// index, footer.
func readSidecar(files files, path, building string, first uint64) (*segment, error) {
	f, err := files.Open(path+gapSuffix, false)
	if err != nil {
		return nil, fmt.Errorf("cannot open %s: %w", path+gapSuffix, err)
	}
	defer func() { _ = f.Close() }() // opened for reading
	h, err := readHeader(f, path+gapSuffix, building, first)
	if err != nil {
		return nil, err
	}
	s, ok, err := readSealed(f, path+gapSuffix, h)
	if err != nil {
		return nil, err
	}
	if ok {
		s.gaps, err = readSpans(f, headerLen, s.block.marksAt)
	}
	if !ok || isDamage(err) {
		return nil, &CorruptError{Path: path + gapSuffix, After: first - 1, Why: "the sidecar is damaged"}
	}
	if err != nil {
		return nil, readError(path+gapSuffix, err)
	}
	s.path = path
	if s.bytes, err = sizeOf(files, path); err != nil {
		return nil, err
	}
	return s, nil
}

// sizeOf is the length of a file, 0 if there is none.
func sizeOf(files files, path string) (int64, error) {
	f, err := files.Open(path, false)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("cannot open %s: %w; check the permissions", path, err)
	}
	defer func() { _ = f.Close() }() // opened for reading
	return f.Size()
}

// writeSidecar sets the damage of a segment aside for good and returns the segment
// as it is to be read from now on.
func writeSidecar(files files, s *segment, marks *seen) (*segment, error) {
	b := s.header.encode()
	b = appendBlock(b, headerLen, s.first, s.summary, s.gaps, marks, s.index)
	path := s.path + gapSuffix
	if err := replaceFile(files, path, b); err != nil {
		return nil, err
	}
	return readSidecar(files, s.path, s.building, s.first)
}

// salvage reads what can be read of a damaged segment. h is what its header says
// or should say; l is where it must end, nil for the newest segment; wrong says
// that it is not the file that was written.
func salvage(files files, path string, h header, l *link, marks *seen, wrong *CorruptError) (*scanner, error) {
	f, err := files.Open(path, false)
	if err != nil {
		return nil, fmt.Errorf("cannot open %s: %w", path, err)
	}
	defer func() { _ = f.Close() }() // opened for reading
	s, err := newScanner(f, path, l, marks)
	if err != nil {
		return nil, err
	}
	s.salvaging = true
	found, err := readHeader(f, path, h.building, h.first)
	damage, damaged := errors.AsType[*CorruptError](err)
	if wrong != nil {
		damage, damaged = wrong, true
	}
	switch {
	case damaged && damage.wrongFile:
		s.begin(h)
		damage.resume = s.bytes
		err = s.skip(damage)
	case damaged:
		s.begin(h)
		if err = s.skip(damage); err == nil {
			err = s.batches()
		}
	case err == nil:
		s.begin(found)
		err = s.run()
	}
	if err != nil {
		return nil, err
	}
	if s.torn > 0 {
		s.lose(span{from: s.end, to: s.bytes, first: s.last + 1})
	}
	if l != nil && l.known {
		s.chain = l.chain
	}
	return s, nil
}

// missing is a segment whose file is gone.
func missing(dir string, h header, last uint64, chain [sha256.Size]byte) *segment {
	s := &segment{header: h, path: segmentPath(dir, h.first)}
	s.summary = summary{last: last, firstWall: noTime, lastWall: noTime, chain: chain}
	s.gaps = []span{{first: h.first, count: last + 1 - h.first}}
	return s
}

// Quarantine sets aside what is damaged in the segment that a read complained of,
// so that reads skip it, and returns that segment's gaps. The file stays as it is.
// What could not be read and can be read now is left alone.
func (j *Journal) Quarantine(damage *CorruptError) ([]Gap, error) {
	if j.readOnly {
		return nil, fmt.Errorf("%s: %w", j.o.Dir, ErrReadOnly)
	}
	j.writing.Lock()
	defer j.writing.Unlock()
	j.keeping.Lock()
	defer j.keeping.Unlock()
	path := strings.TrimSuffix(damage.Path, gapSuffix)
	if path == j.shown.active.path && j.shown.active.count > 0 {
		j.stale = damage // it gets no footer
		if err := j.begin(); err != nil {
			return nil, j.fail(err)
		}
	}
	v := j.view()
	k := slices.IndexFunc(v.older, func(s *segment) bool { return s.path == path })
	if k < 0 {
		return nil, nil // dropped meanwhile
	}
	l := &loader{files: j.o.fs, dir: j.o.Dir, building: j.o.Building, mode: quarantine, older: slices.Clone(v.older)}
	if err := l.again(k, damage.passing); err != nil {
		return nil, err
	}
	j.replace(v.older[k], l.older[k])
	return l.older[k].quarantined(), nil
}

// again reads segment k, whose end is known, once more and sets aside what is
// damaged; passing: if anything is.
func (l *loader) again(k int, passing bool) error {
	old := l.older[k]
	size, err := sizeOf(l.files, old.path)
	if err != nil {
		return err
	}
	if size == 0 {
		return l.keep(missing(l.dir, old.header, old.last, old.chain), k)
	}
	s, err := l.salvage(old.path, old.header, &link{old.last, old.chain, true}, k, nil)
	if err != nil {
		return err
	}
	if passing && len(s.faults) == 0 {
		return nil
	}
	if len(s.gaps) == 0 { // in what stands behind the events
		s.lose(span{from: s.end, to: s.bytes, first: s.last + 1})
	}
	return l.keep(s.copyOf(), k)
}
