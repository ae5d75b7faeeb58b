package archive

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var errCrash = errors.New("crash")

// power is a disk that crashes before its step number at. What was not synced by
// then is lost: contents of files, and names in directories.
type power struct {
	at, step int
	dead     bool
	dirty    map[string]bool // files whose contents are not synced
	renamed  [][3]string     // from, to, what to held before: not synced
	keep     bool            // a crash of the process only: the kernel forgets nothing
}

func (p *power) before(op, path string) error {
	if p.dead {
		return errCrash
	}
	if p.step++; p.step == p.at {
		p.dead = true
		if !p.keep {
			p.forget()
		}
		return errCrash
	}
	switch op {
	case "create":
		p.dirty[path] = true
	case "readback": // sync succeeded
		delete(p.dirty, path)
	case "rename":
		delete(p.dirty, path+tempSuffix)
		old, _ := os.ReadFile(path)
		p.renamed = append(p.renamed, [3]string{path + tempSuffix, path, string(old)})
	}
	if op == "syncdir" {
		p.renamed = nil
	}
	return nil
}

func (p *power) forget() {
	for path := range p.dirty {
		_ = os.Truncate(path, 0)
	}
	for _, r := range slices.Backward(p.renamed) {
		_ = os.Rename(r[1], r[0])
		if r[2] != "" {
			_ = os.WriteFile(r[1], []byte(r[2]), 0o600)
		}
	}
}

// Wherever the power fails or the process dies, what Taken says is archived,
// and the rest is archived after it.
func TestCrashAnywhere(t *testing.T) {
	k := newKey(t)
	for _, keep := range []bool{false, true} {
		steps := 0
		for at := 1; ; at++ {
			if crashAt(t, k, at, keep) {
				break
			}
			steps++
		}
		if steps < 25 {
			t.Errorf("crashed at %d steps only", steps)
		}
	}
}

// crashAt says whether all was done before the crash.
func crashAt(t *testing.T, k key, at int, keep bool) (survived bool) {
	dir := t.TempDir()
	segments := []Segment{segment(t, dir, 1, 10, 3000), segment(t, dir, 11, 20, 2000)}
	o := options(dir, k)
	p := &power{at: at, dirty: map[string]bool{}, keep: keep}
	o.Sealing.disk = p.before
	var acknowledged uint64
	a, err := Open(o)
	if err == nil {
		for _, s := range segments {
			if err = a.Add(context.Background(), s); err != nil {
				break
			}
			acknowledged = s.Last
		}
		check1(t, a.Close())
	}
	if err != nil && !errors.Is(err, errCrash) {
		t.Fatalf("step %d: %v", at, err)
	}

	o.Sealing.disk = nil
	a = open(t, o)
	if a.Taken() < acknowledged {
		t.Fatalf("step %d: %d was acknowledged, taken is %d", at, acknowledged, a.Taken())
	}
	listed := uint64(0)
	for _, e := range entries(t, o.Dir) {
		check1(t, Extract(t.Context(), o.Dir, e, k.ids, t.TempDir()))
		listed = e.Last
	}
	if listed != a.Taken() {
		t.Fatalf("step %d: listed up to %d, taken %d", at, listed, a.Taken())
	}
	add(t, a, segments...)
	if diff := cmp.Diff([]string{"0000000000000001.seg <nil>", "0000000000000011.seg <nil>"}, verify(t, o.Dir, k.ids)); diff != "" {
		t.Fatalf("step %d: %s", at, diff)
	}
	for _, name := range names(t, o.Dir) {
		if strings.HasSuffix(name, tempSuffix) {
			t.Fatalf("step %d: %s was left", at, name)
		}
	}
	check1(t, a.Close())
	return err == nil
}

