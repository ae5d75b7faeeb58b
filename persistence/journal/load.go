package journal

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
)

// mode is what a loader does about damage.
type mode int

const (
	refuse     mode = iota // return it
	quarantine             // set it aside
	survey                 // collect it, and look at every byte
)

// loader finds out what a directory holds: the headers and footers of the older
// segments, and all of the newest one.
type loader struct {
	files    files
	dir      string
	building string // "" fits every building
	mode     mode
	bounds   bounds

	lostBounds bool // they were damaged

	names    []uint64        // first sequences, ascending
	sidecars map[uint64]bool // of these
	dropped  []uint64        // that a drop did not get to remove
	older    []*segment
	tail     *scanner // the newest segment; nil: closed by a sidecar, or none
	marks    *seen    // what tells repeats behind marked segments
	marked   int
	faults   []*CorruptError
}

// load reads the directory; without a segment it is fs.ErrNotExist.
func (l *loader) load() error {
	if err := l.list(); err != nil {
		return err
	}
	if len(l.names) == 0 && l.bounds.reached < max(l.bounds.begin, 1) {
		return fmt.Errorf("cannot open the journal: no segment in %s: %w", l.dir, fs.ErrNotExist)
	}
	for k := range l.names {
		if err := l.hole(l.names[k]); err != nil {
			return err
		}
		if err := l.segment(k); err != nil {
			return err
		}
	}
	return l.ending()
}

// list reads the names and the bounds.
func (l *loader) list() error {
	all, err := l.files.List(l.dir)
	if err != nil {
		return fmt.Errorf("cannot open the journal: %w", err)
	}
	l.sidecars = map[uint64]bool{}
	for _, name := range all {
		first, sidecar, ok := parseName(name)
		if ok {
			l.names = append(l.names, first)
			l.sidecars[first] = l.sidecars[first] || sidecar
		}
	}
	slices.Sort(l.names)
	l.names = slices.Compact(l.names)
	l.bounds, err = readBounds(l.files, l.dir)
	if damage, ok := errors.AsType[*CorruptError](err); ok && l.mode != refuse {
		l.faults, l.lostBounds, err = append(l.faults, damage), true, nil
		if len(l.names) > 0 {
			l.bounds.begin = l.names[0]
		}
	}
	for len(l.names) > 1 && l.names[1] <= l.bounds.begin {
		l.dropped, l.names = append(l.dropped, l.names[0]), l.names[1:]
	}
	return err
}

// last is the sequence that the segments so far end with.
func (l *loader) last() uint64 {
	if n := len(l.older); n > 0 {
		return l.older[n-1].last
	}
	return max(l.bounds.begin, 1) - 1
}

func (l *loader) prev() *segment {
	if n := len(l.older); n > 0 {
		return l.older[n-1]
	}
	return nil
}

// hole finds a segment missing before the one that begins with first.
func (l *loader) hole(first uint64) error {
	if l.last()+1 >= first {
		return nil
	}
	return l.gone(first-1, fmt.Sprintf("the segment with events %d to %d is missing", l.last()+1, first-1))
}

// gone puts a quarantined segment in the place of one that is missing.
func (l *loader) gone(last uint64, why string) error {
	path := segmentPath(l.dir, l.last()+1)
	if err := believable(path, last-l.last()); err != nil {
		return err
	}
	damage := &CorruptError{Path: path, After: l.last(), Why: why, gone: true}
	if l.mode == refuse {
		return damage
	}
	l.faults = append(l.faults, damage)
	s := missing(l.dir, l.header(l.last()+1), last, l.nextChain())
	return l.keep(s, len(l.older))
}

// header is what the header of the next segment must have said.
func (l *loader) header(first uint64) header {
	h := header{version: formatVersion, building: l.building, epoch: max(l.bounds.epoch, firstEpoch), first: first}
	if prev := l.prev(); prev != nil {
		h.building, h.epoch, h.life, h.prev = prev.building, prev.epoch, prev.life, prev.chain
	} else if len(l.names) > 0 {
		if next, err := l.peek(0); err == nil {
			h.building, h.epoch, h.life = next.building, next.epoch, next.life
		}
	}
	return h
}

// nextChain is the chain that the next file goes on with, if it says so.
func (l *loader) nextChain() (chain [sha256.Size]byte) {
	for k, first := range l.names {
		if first > l.last() {
			next, _ := l.peek(k)
			return next.prev
		}
	}
	if prev := l.prev(); prev != nil {
		return prev.chain
	}
	return chain
}

