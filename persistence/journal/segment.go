package journal

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

const (
	segmentSuffix = ".seg"
	gapSuffix     = ".gap" // of a segment's sidecar: NAME.seg.gap
)

// segment is one file of the journal, as it is kept in memory. It does not change
// once readers can see it.
type segment struct {
	header
	summary
	path  string
	bytes int64 // length of the file
	gaps  []span
	block *block  // where its index stands; nil: in memory
	index []entry // of a segment without a block
}

// block is the end of a sealed segment, or a sidecar.
type block struct {
	path             string
	size             int64
	marksAt, indexAt int64
}

func segmentPath(dir string, first uint64) string {
	return filepath.Join(dir, fmt.Sprintf("%016d", first)+segmentSuffix)
}

// parseName reads a first sequence from the name of a segment or a sidecar.
func parseName(name string) (first uint64, sidecar, ok bool) {
	name, sidecar = strings.CutSuffix(name, gapSuffix)
	digits, ok := strings.CutSuffix(name, segmentSuffix)
	if !ok || len(digits) < 16 {
		return 0, false, false
	}
	for _, c := range digits {
		if c < '0' || c > '9' || first > (1<<63)/10 {
			return 0, false, false
		}
		first = first*10 + uint64(c-'0')
	}
	return first, sidecar, first > 0
}

// Segment is what a file of the journal holds.
type Segment struct {
	Path           string
	Epoch          uint64 // of all its events; a restore raises it
	First, Last    uint64 // sequences; Last is First-1 if it is empty
	Events         uint64 // that can be read: less than First to Last if some are quarantined
	Oldest, Newest time.Time
	Bytes          int64             // 0 if the file is missing
	Sealed         bool              // it will never be written again
	Root           [sha256.Size]byte // of the chain, at its end
	Prev           [sha256.Size]byte // and before it; zeros: nothing was there, or it is not known
	Life           Life
	Aside          bool // damage in it was set aside
}

// Ends reads the chain before a sealed segment and at its end from the file's first
// and last bytes, 256 of them or all there are. Zeros: it is not there, or its
// place is damaged.
func Ends(head, tail []byte) (prev, root [sha256.Size]byte) {
	if h, err := decodeHeader(head); err == nil {
		prev = h.prev
	}
	if len(tail) < footerLen {
		return prev, root
	}
	raw := tail[len(tail)-footerLen:]
	if n, ok := payloadLen(raw); !ok || n != footerSize {
		return prev, root
	}
	if f, ok := parseFrame(raw); ok && f.kind == footerKind {
		copy(root[:], f.payload[footerSize-sha256.Size:])
	}
	return prev, root
}

// Segments lists the journal's files, the oldest first. The last one is being
// written.
func (j *Journal) Segments() []Segment {
	v := j.view()
	list := make([]Segment, 0, len(v.older)+1)
	for _, s := range v.older {
		list = append(list, s.info())
	}
	if v.active.first == 0 { // closed by a sidecar, and opened for reading
		return list
	}
	return append(list, v.active.info())
}

func (s *segment) info() Segment {
	return Segment{
		Path: s.path, Epoch: s.epoch, First: s.first, Last: s.last, Events: s.count,
		Oldest: fromWall(s.firstWall), Newest: fromWall(s.lastWall),
		Bytes: s.bytes, Sealed: s.block != nil, Root: s.chain,
		Prev: s.prev, Life: s.life, Aside: s.block != nil && s.block.path != s.path,
	}
}

// after is the link that a segment before h must end at.
func (h *header) after() *link {
	return &link{last: h.first - 1, chain: h.prev, known: h.version > 1}
}

// follows says what is wrong with h behind a segment that ends like prev.
func (s *segment) follows(prev *segment) error {
	if prev == nil || s.version == 1 || s.prev == prev.chain {
		return nil
	}
	return &CorruptError{
		Path: s.path, After: prev.last, wrongFile: true,
		Why: "it does not follow the segment before it: one of them is not the file that was written",
	}
}

// readHeader reads the header of the file whose name says first.
func readHeader(f file, path, building string, first uint64) (header, error) {
	size, err := f.Size()
	if err != nil {
		return header{}, readError(path, err)
	}
	b := make([]byte, min(headerLen, size))
	damage := &CorruptError{Path: path, After: first - 1}
	if _, err := f.ReadAt(b, 0); err != nil && len(b) > 0 {
		if errors.Is(err, syscall.EIO) {
			damage.Why = "the disk cannot read its header"
			return header{}, damage
		}
		return header{}, readError(path, err)
	}
	h, err := decodeHeader(b)
	switch {
	case errors.Is(err, ErrVersion):
		return header{}, fmt.Errorf("%s: %w; run the gatehouse that wrote it", path, err)
	case err != nil:
		damage.Why = err.Error()
		return header{}, damage
	case building != "" && h.building != building:
		return header{}, fmt.Errorf("%s is a %w (%q, this is %q); move it away or restore the store it belongs to",
			path, ErrBuilding, h.building, building)
	case h.first != first:
		damage.Why = fmt.Sprintf("it is the segment that begins with event %d, under another name", h.first)
		damage.wrongFile = true
		return header{}, damage
	}
	return h, nil
}

// readSealed reads a segment by its header and footer alone. sealed is false when
// there is no footer.
func readSealed(f file, path string, h header) (s *segment, sealed bool, err error) {
	size, err := f.Size()
	if err != nil {
		return nil, false, readError(path, err)
	}
	foot, err := readFooter(f, size)
	if isDamage(err) || err == nil && foot.first != h.first {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, readError(path, err)
	}
	s = &segment{header: h, summary: foot.summary, path: path, bytes: size}
	s.block = &block{path, size, foot.marksAt, foot.indexAt}
	return s, true, nil
}

// marksOf reads what tells repeats after a segment with a block.
func marksOf(fs files, b *block) (*seen, error) {
	f, err := fs.Open(b.path, false)
	if err != nil {
		return nil, fmt.Errorf("cannot open %s: %w", b.path, err)
	}
	defer func() { _ = f.Close() }() // opened for reading
	marks := newSeen()
	err = readBlock(f, b.marksAt, b.indexAt, marksKind, marks.take)
	if isDamage(err) {
		return nil, &CorruptError{Path: b.path, Offset: b.marksAt, Why: "what tells repeated events cannot be read"}
	}
	if err != nil {
		return nil, readError(b.path, err)
	}
	return marks, nil
}
