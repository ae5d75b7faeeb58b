package journal

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
)

// DefaultSegmentBytes is a compromise: an archive takes whole segments, and
// opening reads all of the newest one.
const DefaultSegmentBytes = 64 << 20

// Options say which journal to open.
type Options struct {
	Dir      string // the journal's own directory; made if it is missing
	Building string // id of the building, at most 64 bytes; not empty
	Boot     uint64 // id of this boot; kept in a new segment's header
	// SegmentBytes is the size from which on a segment is sealed; 0:
	// DefaultSegmentBytes.
	SegmentBytes int64
	// Epoch is raised by a restore: one greater than the newest segment's begins a
	// new segment, a lesser one changes nothing. 0: the journal's own.
	Epoch uint64
	// First is the sequence that a journal begins with which has no event yet: the
	// one after the last that the source of a restore may have given. 0: 1.
	First uint64
	// Quarantine sets damage aside (Gaps) and goes on in a new segment. Without it
	// damage is an error, and the directory is left as it is.
	Quarantine bool

	fs   files // nil: the disk
	life Life  // of a journal that is made; zero: at random
}

func (o *Options) complete() error {
	if o.fs == nil {
		o.fs = diskFiles{}
	}
	if o.Building == "" || len(o.Building) > maxBuilding {
		return fmt.Errorf("the building id %q must have 1 to %d bytes", o.Building, maxBuilding)
	}
	if o.SegmentBytes <= 0 {
		o.SegmentBytes = DefaultSegmentBytes
	}
	return nil
}

// Open opens the journal in o.Dir, or makes a new one there, and cuts off what a
// power cut left of an unacknowledged batch. All that it keeps is durable when it
// returns. It reads headers and footers of the older segments and all of the
// newest; damage elsewhere is found by reading, or by Verify. Errors: ErrCorrupt
// (without o.Quarantine), ErrBuilding, ErrVersion (the files are left
// byte-identical), or that of the file system.
func Open(o Options) (*Journal, error) {
	if err := o.complete(); err != nil {
		return nil, err
	}
	l := &loader{files: o.fs, dir: o.Dir, building: o.Building}
	if o.Quarantine {
		l.mode = quarantine
	}
	err := l.load()
	if errors.Is(err, fs.ErrNotExist) && len(l.names) == 0 {
		return create(o, l.bounds)
	}
	if err != nil {
		return nil, err
	}
	j := fromLoader(o, l)
	if j.seen, err = l.marksBefore(len(l.older)); l.tail != nil {
		j.seen, err = l.tail.seen, nil
	}
	if err == nil {
		err = j.settle(l)
	}
	if err != nil {
		if j.file != nil {
			_ = j.file.Close() // the first error says more
		}
		return nil, err
	}
	return j, nil
}

// OpenReadOnly opens a journal that exists and never changes it: a torn tail is
// left where it is and not read. Building "" fits every building. Errors as Open;
// a directory without a journal is fs.ErrNotExist.
func OpenReadOnly(dir, building string) (*Journal, error) {
	l := &loader{files: diskFiles{}, dir: dir, building: building}
	if err := l.load(); err != nil {
		return nil, err
	}
	j := fromLoader(Options{Dir: dir, Building: building, fs: l.files}, l)
	j.readOnly = true
	return j, nil
}

func fromLoader(o Options, l *loader) *Journal {
	j := &Journal{o: o, bounds: l.bounds}
	j.bounds.begin = max(j.bounds.begin, 1)
	j.shown.older = l.older
	if l.tail != nil {
		j.torn = l.tail.torn
		j.shown.active = l.tail.segment
		j.shown.active.bytes = l.tail.end
	}
	return j
}

// create makes the first segment of a journal. The bounds come first: without them
// one that does not begin with event 1 would lack its beginning.
func create(o Options, b bounds) (*Journal, error) {
	if err := o.fs.MkdirAll(o.Dir); err != nil {
		return nil, fmt.Errorf("cannot make the journal's directory: %w", err)
	}
	j := &Journal{o: o, bounds: b, seen: newSeen()}
	j.epoch, j.life = max(o.Epoch, b.epoch, firstEpoch), o.life.or()
	first := max(o.First, 1)
	if first > 1 {
		if err := (bounds{begin: first, reached: first - 1, epoch: j.epoch}).write(o.fs, o.Dir); err != nil {
			return nil, err
		}
	}
	j.bounds.begin = max(first, b.begin)
	j.shown.active = segment{header: header{first: j.bounds.begin}, summary: summary{last: j.bounds.begin - 1}}
	if err := j.begin(); err != nil {
		return nil, err
	}
	return j, nil
}

// settle brings the directory to where a journal can go on: the newest segment is
// durable or a new one is begun, older ones have their footers.
func (j *Journal) settle(l *loader) error {
	if err := l.sweep(); err != nil {
		return err
	}
	if l.lostBounds {
		if err := j.bounds.write(j.o.fs, j.o.Dir); err != nil {
			return err
		}
	}
	if l.tail == nil {
		last := l.older[len(l.older)-1]
		j.epoch, j.life = max(j.o.Epoch, last.epoch+1), last.life.or() // some numbers may have been given already
		j.shown.active = segment{header: header{first: last.last + 1, prev: last.chain}, summary: summary{last: last.last}}
		return j.begin()
	}
	f, err := j.o.fs.Open(l.tail.path, true)
	if err != nil {
		return fmt.Errorf("cannot open the journal: %w; check the permissions of the data directory", err)
	}
	j.file = f
	if err := j.makeDurable(l.tail); err != nil {
		return err
	}
	a := &j.shown.active
	j.epoch, j.life = max(j.o.Epoch, a.epoch), a.life.or()
	if a.version != formatVersion || a.epoch < j.epoch {
		return j.begin()
	}
	j.sealOlder()
	return nil
}

// makeDurable cuts the torn tail off and writes the last batch again before it
// syncs: what was read may stand in the page cache only, after a failed sync or a
// kill; so may the file's name, after a creation that failed at its last step.
func (j *Journal) makeDurable(s *scanner) error {
	if s.torn > 0 {
		if err := j.file.Truncate(s.end); err != nil {
			return fmt.Errorf("cannot cut the torn tail off %s: %w; check the disk", s.path, err)
		}
	}
	from := s.tail
	if from == s.end {
		from = 0 // no batch: the header
	}
	b := make([]byte, s.end-from)
	if _, err := j.file.ReadAt(b, from); err != nil {
		return readError(s.path, err)
	}
	if _, err := j.file.WriteAt(b, from); err != nil {
		return fmt.Errorf("cannot write %s: %w; check the disk and its free space", s.path, err)
	}
	if err := j.file.Sync(); err != nil {
		return fmt.Errorf("cannot sync %s: %w; check the disk", s.path, err)
	}
	return syncDir(j.o.fs, filepath.Join(j.o.Dir, boundsName))
}
