package archive

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"filippo.io/age"
	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"
)

// Random flips, truncations, additions, swaps and deletions, of archives and of the
// manifest: each is found without a key, and nothing wrong is ever extracted.
func TestDamageIsFound(t *testing.T) {
	k := newKey(t)
	o, segments := filled(t, k)
	r := rand.New(rand.NewPCG(1, 2))
	files := names(t, o.Dir)
	whole := map[string][]byte{}
	for _, name := range files {
		b, err := os.ReadFile(filepath.Join(o.Dir, name))
		check1(t, err)
		whole[name] = b
	}
	for round := range 120 {
		name := files[r.IntN(len(files))]
		what := harm(t, r, o.Dir, name, files, whole)
		if unnoticed(t, o.Dir) {
			t.Fatalf("round %d: %s: not noticed", round, what)
		}
		out := t.TempDir()
		_, _ = List(o.Dir, func(e Entry) error {
			if Extract(t.Context(), o.Dir, e, k.ids, out) == nil {
				sameFile(t, filepath.Join(out, e.Name), filepath.Join(filepath.Dir(segments[0].Path), e.Name))
			}
			return nil
		})
		if slices.ContainsFunc(names(t, out), func(n string) bool { return strings.HasSuffix(n, tempSuffix) }) {
			t.Fatalf("round %d: %s: left %v", round, what, names(t, out))
		}
		for name, b := range whole {
			check1(t, os.WriteFile(filepath.Join(o.Dir, name), b, 0o600))
		}
	}
	if unnoticed(t, o.Dir) == false {
		t.Error("the sound archive is called damaged")
	}
}

// harm damages one file and says how.
func harm(t *testing.T, r *rand.Rand, dir, name string, files []string, whole map[string][]byte) string {
	path, b := filepath.Join(dir, name), slices.Clone(whole[name])
	switch r.IntN(5) {
	case 0:
		at := r.IntN(len(b))
		b[at] ^= 1 << r.IntN(8)
		check1(t, os.WriteFile(path, b, 0o600))
		return fmt.Sprintf("flip in %s at %d", name, at)
	case 1:
		size := r.IntN(len(b))
		check1(t, os.WriteFile(path, b[:size], 0o600))
		return fmt.Sprintf("%s cut to %d", name, size)
	case 2:
		check1(t, os.WriteFile(path, append(b, b[:1+r.IntN(len(b))]...), 0o600))
		return name + " made longer"
	case 3:
		other := files[(slices.Index(files, name)+1)%len(files)]
		check1(t, os.WriteFile(path, whole[other], 0o600))
		check1(t, os.WriteFile(filepath.Join(dir, other), b, 0o600))
		return name + " swapped with " + other
	default:
		check1(t, os.Remove(path))
		return name + " deleted"
	}
}

// unnoticed says whether Verify without a key finds nothing.
func unnoticed(t *testing.T, dir string) bool {
	found := false
	_, err := Verify(t.Context(), dir, nil, nil, func(_ Entry, err error) error {
		found = found || err != nil
		return nil
	})
	return err == nil && !found
}

// What is wrong is said with what to do.
func TestDamageSaysWhatToDo(t *testing.T) {
	k := newKey(t)
	o, _ := filled(t, k)
	list := entries(t, o.Dir)
	first, last := filepath.Join(o.Dir, list[0].File()), filepath.Join(o.Dir, list[2].File())
	b, err := os.ReadFile(first)
	check1(t, err)

	out := t.TempDir()
	want(t, Extract(t.Context(), o.Dir, list[0], newKey(t).ids, out), ErrKey, "name the identity file of a recipient")
	want(t, Extract(t.Context(), o.Dir, list[0], nil, out), ErrKey, "name the identity file")
	check1(t, os.WriteFile(first, b[:len(b)-1], 0o600))
	want(t, Extract(t.Context(), o.Dir, list[0], k.ids, out), ErrDamaged, "bytes and should have")
	flipped := slices.Clone(b)
	flipped[len(b)/2] ^= 1
	check1(t, os.WriteFile(first, flipped, 0o600))
	want(t, Extract(t.Context(), o.Dir, list[0], k.ids, out), ErrDamaged, "get it from another copy")
	flipped = slices.Clone(b)
	flipped[60] ^= 1 // of the recipient's part: looks like another key
	check1(t, os.WriteFile(first, flipped, 0o600))
	want(t, Extract(t.Context(), o.Dir, list[0], k.ids, out), ErrDamaged, "SHA-256")
	check1(t, os.Remove(first))
	check1(t, os.Rename(last, first))
	strange := filepath.Join(o.Dir, "0000000000000999.seg.zst.age")
	check1(t, os.WriteFile(strange, nil, 0o600))
	got := strings.Join(verify(t, o.Dir, k.ids), "\n")
	for _, text := range []string{
		"0000000000000001.seg archive is damaged", "0000000000000151.seg cannot open", "0000000000000101.seg <nil>",
		"0000000000000999.seg.zst.age not of this archive",
	} {
		if !strings.Contains(got, text) {
			t.Errorf("no %q in\n%s", text, got)
		}
	}
	if len(names(t, out)) != 0 {
		t.Errorf("extracted %v", names(t, out))
	}
}

