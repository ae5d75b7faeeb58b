package journal

import (
	"errors"
	"io"
)

var (
	errShort = errors.New("the file ends within a frame")
	errBad   = errors.New("a frame's checksum or length does not match")
)

// window reads the first size bytes of a segment through one buffer.
type window struct {
	r    io.ReaderAt
	size int64
	buf  []byte // holds what begins at off
	off  int64
	room int
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
	w.buf = w.buf[:0]
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF // cut short under our hands
	}
	return err
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
		return frame{}, 0, errBad
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
		return frame{}, 0, errBad
	}
	return f, n, nil
}

// raw returns the bytes of the frame that was just read.
func (w *window) raw(pos int64, n int) []byte {
	from := int(pos - w.off)
	return w.buf[from : from+n]
}
