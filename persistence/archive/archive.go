package archive

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"

	"gatehouse/persistence"
)

const tempSuffix = ".tmp"

// Options of an archive that is written to.
type Options struct {
	Dir      string // made if it is missing; its parent has to exist
	Building string // 1 to 64 bytes
	Epoch    uint64 // of the journal, from 1
	// Life tells this journal from others with the same building and epoch, at most
	// 64 bytes; "": it is not known. What is archived of another is refused.
	Life    string
	Sealing Sealing
}

// Segment is a sealed segment of the journal, which no one changes any more.
type Segment struct {
	Path        string // .../0000000000000001.seg, the first sequence in 16 digits
	First, Last uint64 // sequences of its first and last event
	// AfterGap: the events between the last archived one and First exist no more.
	AfterGap bool
	// Damaged: the journal has set damage of it aside. What the disk cannot read of it
	// is archived as bytes 0xFF, which nobody takes for events.
	Damaged bool
	// Root and Prev are the journal's chain at its end and before it, 64 hex digits:
	// whatever else agrees, another segment has another root. "": not known.
	Root, Prev string
}

// Archive is open for writing. One goroutine at a time uses it; Taken is for all.
type Archive struct {
	opts   Options
	head   Header
	taken  atomic.Uint64
	root   string // of the last segment that is archived; "": not known
	broken error
	unlock func() error
}

// Open makes the directory this process's own and reads its manifest. What a crash
// left half-done is removed. Errors: persistence.ErrLocked, ErrForeign, ErrDamaged,
// ErrVersion, ErrKey.
func Open(o Options) (_ *Archive, err error) {
	if len(o.Sealing.Recipients) == 0 {
		return nil, fmt.Errorf("%w: there is no recipient to seal to; configure the public key of gatehouse archive keygen", ErrKey)
	}
	if o.Building == "" || len(o.Building) > maxBuilding || len(o.Life) > maxLife || o.Epoch == 0 {
		return nil, fmt.Errorf("%w: building %q, epoch %d; give the building's id and the journal's epoch", ErrForeign, o.Building, o.Epoch)
	}
	if err := o.Sealing.disk.makeDir(o.Dir); err != nil {
		return nil, diskError("make", o.Dir, err)
	}
	a := &Archive{opts: o}
	if a.unlock, err = persistence.Lock(o.Dir); err != nil {
		return nil, fmt.Errorf("archive: %w", err)
	}
	if err := a.load(); err != nil {
		return nil, errors.Join(err, a.unlock())
	}
	return a, nil
}

func (d disk) makeDir(dir string) error {
	err := os.Mkdir(dir, 0o700)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return d.syncDir(filepath.Dir(dir))
}

func (a *Archive) load() error {
	o := &a.opts
	h, err := List(o.Dir, func(e Entry) error { a.take(e); return nil })
	if errors.Is(err, fs.ErrNotExist) {
		return a.begin()
	}
	if err != nil {
		return err
	}
	if h.Building != o.Building || h.Epoch != o.Epoch {
		return fmt.Errorf("%w: %s is the archive of building %q, epoch %d, this is %q, epoch %d; name another directory",
			ErrForeign, o.Dir, h.Building, h.Epoch, o.Building, o.Epoch)
	}
	if h.Life != "" && o.Life != "" && h.Life != o.Life {
		return fmt.Errorf("%w: %s is the archive of another journal of building %q, epoch %d (life %s, this one's is %s): a backup was restored twice, or the directory is another box's; name another directory",
			ErrForeign, o.Dir, h.Building, h.Epoch, h.Life, o.Life)
	}
	a.head = h
	return a.tidy()
}

func (a *Archive) take(e Entry) {
	a.taken.Store(e.Last)
	a.root = e.Root
}

// begin makes the manifest of a new archive. Archives without one are not taken
// for none: their manifest is lost.
func (a *Archive) begin() error {
	files, err := sealedFiles(a.opts.Dir)
	if err != nil {
		return err
	}
	if len(files) > 0 {
		return fmt.Errorf("%w: %s holds %d archives and no %s; put its copy back or name an empty directory",
			ErrDamaged, a.opts.Dir, len(files), manifestName)
	}
	a.head = Header{Building: a.opts.Building, Epoch: a.opts.Epoch}
	if err := a.write(); err != nil {
		return diskError("begin the archive in", a.opts.Dir, err)
	}
	return nil
}

