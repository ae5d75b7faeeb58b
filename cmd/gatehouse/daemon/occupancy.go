package daemon

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"gatehouse/access"
	"gatehouse/actors"
	"gatehouse/persistence"
)

// occupancyName is the occupancy's name in the data directory. The file is a magic
// with the format's version, the contents, and the SHA-256 of both. The contents are
// numbers (uvarint) and texts (each behind its length): building, the newest event's
// Seq, source (name, boot, run, number) and time (Unix, ns); the number of areas and
// their ids; then of each person id, index of the area, Seq of the passage.
const (
	occupancyName  = "areas.snapshot"
	occupancyMagic = "GATEARE1"
	// occupancyBytes is the largest file: room for millions of people.
	occupancyBytes = 256 << 20
)

var (
	errOccupancy      = errors.New("is damaged or of another version; it is made anew")
	errOccupancyOther = errors.New("is another building's; it is made anew")
	errOccupancySize  = errors.New("is too large")
	errOccupancyBusy  = errors.New("is being written by an earlier save; look at the disk")
)

// liveOccupancy keeps where people are in a file beside the journal.
type liveOccupancy struct {
	dir, building string
	limit         int64 // of the file, in bytes
	saving        sync.Mutex
}

func (l *liveOccupancy) path() string { return filepath.Join(l.dir, occupancyName) }

// Load reads the file; without one nothing is kept.
func (l *liveOccupancy) Load() (actors.Occupancy, error) {
	b, err := readBounded(l.path(), l.limit)
	if errors.Is(err, fs.ErrNotExist) {
		return actors.Occupancy{}, nil
	}
	if err != nil {
		return actors.Occupancy{}, err
	}
	building, o, err := parseOccupancy(b)
	if err != nil {
		return actors.Occupancy{}, fmt.Errorf("%s %w", l.path(), err)
	}
	if building != l.building {
		return actors.Occupancy{}, fmt.Errorf("%s %w", l.path(), errOccupancyOther)
	}
	return o, nil
}

// readBounded reads a file of at most limit bytes.
func readBounded(path string, limit int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // opened for reading
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if info.Size() > limit {
		return nil, fmt.Errorf("%s %w", path, errOccupancySize)
	}
	b := make([]byte, info.Size())
	_, err = io.ReadFull(f, b)
	return b, err
}

// Save replaces the file, durably.
func (l *liveOccupancy) Save(o actors.Occupancy) error {
	if !l.saving.TryLock() {
		return fmt.Errorf("%s %w", l.path(), errOccupancyBusy)
	}
	defer l.saving.Unlock()
	b := appendOccupancy(nil, l.building, o)
	if int64(len(b)) > l.limit {
		return fmt.Errorf("%s %w", l.path(), errOccupancySize)
	}
	if err := persistence.ReplaceFile(l.path(), b, nil); err != nil {
		_ = os.Remove(l.path() + ".tmp")
		return fmt.Errorf("cannot write %s: %w; check the disk and its free space", l.path(), err)
	}
	return nil
}

func appendOccupancy(b []byte, building string, o actors.Occupancy) []byte {
	b = append(b, occupancyMagic...)
	b = appendText(b, building)
	b = binary.AppendUvarint(b, o.Through)
	b = appendText(b, o.Source.Name)
	for _, n := range []uint64{o.Source.Boot, o.Source.Run, o.Source.Number, uint64(o.Time.UnixNano())} {
		b = binary.AppendUvarint(b, n)
	}
	index, areas := map[access.AreaID]uint64{}, []access.AreaID{}
	for _, p := range o.Places.All() {
		if _, known := index[p.Area]; !known {
			index[p.Area] = uint64(len(areas))
			areas = append(areas, p.Area)
		}
	}
	b = binary.AppendUvarint(b, uint64(len(areas)))
	for _, a := range areas {
		b = appendText(b, string(a))
	}
	for who, p := range o.Places.All() {
		b = appendText(b, string(who))
		b = binary.AppendUvarint(b, index[p.Area])
		b = binary.AppendUvarint(b, p.Seq)
	}
	sum := sha256.Sum256(b)
	return append(b, sum[:]...)
}

func appendText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

func parseOccupancy(b []byte) (building string, o actors.Occupancy, err error) {
	end := len(b) - sha256.Size
	if end < len(occupancyMagic) || string(b[:len(occupancyMagic)]) != occupancyMagic {
		return "", o, errOccupancy
	}
	if sum := sha256.Sum256(b[:end]); !bytes.Equal(sum[:], b[end:]) {
		return "", o, errOccupancy
	}
	r := occupancyReader{b: b[len(occupancyMagic):end]}
	building = r.text()
	o.Through = r.number()
	o.Source = access.Source{Name: r.text(), Boot: r.number(), Run: r.number(), Number: r.number()}
	o.Time = time.Unix(0, int64(r.number())).UTC()
	r.places(&o)
	if r.bad {
		return "", actors.Occupancy{}, errOccupancy
	}
	return building, o, nil
}

// occupancyReader takes numbers and texts off b; bad: b ended too early.
type occupancyReader struct {
	b   []byte
	bad bool
}

func (r *occupancyReader) places(o *actors.Occupancy) {
	var areas []access.AreaID
	for n := r.number(); n > 0 && !r.bad; n-- {
		areas = append(areas, access.AreaID(r.text()))
	}
	o.Places = &access.Places{}
	const typical = 16 // bytes of a person in the file
	o.Places.Grow(len(r.b)/typical, len(r.b)/2)
	for len(r.b) > 0 && !r.bad {
		who, area, seq := r.text(), r.number(), r.number()
		if area >= uint64(len(areas)) {
			r.bad = true
			return
		}
		o.Places.Set(access.CardholderID(who), access.Place{Area: areas[area], Seq: seq})
	}
}

func (r *occupancyReader) number() uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 {
		r.bad, r.b = true, nil
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *occupancyReader) text() string {
	n := r.number()
	if n > uint64(len(r.b)) {
		r.bad, r.b = true, nil
		return ""
	}
	s := string(r.b[:n])
	r.b = r.b[n:]
	return s
}
