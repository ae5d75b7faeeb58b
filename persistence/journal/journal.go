package journal

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io/fs"
	"path/filepath"
	"sync"

	"gatehouse/access"
)

const (
	segmentName = "0000000000000001.seg"
	// keepBuffer is how much of the write buffer stays after a large batch.
	keepBuffer = 1 << 20
)

// Options say which journal to open.
type Options struct {
	Dir      string // the journal's own directory; made if it is missing
	Building string // id of the building, at most 64 bytes; not empty
	Boot     uint64 // id of this boot; kept in a new segment's header
	fs       files  // nil: the disk
}

// Journal is an open journal. Commit is for one caller at a time (a second one
// waits); Read, Scan and Last are safe beside it and beside each other.
type Journal struct {
	path     string
	file     file
	readOnly bool
	torn     int64

	writing sync.Mutex // held through a commit; guards the next five
	seen    seen
	hash    hash.Hash
	buf     []byte
	marks   []int64
	broken  error

	mu    sync.RWMutex // guards what readers see: the acknowledged part
	state state
	cut   uint64
}

// Open opens the journal in o.Dir, or makes a new one there, and cuts off what a
// power cut left of an unacknowledged batch. All that it keeps is durable when it
// returns. Errors: ErrCorrupt, ErrBuilding, ErrVersion (the file is left
// byte-identical), or that of the file system.
func Open(o Options) (*Journal, error) {
	if o.fs == nil {
		o.fs = diskFiles{}
	}
	if o.Building == "" || len(o.Building) > maxBuilding {
		return nil, fmt.Errorf("the building id %q must have 1 to %d bytes", o.Building, maxBuilding)
	}
	path := filepath.Join(o.Dir, segmentName)
	f, err := o.fs.Open(path, true)
	if errors.Is(err, fs.ErrNotExist) {
		h := header{building: o.Building, epoch: firstEpoch, boot: o.Boot, first: 1}
		if err := createSegment(o.fs, o.Dir, h); err != nil {
			return nil, err
		}
		f, err = o.fs.Open(path, true)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot open the journal: %w; check the permissions of the data directory", err)
	}
	j, err := load(f, path, o.Building)
	if err == nil {
		err = j.makeDurable(o.fs)
	}
	if err != nil {
		_ = f.Close() // the first error says more
		return nil, err
	}
	return j, nil
}

// OpenReadOnly opens a journal that exists and never changes it: a torn tail is
// left where it is and not read. Building "" fits every building.
func OpenReadOnly(dir, building string) (*Journal, error) {
	path := filepath.Join(dir, segmentName)
	f, err := diskFiles{}.Open(path, false)
	if err != nil {
		return nil, fmt.Errorf("cannot open the journal: %w", err)
	}
	j, err := load(f, path, building)
	if err != nil {
		_ = f.Close() // opened for reading
		return nil, err
	}
	j.readOnly = true
	return j, nil
}

// Report is what Verify found.
type Report struct {
	Building string
	Epoch    uint64
	Last     uint64 // sequence of the last acknowledged event
	Bytes    int64  // acknowledged
	Torn     int64  // bytes of an unacknowledged batch that Open will cut off
}

// Verify checks every byte of the journal in dir and changes nothing. Errors as
// OpenReadOnly; a directory without a journal is fs.ErrNotExist.
func Verify(dir, building string) (Report, error) {
	j, err := OpenReadOnly(dir, building)
	if err != nil {
		return Report{}, err
	}
	s := &j.state
	return Report{Building: s.building, Epoch: s.epoch, Last: s.last, Bytes: s.end, Torn: j.torn}, j.Close()
}

// Building says whose journal is in dir, by its first bytes alone: quick, and it
// says nothing of the rest. Errors: fs.ErrNotExist, ErrCorrupt, ErrVersion.
func Building(dir string) (string, error) {
	path := filepath.Join(dir, segmentName)
	f, err := diskFiles{}.Open(path, false)
	if err != nil {
		return "", fmt.Errorf("cannot open the journal: %w", err)
	}
	defer func() { _ = f.Close() }() // opened for reading
	size, err := f.Size()
	if err != nil {
		return "", readError(path, err)
	}
	s := scanner{w: newWindow(f, size, headerLen), path: path}
	err = s.readHeader("")
	return s.building, err
}

func load(f file, path, building string) (*Journal, error) {
	s, err := scanSegment(f, path, building)
	if err != nil {
		return nil, err
	}
	j := &Journal{path: path, file: f, torn: s.torn, seen: s.seen, hash: sha256.New(), state: *s}
	j.state.seen = seen{} // has one owner: the writer
	return j, nil
}