// write replaces the manifest; an older one becomes one of this format.
func (a *Archive) write(added ...Entry) error {
	head := a.head
	head.Format, head.Segments = format, head.Segments+len(added)
	if head.Life == "" {
		head.Life = a.opts.Life
	}
	if err := a.opts.Sealing.disk.writeManifest(a.opts.Dir, head, added...); err != nil {
		return err
	}
	a.head = head
	return nil
}

// tidy removes what a crash left half-written.
func (a *Archive) tidy() error {
	names, err := namesIn(a.opts.Dir, suffix+tempSuffix)
	if err != nil {
		return err
	}
	for _, name := range append(names, manifestName+tempSuffix) {
		if err := a.opts.Sealing.disk.remove(filepath.Join(a.opts.Dir, name)); err != nil {
			return diskError("tidy", a.opts.Dir, err)
		}
	}
	return nil
}

func sealedFiles(dir string) ([]string, error) { return namesIn(dir, suffix) }

// namesIn lists the names in dir that end so, sorted.
func namesIn(dir, end string) (names []string, err error) {
	all, err := os.ReadDir(dir)
	if err != nil {
		return nil, diskError("read", dir, err)
	}
	for _, entry := range all {
		if strings.HasSuffix(entry.Name(), end) {
			names = append(names, entry.Name())
		}
	}
	return names, nil
}

// Taken is the sequence of the last event that is archived, verified and durable,
// 0 if there is none. All events before it are archived as well, apart from those
// that a Segment.AfterGap said exist no more.
func (a *Archive) Taken() uint64 { return a.taken.Load() }

// Add archives a segment, the oldest one first; it blocks until that is done or
// ctx ends. A segment that is archived already is nil at once (Holds). Memory does
// not depend on the segment's length. After an error the same segment is begun again.
// Errors: ErrForeign, ErrSegment (not the next one, not whole; nothing was changed),
// ErrUnreadable (set its damage aside and offer it again), ErrBroken
// (open again), those of ctx, Pace and the disk.
func (a *Archive) Add(ctx context.Context, s Segment) error {
	if a.broken != nil {
		return a.broken
	}
	if s.First > 0 && s.First <= s.Last && s.Last <= a.Taken() {
		return a.Holds([]Segment{s})
	}
	if err := a.fits(s); err != nil {
		return err
	}
	e, err := a.seal(ctx, s)
	if err != nil {
		return err
	}
	if err := a.write(e); err != nil {
		a.broken = fmt.Errorf("%w: its manifest could not be written: %w; check the disk and its free space, then open %s again", ErrBroken, err, a.opts.Dir)
		return a.broken
	}
	a.take(e)
	return nil
}

// Holds says whether each of these segments is archived: the manifest has that very
// one, by its root, and its file is there and has its length. Whoever removes a
// segment because it is archived asks first. It reads the manifest, and, of what was
// archived before roots were known, the segments. Errors: ErrForeign, ErrDamaged.
func (a *Archive) Holds(segments []Segment) error {
	missing := map[uint64]Segment{}
	for _, s := range segments {
		missing[s.First] = s
	}
	_, err := List(a.opts.Dir, func(e Entry) error {
		s, ok := missing[e.First]
		if !ok {
			return nil
		}
		delete(missing, e.First)
		if err := a.same(e, s); err != nil {
			return err
		}
		return present(filepath.Join(a.opts.Dir, e.File()), e.SealedBytes)
	})
	if err != nil {
		return err
	}
	for _, s := range missing {
		return a.foreign(s)
	}
	return nil
}

func (a *Archive) same(e Entry, s Segment) error {
	equal := e.Last == s.Last && e.Root == s.Root
	if e.Last == s.Last && (e.Root == "" || s.Root == "") {
		of := newMeter(io.Discard)
		if err := copySegment(of, s); err != nil {
			return err
		}
		equal = of.digest() == e.sums().plain
	}
	if !equal {
		return a.foreign(s)
	}
	return nil
}

