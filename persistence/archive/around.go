package archive

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
)

const (
	// page is the least that is read of a file whose disk has a bad spot.
	page = 4096
	// maxUnreadable is how many pages of a segment may be bad: a disk with more of them
	// is broken, and the journal sets nothing of it aside either.
	maxUnreadable = 256
)

// segmentReader tells a segment that cannot be read from an archive that cannot be
// written.
type segmentReader struct{ *os.File }

// Read reads from the file.
func (r segmentReader) Read(b []byte) (int, error) {
	n, err := r.File.Read(b)
	if err != nil && err != io.EOF {
		err = fmt.Errorf("%w: %w", ErrUnreadable, err)
	}
	return n, err
}

// around reads the first size bytes of a file, around the pages that the disk does
// not give.
type around struct {
	from     io.ReaderAt
	at, size int64
	lost     int   // pages
	end      int64 // of the last of them
}

// Read reads as much as there is in a row.
func (a *around) Read(b []byte) (int, error) {
	if a.at >= a.size {
		return 0, io.EOF
	}
	n, err := a.from.ReadAt(b[:min(int64(len(b)), a.size-a.at)], a.at)
	if n == 0 && errors.Is(err, syscall.EIO) {
		n, err = a.page(b[:min(int64(len(b)), a.size-a.at, page-a.at%page)])
	}
	a.at += int64(n)
	if n > 0 {
		err = nil // it comes again
	}
	return n, err
}

// page reads what is no more than a page, or says that it is lost.
func (a *around) page(b []byte) (int, error) {
	n, err := a.from.ReadAt(b, a.at)
	if n > 0 || !errors.Is(err, syscall.EIO) {
		return n, err
	}
	if a.at >= a.end {
		a.lost, a.end = a.lost+1, a.at/page*page+page
	}
	if a.lost > maxUnreadable {
		return 0, fmt.Errorf("%w: it has more than %d bad pages: %w", ErrUnreadable, maxUnreadable, err)
	}
	return copy(b, bytes.Repeat([]byte{0xFF}, len(b))), nil
}

func copyAround(to io.Writer, f *os.File, size int64) error {
	n, err := io.Copy(to, &around{from: f, size: size})
	dropPages(f)
	if err == nil && n != size {
		err = fmt.Errorf("%w: %s: %w", ErrSegment, f.Name(), errChanged)
	}
	return err
}
