package journal

import (
	"errors"
	"fmt"
	"io"
	"syscall"
)

var (
	errShort = errors.New("the file ends within a frame")
	errBad   = errors.New("a frame's checksum or length does not match")
	// errUnreadable is errBad for bytes that the disk does not give.
	errUnreadable = fmt.Errorf("the disk cannot read it (%w)", errBad)
)

const (
	// page is the least that is read of a file whose disk has a bad spot.
	page = 4096
	// maxUnreadable is how many pages of one file may be bad. A disk with more of
	// them is broken, and to set its files aside would save nothing.
	maxUnreadable = 256
	// unreadable stands for each byte that could not be read: no frame has such a
	// length, and it is no zero, which is a sector that was never written.
	unreadable = 0xFF
)

// window reads the first size bytes of a segment through one buffer.
type window struct {
	r    io.ReaderAt
	size int64
	buf  []byte // holds what begins at off
	off  int64
	room int
	lost map[int64]bool // pages that cannot be read
}

func newWindow(r io.ReaderAt, size int64, room int) *window {
	return &window{r: r, size: size, room: max(room, maxFrame)}
}

// at returns n bytes at pos; both must lie within size, n at most maxFrame. They
// hold until the next call.
func (w *window) at(pos int64, n int) ([]byte, error) {
	if pos < w.off || pos+int64(n) > w.off+int64(len(w.buf)) {
		if err := w.fill(pos); err != nil {
			return nil, err
		}
	}
	from := int(pos - w.off)
	return w.buf[from : from+n], nil
}

func (w *window) fill(pos int64) error {
	n := int(min(int64(w.room), w.size-pos))
	if cap(w.buf) < n {
		w.buf = make([]byte, n)
	}
	w.buf, w.off = w.buf[:n], pos
	got, err := w.r.ReadAt(w.buf, pos)
	if got == n {
		return nil
	}
	if errors.Is(err, syscall.EIO) {
		err = w.fillPages()
	}
	if err == nil {
		return nil
	}
	w.buf = w.buf[:0]
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF // cut short under our hands
	}
	return err
}

// fillPages fills the buffer page by page, around what cannot be read.
func (w *window) fillPages() error {
	end := w.off + int64(len(w.buf))
	for at := w.off; at < end; {
		next := min(at/page*page+page, end)
		part := w.buf[at-w.off : next-w.off]
		got, err := w.r.ReadAt(part, at)
		if got < len(part) {
			if !errors.Is(err, syscall.EIO) || len(w.lost) == maxUnreadable {
				return err
			}
			if w.lost == nil {
				w.lost = map[int64]bool{}
			}
			w.lost[at/page] = true
			for i := range part {
				part[i] = unreadable
			}
		}
		at = next
	}
	return nil
}

// bad says what is wrong with the n bytes at pos, which are no frame.
func (w *window) bad(pos int64, n int) error {
	for p := pos / page; len(w.lost) > 0 && p <= (pos+int64(n)-1)/page; p++ {
		if w.lost[p] {
			return errUnreadable
		}
	}
	return errBad
}

// frame reads the frame at pos and its whole length. Errors: errShort, errBad,
// or that of reading.
func (w *window) frame(pos int64) (frame, int, error) {
	if w.size-pos < frameHead {
		return frame{}, 0, errShort
	}
	head, err := w.at(pos, frameHead)
	if err != nil {
		return frame{}, 0, err
	}
	payload, ok := payloadLen(head)
	n := frameHead + payload
	if !ok {
		return frame{}, 0, w.bad(pos, frameHead)
	}
	if w.size-pos < int64(n) {
		return frame{}, 0, errShort
	}
	raw, err := w.at(pos, n)
	if err != nil {
		return frame{}, 0, err
	}
	f, ok := parseFrame(raw)
	if !ok {
		return frame{}, 0, w.bad(pos, n)
	}
	return f, n, nil
}

// raw returns the bytes of the frame that was just read.
func (w *window) raw(pos int64, n int) []byte {
	from := int(pos - w.off)
	return w.buf[from : from+n]
}