func (a *Archive) foreign(s Segment) error {
	return fmt.Errorf("%w: %s holds other events than %s under the same numbers: a backup was restored twice, or the directory is another box's; name another directory",
		ErrForeign, a.opts.Dir, s.Path)
}

// present looks at a file without reading it.
func present(path string, size int64) error {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return damaged(path, "it is missing")
	case err != nil:
		return diskError("look at", path, err)
	case info.Size() != size:
		return damaged(path, fmt.Sprintf("it has %d bytes and should have %d", info.Size(), size))
	}
	return nil
}

func (a *Archive) fits(s Segment) error {
	taken := a.Taken()
	switch {
	case s.First == 0 || s.Last < s.First:
		return fmt.Errorf("%w: %s: the sequences %d to %d are none", ErrSegment, s.Path, s.First, s.Last)
	case filepath.Base(s.Path) != segmentName(s.First):
		return fmt.Errorf("%w: %s cannot begin with event %d; its name is to be %s", ErrSegment, s.Path, s.First, segmentName(s.First))
	case taken > 0 && s.First == taken+1 && a.root != "" && s.Prev != "" && s.Prev != a.root:
		return a.foreign(s)
	case s.First <= taken:
		return fmt.Errorf("%w: %s: events up to %d are archived already; another journal's segments need another directory", ErrSegment, s.Path, taken)
	case taken > 0 && s.First > taken+1 && !s.AfterGap:
		return fmt.Errorf("%w: %s: the events %d to %d come first; say that they are gone if they are", ErrSegment, s.Path, taken+1, s.First-1)
	case a.head.Segments >= MaxSegments:
		return fmt.Errorf("%w: %s has %d segments, which is all it can have; name another directory", ErrSegment, a.opts.Dir, MaxSegments)
	}
	return nil
}

func (a *Archive) seal(ctx context.Context, s Segment) (Entry, error) {
	path := filepath.Join(a.opts.Dir, filepath.Base(s.Path)+suffix)
	done, err := a.opts.Sealing.write(ctx, path+tempSuffix, func(to io.Writer) error { return copySegment(to, s) })
	if err != nil {
		return Entry{}, err
	}
	if err := a.opts.Sealing.disk.publish(path+tempSuffix, path); err != nil {
		return Entry{}, diskError("name", path, err)
	}
	return Entry{
		Name: filepath.Base(s.Path), First: s.First, Last: s.Last, AfterGap: a.Taken() > 0 && s.First > a.Taken()+1, Root: s.Root,
		Bytes: done.plain.Bytes, SHA256: done.plain.SHA256, SealedBytes: done.sealed.Bytes, SealedSHA256: done.sealed.SHA256,
	}, nil
}

// copySegment writes a whole segment to to and leaves none of its pages behind in
// the kernel's memory.
func copySegment(to io.Writer, s Segment) error {
	path := s.Path
	f, size, err := openForReading(path)
	if err != nil {
		return diskError("open", path, err)
	}
	defer func() { _ = f.Close() }() // opened for reading
	if size > MaxSegmentBytes {
		return fmt.Errorf("%w: %s has %d bytes, at most %d are possible", ErrSegment, path, size, int64(MaxSegmentBytes))
	}
	if s.Damaged {
		return copyAround(to, f, size)
	}
	err = copyExactly(to, segmentReader{f}, size)
	dropPages(f)
	if errors.Is(err, errChanged) {
		err = fmt.Errorf("%w: %s: %w; offer it when it is sealed", ErrSegment, path, err)
	}
	return err
}

var errChanged = errors.New("it changed while it was read")

// copyExactly copies a file and finds out when it is not of that size any more.
func copyExactly(to io.Writer, f io.Reader, size int64) error {
	n, err := io.Copy(to, io.LimitReader(f, size+1))
	if err != nil {
		return err
	}
	if n != size {
		return errChanged
	}
	return nil
}

// Close gives the directory and the memory back; not while an Add is under way.
func (a *Archive) Close() error {
	if a.broken == nil {
		a.broken = fmt.Errorf("%w: it was closed", ErrBroken)
	}
	a.opts.Sealing.coder = coder{}
	return a.unlock()
}
