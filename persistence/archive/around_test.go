package archive

import (
	"bytes"
	"errors"
	"io"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"testing/iotest"
)

// badPages is a file whose disk does not give some pages.
type badPages struct {
	b   []byte
	bad []int64
}

func (d badPages) ReadAt(b []byte, at int64) (n int, err error) {
	for n < len(b) && at < int64(len(d.b)) {
		if slices.Contains(d.bad, at/page) {
			return n, syscall.EIO
		}
		part := copy(b[n:], d.b[at:min(int64(len(d.b)), at/page*page+page)])
		n, at = n+part, at+int64(part)
	}
	if n < len(b) {
		err = io.EOF
	}
	return n, err
}

func TestAroundBadPages(t *testing.T) {
	whole := bytes.Repeat([]byte("gate"), 5*page/4+25)
	for _, bad := range [][]int64{nil, {0}, {1}, {2, 3}, {5}, {0, 1, 2, 3, 4, 5}} {
		want := slices.Clone(whole)
		for _, p := range bad {
			for i := p * page; i < min(p*page+page, int64(len(want))); i++ {
				want[i] = 0xFF
			}
		}
		for name, wrap := range map[string]func(io.Reader) io.Reader{
			"whole":   func(r io.Reader) io.Reader { return r },
			"by byte": iotest.OneByteReader,
		} {
			a := &around{from: badPages{whole, bad}, size: int64(len(whole))}
			got, err := io.ReadAll(wrap(a))
			if err != nil || !bytes.Equal(got, want) || a.lost != len(bad) {
				t.Errorf("%s, pages %v: %d bytes, %d pages lost, %v", name, bad, len(got), a.lost, err)
			}
		}
	}
	var all []int64
	for p := range int64(300) {
		all = append(all, p)
	}
	dead := &around{from: badPages{make([]byte, 300*page), all}, size: 300 * page}
	if _, err := io.Copy(io.Discard, dead); !errors.Is(err, ErrUnreadable) || !errors.Is(err, syscall.EIO) {
		t.Errorf("a disk that reads nothing: %v", err)
	}
}

// A segment whose damage is set aside is archived as it is.
func TestADamagedSegmentIsArchived(t *testing.T) {
	k := newKey(t)
	dir := t.TempDir()
	s := segment(t, dir, 1, 9, 3*page+1)
	s.Damaged = true
	o := options(dir, k)
	add(t, open(t, o), s)
	out := t.TempDir()
	_, err := List(o.Dir, func(e Entry) error { return Extract(t.Context(), o.Dir, e, k.ids, out) })
	check1(t, err)
	sameFile(t, filepath.Join(out, filepath.Base(s.Path)), s.Path)
}