// makeDurable cuts the torn tail off and writes the last batch again before it
// syncs: what was read may stand in the page cache only, after a failed sync or a
// kill; so may the file's name, after a creation that failed at its last step.
func (j *Journal) makeDurable(fs files) error {
	s := &j.state
	if j.torn > 0 {
		if err := j.file.Truncate(s.end); err != nil {
			return fmt.Errorf("cannot cut the torn tail off %s: %w; check the disk", j.path, err)
		}
	}
	if s.tail == s.end {
		s.tail = 0 // no batch: the header
	}
	b := make([]byte, s.end-s.tail)
	if _, err := j.file.ReadAt(b, s.tail); err != nil {
		return readError(j.path, err)
	}
	if _, err := j.file.WriteAt(b, s.tail); err != nil {
		return fmt.Errorf("cannot write %s: %w; check the disk and its free space", j.path, err)
	}
	if err := j.file.Sync(); err != nil {
		return fmt.Errorf("cannot sync %s: %w; check the disk", j.path, err)
	}
	if err := fs.SyncDir(filepath.Dir(j.path)); err != nil {
		return fmt.Errorf("cannot sync the journal's directory: %w; check the disk", err)
	}
	return nil
}

// Commit writes the events durably, in order, as one batch; when it returns nil
// all of them are on disk. It sets Seq of each event that it kept; a repeat is
// not written and its Seq is 0: its Source number is not greater than the last of
// Source{Name, Boot, Run}, or its Origin's Order is not greater than the last of
// (File, Kind). Number 0 and Order 0 are never repeats. On an error no event is
// kept and every Seq is 0. Errors: ErrBroken (sticky; open again), ErrBatch,
// ErrReadOnly.
func (j *Journal) Commit(events []access.Event) error {
	j.writing.Lock()
	defer j.writing.Unlock()
	for i := range events {
		events[i].Seq = 0
	}
	if err := j.writable(events); err != nil {
		return err
	}
	next, cut := j.encode(events)
	if len(j.buf) == 0 {
		return nil
	}
	if err := j.write(); err != nil {
		for i := range events {
			events[i].Seq = 0
		}
		j.broken = fmt.Errorf("%w after a failed write: %w; check the disk and its free space, then open %s again",
			ErrBroken, err, j.path)
		return j.broken
	}
	j.publish(next, cut)
	return nil
}

func (j *Journal) writable(events []access.Event) error {
	switch {
	case j.readOnly:
		return fmt.Errorf("%s: %w", j.path, ErrReadOnly)
	case j.broken != nil:
		return j.broken
	case len(events) > MaxBatch:
		return fmt.Errorf("%w: %d events, at most %d; commit them in parts", ErrBatch, len(events), MaxBatch)
	}
	for i := range events {
		if events[i].Kind == trailerKind {
			return fmt.Errorf("%w: event kind %d is reserved", ErrBatch, trailerKind)
		}
	}
	return nil
}

// encode puts the batch into buf, empty if there is nothing to keep, and the
// state that holds once it is durable into the result.
func (j *Journal) encode(events []access.Event) (next state, cut uint64) {
	next = j.state // only this goroutine changes it
	j.buf, j.marks = j.buf[:0], j.marks[:0]
	var wall int64
	for i := range events {
		e := &events[i]
		if j.seen.repeat(e) {
			continue
		}
		next.last++
		if (next.last-next.first)%indexEvery == 0 {
			j.marks = append(j.marks, next.end+int64(len(j.buf)))
		}
		var n int
		j.buf, n = appendEventFrame(j.buf, e, next.last)
		if n > 0 {
			cut++
		}
		e.Seq, wall = next.last, toWall(e.Time)
		j.seen.note(e, next.last)
	}
	if len(j.buf) == 0 {
		return next, 0
	}
	j.hash.Reset()
	j.hash.Write(next.chain[:])
	j.hash.Write(j.buf)
	j.hash.Sum(next.chain[:0])
	j.buf = appendTrailer(j.buf, next.last, wall, int(next.last-j.state.last), next.chain[:])
	next.tail, next.end = next.end, next.end+int64(len(j.buf))
	return next, cut
}

// write is the one write and the one sync of a batch.
func (j *Journal) write() error {
	if _, err := j.file.WriteAt(j.buf, j.state.end); err != nil {
		return err
	}
	return j.file.Sync()
}

// publish lets readers see the batch.
func (j *Journal) publish(next state, cut uint64) {
	j.mu.Lock()
	next.index = append(j.state.index, j.marks...)
	j.state = next
	j.cut += cut
	j.mu.Unlock()
	if cap(j.buf) > keepBuffer {
		j.buf = nil
	}
}

// Last is the sequence of the last acknowledged event, 0 if there is none.
func (j *Journal) Last() uint64 { return j.view().last }

// Torn is how many bytes of an unacknowledged batch were found at opening.
func (j *Journal) Torn() int64 { return j.torn }

// Cut is how many events since opening lost a part of their texts because they
// were too long (255 bytes for an id, 4 KiB for a whole event). Each is marked in
// its Detail.
func (j *Journal) Cut() uint64 {
	j.mu.RLock()
	defer j.mu.RUnlock()
	return j.cut
}

// Close closes the file, after a commit that is under way.
func (j *Journal) Close() error {
	j.writing.Lock()
	defer j.writing.Unlock()
	if j.broken == nil {
		j.broken = fmt.Errorf("%w: it was closed", ErrBroken)
	}
	return j.file.Close()
}

func (j *Journal) view() state {
	j.mu.RLock()
	defer j.mu.RUnlock()
	return j.state
}