// A file that holds the right bytes of another archive is not this one's.
func TestForgedEntries(t *testing.T) {
	k := newKey(t)
	o, _ := filled(t, k)
	e := entries(t, o.Dir)[0]
	for name, f := range map[string]func(*Entry){
		"path":  func(e *Entry) { e.Name = "../" + e.Name },
		"hash":  func(e *Entry) { e.SHA256 = "00" },
		"empty": func(e *Entry) { e.First = 0 },
	} {
		forged := e
		f(&forged)
		t.Run(name, func(t *testing.T) {
			want(t, Extract(t.Context(), o.Dir, forged, k.ids, t.TempDir()), ErrForeign, "")
		})
	}
	e.SHA256 = strings.Repeat("ab", 32)
	want(t, Extract(t.Context(), o.Dir, e, k.ids, t.TempDir()), ErrDamaged, "not what was archived")
}

// Every line of a manifest is read with suspicion.
func TestManifestsThatAreRefused(t *testing.T) {
	head := func(n int) Header { return Header{Format: format, Building: "house", Epoch: 1, Segments: n} }
	entry := func(first, last uint64) Entry {
		sum := strings.Repeat("0", 64)
		return Entry{Name: segmentName(first), First: first, Last: last, SHA256: sum, SealedSHA256: sum}
	}
	after := entry(5, 6)
	after.AfterGap = true
	for _, c := range []struct {
		lines []any
		kind  error
		text  string
	}{
		{[]any{head(0)}, nil, ""},
		{[]any{head(2), entry(1, 2), entry(3, 4)}, nil, ""},
		{[]any{head(2), entry(1, 2), after}, nil, ""},
		{nil, ErrDamaged, "line 1: the rest is missing"},
		{[]any{head(2), entry(1, 2)}, ErrDamaged, "line 3: the rest is missing"},
		{[]any{head(1), entry(1, 2), entry(3, 4)}, ErrDamaged, "more than the header says"},
		{[]any{head(2), entry(1, 2), entry(5, 6)}, ErrDamaged, "the events 3 to 4 are missing"},
		{[]any{head(2), entry(1, 4), after}, ErrDamaged, "line 3"},
		{[]any{head(2), entry(3, 4), entry(1, 2)}, ErrDamaged, "after 4"},
		{[]any{head(1), Entry{}}, ErrDamaged, "line 2"},
		{[]any{head(1), strings.Repeat("x", maxLine)}, ErrDamaged, "too long"},
		{[]any{head(-1)}, ErrDamaged, "no archive has such a header"},
		{[]any{head(MaxSegments + 1)}, ErrDamaged, "no archive has such a header"},
		{[]any{Header{Format: format + 1, Building: "house", Epoch: 1}}, ErrVersion, "use the gatehouse that wrote it"},
	} {
		var b []byte
		for _, line := range c.lines {
			var err error
			b, err = appendLine(b, line)
			check1(t, err)
		}
		dir := t.TempDir()
		check1(t, os.WriteFile(filepath.Join(dir, manifestName), b, 0o600))
		_, err := List(dir, func(Entry) error { return nil })
		if c.kind == nil {
			check1(t, err)
			continue
		}
		want(t, err, c.kind, c.text)
	}
}