// peek reads the header of segment k, from its sidecar if it has one.
func (l *loader) peek(k int) (header, error) {
	path := segmentPath(l.dir, l.names[k])
	name := path
	if l.sidecars[l.names[k]] {
		name += gapSuffix
	}
	f, err := l.files.Open(name, false)
	if err != nil {
		return header{}, fmt.Errorf("cannot open %s: %w", name, err)
	}
	defer func() { _ = f.Close() }() // opened for reading
	return readHeader(f, name, l.building, l.names[k])
}

// link is where segment k must end; nil for the newest.
func (l *loader) link(k int) *link {
	if k+1 == len(l.names) {
		return nil
	}
	if next, err := l.peek(k + 1); err == nil {
		return next.after()
	}
	return &link{last: l.names[k+1] - 1}
}

// segment takes segment k in.
func (l *loader) segment(k int) error {
	err := l.read(k)
	damage, ok := errors.AsType[*CorruptError](err)
	if err == nil || !ok || l.mode == refuse {
		return err
	}
	if damage.gone {
		last := max(l.bounds.reached, l.last()+1)
		return l.gone(last, damage.Why)
	}
	at := len(l.older)
	s, err := l.salvage(segmentPath(l.dir, l.names[k]), l.header(l.names[k]), l.link(k), at, damage)
	if err != nil {
		return err
	}
	if k+1 == len(l.names) && s.last < l.bounds.reached {
		if err := believable(s.path, l.bounds.reached-s.last); err != nil {
			return err
		}
		s.lose(span{s.bytes, s.bytes, s.last + 1, l.bounds.reached - s.last})
	}
	if len(s.faults) == 0 { // in what stands behind the events
		s.faults = append(s.faults, damage)
		s.lose(span{from: s.end, to: s.bytes, first: s.last + 1})
	}
	l.faults = append(l.faults, s.faults...)
	return l.keep(s.copyOf(), at)
}

// read takes segment k in as it should be; anything else is an error.
func (l *loader) read(k int) error {
	path := segmentPath(l.dir, l.names[k])
	if l.sidecars[l.names[k]] {
		return l.readAside(path, l.names[k])
	}
	f, err := l.files.Open(path, false)
	if err != nil {
		return fmt.Errorf("cannot open the journal: %w; check the permissions of the data directory", err)
	}
	defer func() { _ = f.Close() }() // opened for reading
	h, err := readHeader(f, path, l.building, l.names[k])
	if err != nil {
		return err
	}
	if err := (&segment{header: h, path: path}).follows(l.prev()); err != nil {
		return err
	}
	s, sealed, err := readSealed(f, path, h)
	switch {
	case err != nil:
		return err
	case sealed:
		return l.readSealed(s, f, k)
	case k+1 == len(l.names):
		return l.readNewest(f, path, h)
	}
	return l.readUnsealed(f, path, h, k)
}

func (l *loader) readAside(path string, first uint64) error {
	s, err := readSidecar(l.files, path, l.building, first)
	if err == nil && l.mode == survey {
		err = l.look(s, nil)
	}
	if err == nil {
		l.older = append(l.older, s)
	}
	return err
}

func (l *loader) readSealed(s *segment, f file, k int) error {
	next := l.link(k)
	if next != nil && next.last < s.last {
		return &CorruptError{Path: s.path, Offset: s.end, After: next.last, Why: "the next segment begins before it ends"}
	}
	if l.mode == survey {
		if err := l.look(s, f); err != nil {
			return err
		}
	}
	l.older = append(l.older, s)
	if next == nil { // a footer is written once the next segment is there
		return &CorruptError{
			Path: s.path, Offset: s.end, After: s.last, gone: true,
			Why: "the segment that was begun after this one is missing",
		}
	}
	return nil
}

// readUnsealed reads a segment that was left after a failure, or whose footer was
// not yet on disk at a power cut.
func (l *loader) readUnsealed(f file, path string, h header, k int) error {
	marks, err := l.marksBefore(len(l.older))
	if err != nil {
		return err
	}
	s, err := newScanner(f, path, l.link(k), marks)
	if err != nil {
		return err
	}
	l.marks = nil // the scanner adds to them
	s.begin(h)
	if err := s.run(); err != nil {
		return err
	}
	l.older = append(l.older, s.copyOf())
	l.marks, l.marked = s.seen, len(l.older)
	return nil
}