// A manifest that could not be written ends the archive until it is opened again.
func TestBrokenManifest(t *testing.T) {
	dir, k := t.TempDir(), newKey(t)
	o := options(dir, k)
	fail := ""
	o.Sealing.disk = func(op, path string) error {
		if op+" "+filepath.Base(path) == fail {
			return errCrash
		}
		return nil
	}
	a := open(t, o)
	segments := []Segment{segment(t, dir, 1, 10, 100), segment(t, dir, 11, 20, 100)}
	fail = "rename MANIFEST"
	want(t, a.Add(t.Context(), segments[0]), ErrBroken, "free space, then open")
	fail = ""
	want(t, a.Add(t.Context(), segments[0]), ErrBroken, "")
	if a.Taken() != 0 {
		t.Errorf("taken %d", a.Taken())
	}
	check1(t, a.Close())
	a = open(t, o)
	add(t, a, segments...)
}

// The disk that does not keep what it was given is found before anything counts
// as archived, with the recovery key or without it.
func TestReadBackFindsADiskThatLies(t *testing.T) {
	k := newKey(t)
	for _, ids := range []Identities{nil, k.ids} {
		dir := t.TempDir()
		s := segment(t, dir, 1, 10, 200_000)
		o := options(dir, k)
		o.Sealing.Identities = ids
		var harm func([]byte) []byte
		o.Sealing.disk = func(op, path string) error {
			if op != "readback" || harm == nil {
				return nil
			}
			b, err := os.ReadFile(path)
			check1(t, err)
			return os.WriteFile(path, harm(b), 0o600)
		}
		a := open(t, o)
		for at := 0; at < 100_000; at += 1 + at/2 {
			harm = func(b []byte) []byte { b[at] ^= 4; return b }
			want(t, a.Add(t.Context(), s), ErrDamaged, "reading back what was just written failed")
		}
		for _, size := range []int{0, 1, 200, 65_536, 70_000} {
			harm = func(b []byte) []byte { return b[:size] }
			want(t, a.Add(t.Context(), s), ErrDamaged, "should have")
		}
		if got := names(t, o.Dir); !slices.Equal(got, []string{manifestName}) || a.Taken() != 0 {
			t.Fatalf("taken %d, left %v", a.Taken(), got)
		}
		harm = nil
		add(t, a, s)
	}
}

// A configured identity that opens nothing is found the first night, not the day
// it is needed.
func TestReadBackFindsAWrongIdentity(t *testing.T) {
	dir, k := t.TempDir(), newKey(t)
	o := options(dir, k)
	o.Sealing.Identities = newKey(t).ids
	a := open(t, o)
	want(t, a.Add(t.Context(), segment(t, dir, 1, 10, 100)), ErrKey, "")
}

// What a crash left half-written goes at the next start, even when its segment is
// never offered again; what is not ours stays.
func TestLeftOversGo(t *testing.T) {
	k := newKey(t)
	o, _ := filled(t, k)
	before := names(t, o.Dir)
	for _, name := range []string{"0000000000000777.seg.zst.age.tmp", "MANIFEST.tmp", "notes.tmp"} {
		check1(t, os.WriteFile(filepath.Join(o.Dir, name), []byte("half"), 0o600))
	}
	open(t, o)
	if diff := cmp.Diff(append(before, "notes.tmp"), names(t, o.Dir)); diff != "" {
		t.Error(diff)
	}
}

// Wherever the power fails, a backup is there whole or not at all, and can be
// written again.
func TestBackupCrashAnywhere(t *testing.T) {
	k := newKey(t)
	list := members(t)
	steps := 0
	for at, done := 1, false; !done; at++ {
		dir := t.TempDir()
		path := filepath.Join(dir, "backup")
		p := &power{at: at, dirty: map[string]bool{}}
		s := Sealing{Recipients: k.to, disk: p.before}
		err := WriteBackup(t.Context(), path, s, about(), list)
		if done = err == nil; !done {
			steps++
			want(t, err, errCrash, "")
			if slices.Contains(names(t, dir), "backup") {
				t.Fatalf("step %d: it has its name", at)
			}
			check1(t, WriteBackup(t.Context(), path, Sealing{Recipients: k.to}, about(), list))
		}
		_, err = restore(path, k.ids, filepath.Join(dir, "data"))
		check1(t, err)
	}
	if steps != 6 { // remove, create, sync, readback, rename, syncdir
		t.Errorf("crashed at %d steps", steps)
	}
}