// What claims to be small and is not ends at the limit, and so does a header.
func TestBombs(t *testing.T) {
	k := newKey(t)
	bomb := sealBytes(t, k, make([]byte, 64<<20))
	if len(bomb) > 1<<20 {
		t.Fatalf("no bomb: %d bytes", len(bomb))
	}
	for name, c := range map[string]struct {
		b    []byte
		text string
	}{
		"contents": {bomb, "more than it should"},
		"header":   {append([]byte("age-encryption.org/v1\n-> "), bytes.Repeat([]byte("x"), 1<<20)...), "does not begin as an age file does"},
		"nothing":  {nil, "does not begin as an age file does"},
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			src := newSource(t.Context(), bytes.NewReader(c.b), nil)
			err := new(coder).drain(src, k.ids, 100_000, &out)
			if err == nil || !strings.Contains(err.Error(), c.text) || out.Len() > 100_000 || src.meter.bytes > 200_000 {
				t.Errorf("%v; %d bytes out, %d bytes in", err, out.Len(), src.meter.bytes)
			}
		})
	}
}

// sealBytes is age(zstd(b)).
func sealBytes(t testing.TB, k key, b []byte) []byte {
	t.Helper()
	z, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1))
	check1(t, err)
	return encrypt(t, k, z.EncodeAll(b, nil))
}

func encrypt(t testing.TB, k key, b []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w, err := age.Encrypt(&out, k.to...)
	check1(t, err)
	_, err = w.Write(b)
	check1(t, err)
	check1(t, w.Close())
	return out.Bytes()
}

// A stream that is cut where a chunk or a frame ends is not taken for whole.
func TestCutAtEveryBoundary(t *testing.T) {
	k := newKey(t)
	data := make([]byte, 200_000)
	_, _ = rand.NewChaCha8([32]byte{}).Read(data)
	whole := sealBytes(t, k, data)
	head := bytes.Index(whole, []byte("\n--- "))
	const chunk = 65536 + 16
	begin := head + 5 + 43 + 1 + 16
	for _, size := range []int{begin, begin + chunk, begin + 2*chunk, begin + 3*chunk, len(whole) - 16, len(whole) - 1} {
		var out bytes.Buffer
		if err := new(coder).drain(newSource(t.Context(), bytes.NewReader(whole[:size]), nil), k.ids, 1<<20, &out); err == nil {
			t.Errorf("cut to %d of %d: taken for whole", size, len(whole))
		}
	}
	var out bytes.Buffer
	check1(t, new(coder).drain(newSource(t.Context(), bytes.NewReader(whole), nil), k.ids, 1<<20, &out))
	if diff := cmp.Diff(data, out.Bytes()); diff != "" {
		t.Error("the whole stream is another one")
	}
}

// FuzzArchive: no bytes make the reader panic or give more than the limit. The
// input is what is sealed, and once more the sealed file itself.
func FuzzArchive(f *testing.F) {
	k := newKey(f)
	sound := sealBytes(f, k, []byte("a segment"))
	f.Add(sound, false)
	z, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1))
	check1(f, err)
	f.Add(z.EncodeAll(bytes.Repeat([]byte("events"), 1000), nil), true)
	f.Fuzz(func(t *testing.T, b []byte, inside bool) {
		if inside {
			b = encrypt(t, k, b)
		}
		const limit = 1 << 16
		var out bytes.Buffer
		err := new(coder).drain(newSource(t.Context(), bytes.NewReader(b), nil), k.ids, limit, &out)
		if out.Len() > limit {
			t.Errorf("%d bytes came out", out.Len())
		}
		if err == nil && !inside && !bytes.Equal(b, sound) {
			t.Error("a file was opened that was never sealed")
		}
	})
}

// FuzzManifest: no manifest makes List panic, and what it accepts is in order.
func FuzzManifest(f *testing.F) {
	b, err := appendLine(nil, Header{Format: format, Building: "house", Epoch: 1, Segments: 1})
	check1(f, err)
	sum := strings.Repeat("0", 64)
	b, err = appendLine(b, Entry{Name: segmentName(1), First: 1, Last: 1, SHA256: sum, SealedSHA256: sum})
	check1(f, err)
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		dir := t.TempDir()
		check1(t, os.WriteFile(filepath.Join(dir, manifestName), b, 0o600))
		last := uint64(0)
		_, err := List(dir, func(e Entry) error {
			if e.First <= last || e.Last < e.First || e.Name != segmentName(e.First) {
				t.Errorf("%+v after %d", e, last)
			}
			last = e.Last
			return nil
		})
		if err != nil && !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrVersion) {
			t.Error(err)
		}
	})
}
