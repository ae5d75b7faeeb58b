package disktest_test

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"gatehouse/persistence/disktest"
)

func TestMain(m *testing.M) {
	disktest.Main()
	os.Exit(m.Run())
}

const sector = 512

// write writes text at an offset of a file, which is made if it is missing.
func write(t *testing.T, path, text string, off int64, sync bool) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt([]byte(text), off); err != nil {
		t.Fatal(err)
	}
	if sync {
		syncPath(t, path)
	}
}

func syncPath(t *testing.T, path string) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Sync(); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// What was synced survives every cut; of four unsynced sectors survive none, a
// prefix, some, or all but one.
func TestWhatACutLeaves(t *testing.T) {
	d := disktest.Mount(t)
	path := filepath.Join(d.Dir(), "f")
	old, fresh := strings.Repeat("o", 4*sector), strings.Repeat("n", 4*sector)
	found := map[string]bool{}
	for seed := range uint64(200) {
		d.Format()
		write(t, path, old, 0, true)
		syncPath(t, d.Dir())
		write(t, path, fresh, 0, false)
		if read(t, path) != fresh {
			t.Fatal("a program does not see what it wrote")
		}
		d.CutAt(0)
		if _, err := os.ReadFile(path); err == nil {
			t.Fatal("read without power")
		}
		d.Reboot(seed)
		got := read(t, path)
		if len(got) != len(old) {
			t.Fatalf("seed %d: %d bytes", seed, len(got))
		}
		pattern := ""
		for i := range 4 {
			pattern += got[i*sector : i*sector+1]
			if got[i*sector:(i+1)*sector] != strings.Repeat(pattern[i:], sector) {
				t.Fatalf("seed %d: a sector is torn", seed)
			}
		}
		found[pattern] = true
	}
	if len(found) != 16 {
		t.Errorf("only these were drawn: %v", slices.Sorted(maps.Keys(found)))
	}
}

// A new file may vanish, be empty, be shorter or have holes, until it is synced;
// its name, until the directory is.
func TestWhatACutLeavesOfANewFile(t *testing.T) {
	d := disktest.Mount(t)
	path := filepath.Join(d.Dir(), "f")
	text := strings.Repeat("n", 3*sector)
	for _, c := range []struct {
		file, dir bool
		want      []string
	}{
		{false, false, []string{"absent", "empty", "holes", "shorter", "whole"}},
		{false, true, []string{"empty", "holes", "shorter", "whole"}},
		{true, false, []string{"absent", "whole"}},
		{true, true, []string{"whole"}},
	} {
		found := map[string]bool{}
		for seed := range uint64(150) {
			d.Format()
			write(t, path, text, 0, c.file)
			if c.dir {
				syncPath(t, d.Dir())
			}
			d.Reboot(seed)
			b, err := os.ReadFile(path)
			switch {
			case errors.Is(err, os.ErrNotExist):
				found["absent"] = true
			case err != nil:
				t.Fatal(err)
			case string(b) == text:
				found["whole"] = true
			case len(b) == 0:
				found["empty"] = true
			case len(b) < len(text):
				found["shorter"] = true
			default:
				found["holes"] = true
			}
		}
		if got := slices.Sorted(maps.Keys(found)); !slices.Equal(got, c.want) {
			t.Errorf("file synced %v, directory synced %v: got %v, want %v", c.file, c.dir, got, c.want)
		}
	}
}

// A rename is whole or did not happen.
func TestRenameIsAtomic(t *testing.T) {
	d := disktest.Mount(t)
	path := filepath.Join(d.Dir(), "f")
	found := map[string]bool{}
	for seed := range uint64(50) {
		d.Format()
		write(t, path, "old", 0, true)
		write(t, path+".tmp", "new", 0, true)
		syncPath(t, d.Dir())
		if err := os.Rename(path+".tmp", path); err != nil {
			t.Fatal(err)
		}
		d.Reboot(seed)
		found[read(t, path)] = true
		_, err := os.Stat(path + ".tmp")
		if there := err == nil; there != (read(t, path) == "old") {
			t.Fatalf("seed %d: %q is there, the temporary file: %v", seed, read(t, path), there)
		}
	}
	if !found["old"] || !found["new"] {
		t.Errorf("only these were drawn: %v", found)
	}
}

