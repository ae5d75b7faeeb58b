package persistence_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"gatehouse/persistence"
)

type said struct {
	Starts uint64 `json:"starts"`
	End    string `json:"end"`
}

func TestANoteIsReadBack(t *testing.T) {
	path := filepath.Join(t.TempDir(), "note")
	if err := persistence.ReadNote(path, &said{}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("without a note: %v", err)
	}
	for n := range uint64(3) {
		if err := persistence.WriteNote(path, said{n, "in_order"}); err != nil {
			t.Fatal(err)
		}
		var got said
		if err := persistence.ReadNote(path, &got); err != nil || got != (said{n, "in_order"}) {
			t.Errorf("%+v, %v", got, err)
		}
	}
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(entries) != 1 {
		t.Errorf("%v beside the note, %v", entries, err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
}

// Every flipped bit and every shortened file is seen.
func TestADamagedNoteIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "note")
	if err := persistence.WriteNote(path, said{7, "gave_up"}); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	damaged := func(what string, at int, text []byte) {
		t.Helper()
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		got := said{}
		if err := persistence.ReadNote(path, &got); !errors.Is(err, persistence.ErrDamaged) || got != (said{}) {
			t.Errorf("%s %d: %+v, %v", what, at, got, err)
		}
	}
	for bit := range 8 * len(whole) {
		text := append([]byte(nil), whole...)
		text[bit/8] ^= 1 << (bit % 8)
		damaged("bit", bit, text)
	}
	for n := range whole {
		damaged("length", n, whole[:n])
	}
}

// A note that cannot be written leaves the one before.
func TestANoteThatFailsChangesNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "note")
	if err := persistence.WriteNote(path, said{1, ""}); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(path+".tmp", 0o700); err != nil {
		t.Fatal(err)
	}
	if err := persistence.WriteNote(path, said{2, ""}); err == nil {
		t.Error("written over a directory")
	}
	var got said
	if err := persistence.ReadNote(path, &got); err != nil || got.Starts != 1 {
		t.Errorf("%+v, %v", got, err)
	}
}
