package archive

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// key is a key pair of a test.
type key struct {
	to   Recipients
	ids  Identities
	text string // of the identity file
	pub  string
}

func newKey(t testing.TB) key {
	t.Helper()
	private, public, err := NewKey()
	check1(t, err)
	k := key{text: private + "\n", pub: public}
	k.to, err = ParseRecipients([]string{public})
	check1(t, err)
	k.ids, err = ReadIdentities(strings.NewReader(k.text))
	check1(t, err)
	return k
}

func check1(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// want fails unless err is kind and says text.
func want(t testing.TB, err, kind error, text string) {
	t.Helper()
	if !errors.Is(err, kind) || !strings.Contains(err.Error(), text) {
		t.Fatalf("got %v; want %q and %q", err, kind, text)
	}
}

// likeEvents is a stream of bytes that compresses about as events do: half of it
// repeats.
type likeEvents struct {
	random *rand.ChaCha8
	left   int64
}

func (l *likeEvents) Read(b []byte) (int, error) {
	if l.left == 0 {
		return 0, io.EOF
	}
	b = b[:min(int64(len(b)), l.left)]
	_, _ = l.random.Read(b)
	for i := range b {
		if i/100%2 == 0 {
			b[i] = byte(i)
		}
	}
	l.left -= int64(len(b))
	return len(b), nil
}

// segment writes a segment of so many bytes.
func segment(t testing.TB, dir string, first, last uint64, size int64) Segment {
	t.Helper()
	path := filepath.Join(dir, segmentName(first))
	f, err := os.Create(path)
	check1(t, err)
	_, err = io.CopyBuffer(struct{ io.Writer }{f}, &likeEvents{rand.NewChaCha8([32]byte{byte(first)}), size}, make([]byte, 32<<10))
	check1(t, err)
	check1(t, f.Close())
	return Segment{Path: path, First: first, Last: last}
}

func three(t testing.TB, dir string) []Segment {
	t.Helper()
	return []Segment{
		segment(t, dir, 1, 100, 200_000),
		segment(t, dir, 101, 150, 0),
		segment(t, dir, 151, 300, 70_001),
	}
}

func options(dir string, k key) Options {
	return Options{Dir: filepath.Join(dir, "archive"), Building: "house", Epoch: 1, Sealing: Sealing{Recipients: k.to}}
}

func open(t testing.TB, o Options) *Archive {
	t.Helper()
	a, err := Open(o)
	check1(t, err)
	t.Cleanup(func() { _ = a.Close() })
	return a
}

func add(t testing.TB, a *Archive, segments ...Segment) {
	t.Helper()
	for _, s := range segments {
		check1(t, a.Add(context.Background(), s))
	}
}

// filled is an archive of three segments, closed.
func filled(t testing.TB, k key) (o Options, segments []Segment) {
	t.Helper()
	dir := t.TempDir()
	segments = three(t, dir)
	o = options(dir, k)
	a := open(t, o)
	add(t, a, segments...)
	check1(t, a.Close())
	return o, segments
}

func entries(t testing.TB, dir string) (list []Entry) {
	t.Helper()
	_, err := List(dir, func(e Entry) error { list = append(list, e); return nil })
	check1(t, err)
	return list
}

// verify gives a line for each file: its name and what is wrong with it.
func verify(t testing.TB, dir string, ids Identities) (lines []string) {
	t.Helper()
	_, err := Verify(t.Context(), dir, ids, nil, func(e Entry, err error) error {
		lines = append(lines, fmt.Sprint(e.Name, " ", err))
		return nil
	})
	check1(t, err)
	return lines
}

func sameFile(t testing.TB, a, b string) {
	t.Helper()
	x, err := os.ReadFile(a)
	check1(t, err)
	y, err := os.ReadFile(b)
	check1(t, err)
	if !bytes.Equal(x, y) {
		t.Fatalf("%s and %s differ", a, b)
	}
}

func names(t testing.TB, dir string) (list []string) {
	t.Helper()
	all, err := os.ReadDir(dir)
	check1(t, err)
	for _, e := range all {
		list = append(list, e.Name())
	}
	return list
}