// A memory map sees what is written to the file beside it, and after a reboot
// nothing of the time before.
func TestMemoryMap(t *testing.T) {
	d := disktest.Mount(t)
	path := filepath.Join(d.Dir(), "f")
	view := func() ([]byte, *os.File) {
		f, err := os.OpenFile(path, os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		b, err := syscall.Mmap(int(f.Fd()), 0, 8192, syscall.PROT_READ, syscall.MAP_SHARED)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = syscall.Munmap(b); _ = f.Close() })
		return b, f
	}
	write(t, path, strings.Repeat("a", 8192), 0, true)
	syncPath(t, d.Dir())
	b, f := view()
	if b[5000] != 'a' {
		t.Errorf("mapped: %q", b[5000])
	}
	if _, err := f.WriteAt([]byte("b"), 5000); err != nil || b[5000] != 'b' {
		t.Errorf("after a write: %q, %v", b[5000], err)
	}
	d.Set(disktest.Faults{Sync: syscall.EIO}) // forgets the b
	if err := f.Sync(); !errors.Is(err, syscall.EIO) {
		t.Errorf("sync: %v", err)
	}
	d.Set(disktest.Faults{})
	if err := f.Sync(); err != nil || b[5000] != 'b' {
		t.Errorf("after the next sync: %q, %v", b[5000], err)
	}
	d.Reboot(1)
	if b, _ := view(); b[5000] != 'a' {
		t.Errorf("after a reboot: %q", b[5000])
	}
}

// Every fault does what it says, to the files of that name.
func TestFaults(t *testing.T) {
	d := disktest.Mount(t)
	path := filepath.Join(d.Dir(), "f")
	write(t, path, "text", 0, true)
	for _, c := range []struct {
		name string
		f    disktest.Faults
		do   func() error
		want error
	}{
		{"read", disktest.Faults{Read: syscall.EIO}, func() error { _, err := os.ReadFile(path); return err }, syscall.EIO},
		{"write", disktest.Faults{Change: syscall.EIO}, func() error { return os.WriteFile(path, []byte("other"), 0) }, syscall.EIO},
		{"read-only", disktest.Faults{Change: syscall.EROFS}, func() error { return os.Remove(path) }, syscall.EROFS},
		{"full", disktest.Faults{Quota: 100}, func() error { return os.WriteFile(path+"2", make([]byte, 97), 0o600) }, syscall.ENOSPC},
		{"not full", disktest.Faults{Quota: 101}, func() error { return os.WriteFile(path+"3", make([]byte, 97), 0o600) }, nil},
		{"of another name", disktest.Faults{Name: "g", Read: syscall.EIO}, func() error { _, err := os.ReadFile(path); return err }, nil},
	} {
		d.Set(c.f)
		if err := c.do(); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", c.name, err)
		}
		d.Set(disktest.Faults{})
		_ = os.Remove(path + "2") // there only if it was made
		if got := read(t, path); got != "text" {
			t.Errorf("%s: then %q", c.name, got)
		}
	}
}

// A sync on a frozen disk waits until the disk thaws, or for ever.
func TestFrozen(t *testing.T) {
	d := disktest.Mount(t)
	path := filepath.Join(d.Dir(), "f")
	write(t, path, "text", 0, false)
	for name, thaw := range map[string]func(){
		"thaws": func() { d.Set(disktest.Faults{}) }, "loses power": func() { d.CutAt(0) },
	} {
		d.Set(disktest.Faults{Frozen: true})
		done := make(chan bool)
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		go func() { done <- f.Sync() == nil }()
		for d.Stuck() == 0 {
		}
		select {
		case <-done:
			t.Errorf("%s: the sync did not wait", name)
		default:
		}
		thaw()
		if ok := <-done; ok != (name == "thaws") {
			t.Errorf("%s: synced: %v", name, ok)
		}
		_ = f.Close()
		if name == "loses power" {
			d.Format()
			write(t, path, "text", 0, false)
		}
	}
}

// A cut comes at the very change it was planned for.
func TestCutAt(t *testing.T) {
	d := disktest.Mount(t)
	path := filepath.Join(d.Dir(), "f")
	write(t, path, "text", 0, true)
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	d.CutAt(3)
	for i := range 3 {
		if _, err := f.WriteAt([]byte("x"), 0); (err == nil) != (i < 2) || d.Off() != (i == 2) {
			t.Errorf("write %d: %v, off %v", i+1, err, d.Off())
		}
	}
	if n := d.Ops(); n != 6 { // create, write, sync, 3 writes; lengths go with writes
		t.Errorf("%d operations", n)
	}
}
