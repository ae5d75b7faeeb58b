package archive

import (
	"bufio"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

const (
	manifestName = "MANIFEST"
	format       = 2 // 1 has neither life nor roots
	maxLine      = 1024
	// suffix is what an archive's name has more than its segment's.
	suffix = ".zst.age"

	// MaxSegments is the greatest number of segments of one archive directory:
	// 4 TiB in segments of 64 MiB.
	MaxSegments = 1 << 16
	// MaxSegmentBytes is the greatest length of a segment.
	MaxSegmentBytes = 4 << 30
	maxBuilding     = 64
	maxLife         = 64
)

// Header says whose archive a directory is.
type Header struct {
	Format   int    `json:"archive"`
	Building string `json:"building"`       // 1 to 64 bytes
	Epoch    uint64 `json:"epoch"`          // of the journal, from 1
	Life     string `json:"life,omitempty"` // of the journal; "": not known
	Segments int    `json:"segments"`       // number of entries
}

// Entry is one archived segment.
type Entry struct {
	Name  string `json:"name"`  // of the segment, such as 0000000000000001.seg
	First uint64 `json:"first"` // sequence of its first event, from 1
	Last  uint64 `json:"last"`  // and of its last, at least First
	// AfterGap: the events before First were gone before they could be archived.
	AfterGap     bool   `json:"after_gap,omitempty"`
	Root         string `json:"root,omitempty"` // of the journal's chain at its end, hex; "": not known
	Bytes        int64  `json:"bytes"`
	SHA256       string `json:"sha256"` // hex
	SealedBytes  int64  `json:"sealed_bytes"`
	SealedSHA256 string `json:"sealed_sha256"` // hex
}

// File is the archive's name in its directory.
func (e Entry) File() string { return e.Name + suffix }

func (e Entry) sums() sums {
	return sums{digest{e.Bytes, e.SHA256}, digest{e.SealedBytes, e.SealedSHA256}}
}

func segmentName(first uint64) string { return fmt.Sprintf("%016d.seg", first) }

// follows says what is wrong with e after an entry that ended with last (0: none).
func (e Entry) follows(last uint64) error {
	switch {
	case e.First == 0 || e.Last < e.First || e.First <= last:
		return fmt.Errorf("the sequences %d to %d after %d", e.First, e.Last, last)
	case last > 0 && e.AfterGap == (e.First == last+1):
		return fmt.Errorf("the events %d to %d are missing", last+1, e.First-1)
	case e.Name != segmentName(e.First):
		return fmt.Errorf("the name %q", e.Name)
	case e.Bytes < 0 || e.Bytes > MaxSegmentBytes || e.SealedBytes < 0:
		return fmt.Errorf("the length %d", e.Bytes)
	case !isSHA256(e.SHA256) || !isSHA256(e.SealedSHA256) || e.Root != "" && !isSHA256(e.Root):
		return errors.New("a SHA-256")
	}
	return nil
}

func isSHA256(text string) bool {
	b, err := hex.DecodeString(text)
	return err == nil && len(b) == 32
}

// List visits what is archived in dir, in order, until visit returns an error. It
// needs no key and changes nothing; a running daemon does not disturb it. The
// memory does not grow with the archive. Errors: fs.ErrNotExist, ErrDamaged,
// ErrVersion.
func List(dir string, visit func(Entry) error) (Header, error) {
	path := filepath.Join(dir, manifestName)
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return Header{}, fmt.Errorf("%s is no archive: it has no %s (%w); name the directory epoch-N within what the site file calls archive.dir", dir, manifestName, fs.ErrNotExist)
	}
	if err != nil {
		return Header{}, diskError("open", path, err)
	}
	defer func() { _ = f.Close() }() // opened for reading
	l := &lines{in: bufio.NewReaderSize(f, maxLine), path: path}
	return l.manifest(visit)
}

// lines reads a manifest.
type lines struct {
	in   *bufio.Reader
	path string
	line int
}

func (l *lines) manifest(visit func(Entry) error) (Header, error) {
	var h Header
	if err := l.next(&h); err != nil {
		return Header{}, l.wrong(err)
	}
	if h.Format > format {
		return Header{}, fmt.Errorf("%s: %w; use the gatehouse that wrote it", l.path, ErrVersion)
	}
	if h.Format < 1 || h.Building == "" || len(h.Building) > maxBuilding || h.Epoch == 0 || len(h.Life) > maxLife || h.Segments < 0 || h.Segments > MaxSegments {
		return Header{}, l.wrong(errors.New("no archive has such a header"))
	}
	var last uint64
	for range h.Segments {
		var e Entry
		err := l.next(&e)
		if err == nil {
			err = e.follows(last)
		}
		if err != nil {
			return h, l.wrong(err)
		}
		if err := visit(e); err != nil {
			return h, err
		}
		last = e.Last
	}
	if _, err := l.in.ReadByte(); err != io.EOF {
		return h, l.wrong(errors.New("there is more than the header says"))
	}
	return h, nil
}

func (l *lines) wrong(err error) error {
	return damaged(l.path, fmt.Sprintf("line %d: %v", l.line, err))
}

// next reads a line into v.
func (l *lines) next(v any) error {
	l.line++
	b, err := l.in.ReadSlice('\n')
	switch {
	case errors.Is(err, bufio.ErrBufferFull):
		return errors.New("it is too long")
	case err == io.EOF:
		return errors.New("the rest is missing")
	case err != nil:
		return err
	case len(b) < 10 || b[8] != ' ':
		return errors.New("it has no checksum")
	}
	text := b[9 : len(b)-1]
	if string(b[:8]) != lineSum(text) {
		return errors.New("its checksum does not match")
	}
	return json.Unmarshal(text, v)
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func lineSum(text []byte) string {
	return fmt.Sprintf("%08x", crc32.Checksum(text, castagnoli))
}

func appendLine(b []byte, v any) ([]byte, error) {
	text, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	b = append(append(append(append(b, lineSum(text)...), ' '), text...), '\n')
	return b, nil
}

// writeManifest replaces dir's manifest by one that has the header h, the entries
// of the one before and the new one, if any.
func (d disk) writeManifest(dir string, h Header, added ...Entry) error {
	path := filepath.Join(dir, manifestName)
	f, err := d.create(path + tempSuffix)
	if err != nil {
		return err
	}
	if err := fillManifest(f, path, h, added); err != nil {
		_ = f.Close() // it is thrown away
		return err
	}
	if err := d.finish(f); err != nil {
		return err
	}
	return d.publish(path+tempSuffix, path)
}

func fillManifest(to io.Writer, before string, h Header, added []Entry) error {
	b, err := appendLine(nil, h)
	if err != nil {
		return err
	}
	if _, err := to.Write(b); err != nil {
		return err
	}
	if err := copyEntries(to, before); err != nil {
		return err
	}
	for _, e := range added {
		if b, err = appendLine(nil, e); err != nil {
			return err
		}
		if _, err := to.Write(b); err != nil {
			return err
		}
	}
	return nil
}

// copyEntries copies all but the first line; a manifest that is not there has none.
func copyEntries(to io.Writer, path string) error {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }() // opened for reading
	in := bufio.NewReaderSize(f, maxLine)
	if _, err := in.ReadSlice('\n'); err != nil {
		return err
	}
	_, err = io.Copy(to, in)
	return err
}