func (l *loader) readNewest(f file, path string, h header) error {
	marks, err := l.marksBefore(len(l.older))
	if err != nil {
		return err
	}
	s, err := newScanner(f, path, nil, marks)
	if err != nil {
		return err
	}
	l.marks = nil
	s.begin(h)
	if err := s.run(); err != nil {
		return err
	}
	if s.last < l.bounds.reached {
		return s.corrupt(s.end, s.last, fmt.Sprintf("it ends here, but the journal was closed after event %d", l.bounds.reached))
	}
	l.tail = s
	return nil
}

// ending finds a journal whose newest segments vanished.
func (l *loader) ending() error {
	if l.tail != nil || l.last() >= l.bounds.reached {
		return nil
	}
	return l.gone(l.bounds.reached, fmt.Sprintf("the journal was closed after event %d, its newest segment is missing", l.bounds.reached))
}

// marksBefore is what tells repeats before segment k of those taken in.
func (l *loader) marksBefore(k int) (*seen, error) {
	if l.marks != nil && l.marked == k {
		return l.marks, nil
	}
	if k == 0 || l.mode == survey { // marks tell nothing of damage
		return newSeen(), nil
	}
	s := l.older[k-1]
	if s.block == nil {
		return l.rescan(k - 1)
	}
	marks, err := marksOf(l.files, s.block)
	damage, ok := errors.AsType[*CorruptError](err)
	if !ok || l.mode == refuse {
		return marks, err
	}
	l.faults = append(l.faults, damage)
	return l.rescan(k - 1)
}

// rescan reads a segment that was taken in once more, for its marks, and sets
// aside that it has none.
func (l *loader) rescan(k int) (*seen, error) {
	old := l.older[k]
	s, err := l.salvage(old.path, old.header, &link{old.last, old.chain, true}, k, nil)
	if err != nil {
		return nil, err
	}
	if old.block != nil {
		s.lose(span{from: old.block.marksAt, to: s.bytes, first: s.last + 1})
	}
	return s.seen, l.keep(s.copyOf(), k)
}

func (l *loader) salvage(path string, h header, to *link, k int, damage *CorruptError) (*scanner, error) {
	marks, err := l.marksBefore(k)
	if err != nil {
		return nil, err
	}
	if damage != nil && !damage.wrongFile {
		damage = nil
	}
	s, err := salvage(l.files, path, h, to, marks, damage)
	if err == nil {
		l.marks, l.marked = s.seen, k+1
	}
	return s, err
}

// keep takes a segment in that is quarantined, as number k.
func (l *loader) keep(s *segment, k int) error {
	if l.mode == quarantine {
		at := k // a missing segment adds no marks
		if l.marks != nil && l.marked == k+1 {
			at++
		}
		marks, err := l.marksBefore(at)
		if err != nil {
			return err
		}
		if s, err = writeSidecar(l.files, s, marks); err != nil {
			return err
		}
	}
	if k < len(l.older) {
		l.older[k] = s
	} else {
		l.older = append(l.older, s)
	}
	return nil
}

// Building says whose journal is in dir, by the first header that can be read:
// quick, and it says nothing of the rest. Errors: fs.ErrNotExist, ErrCorrupt,
// ErrVersion.
func Building(dir string) (string, error) {
	l := loader{files: diskFiles{}, dir: dir, mode: survey}
	if err := l.list(); err != nil {
		return "", err
	}
	err := fmt.Errorf("cannot open the journal: no segment in %s: %w", dir, fs.ErrNotExist)
	for k := range l.names {
		var h header
		if h, err = l.peek(k); err == nil {
			return h.building, nil
		}
	}
	return "", err
}

// sweep removes what a crash left: temporary files and segments that were dropped.
func (l *loader) sweep() error {
	all, err := l.files.List(l.dir)
	if err != nil {
		return err
	}
	for _, name := range all {
		first, _, ok := parseName(name)
		if strings.HasSuffix(name, tmpSuffix) || ok && slices.Contains(l.dropped, first) {
			if err := l.files.Remove(filepath.Join(l.dir, name)); err != nil {
				return fmt.Errorf("cannot remove what a crash left: %w", err)
			}
		}
	}
	return nil
}
