package backup

import (
	"cmp"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"gatehouse/access"
	"gatehouse/cmd/gatehouse/daemon"
	"gatehouse/persistence"
	"gatehouse/persistence/archive"
	"gatehouse/persistence/journal"
	"gatehouse/persistence/store"
)

// safe is a backup in a file, and what opens it.
type safe struct {
	t    *testing.T
	dir  string
	ids  archive.Identities
	to   archive.Recipients
	by   archive.Signer
	from string // the data directory that it says
	life string // and the life of its journal
}

func newSafe(t *testing.T) *safe {
	t.Helper()
	s := &safe{t: t, dir: t.TempDir()}
	identity, recipient, err := archive.NewKey()
	if err == nil {
		s.ids, err = archive.ReadIdentities(strings.NewReader(identity))
	}
	if err == nil {
		s.to, err = archive.ParseRecipients([]string{recipient})
	}
	if err != nil {
		t.Fatal(err)
	}
	if s.by, err = archive.NewSigner(); err != nil {
		t.Fatal(err)
	}
	s.from = filepath.Join(s.dir, "old")
	return s
}

// seal makes the backup; about is what is changed in what it says.
func (s *safe) seal(about func(*archive.About)) {
	s.t.Helper()
	snapshot := s.t.TempDir()
	db, err := store.Open(store.Options{Dir: snapshot, Random: strings.NewReader("0123456789abcdef")})
	if err != nil {
		s.t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		s.t.Fatal(err)
	}
	sum, err := store.Examine(snapshot)
	if err != nil {
		s.t.Fatal(err)
	}
	a := archive.About{Building: "house", Epoch: 3, Life: s.life, Last: 7, Data: s.from, Store: sum.Fingerprint}
	about(&a)
	_ = os.Remove(s.path("file")) // of an earlier seal
	members := []archive.Member{{Name: store.FileName, Mode: 0o600, Path: filepath.Join(snapshot, store.FileName)}}
	if err := archive.WriteBackup(s.t.Context(), s.path("file"), archive.Sealing{Recipients: s.to, Signer: s.by}, a, members); err != nil {
		s.t.Fatal(err)
	}
}

func (s *safe) path(name string) string { return filepath.Join(s.dir, name) }

// restore restores to new, and fails unless that is there exactly if it worked.
func (s *safe) restore(change func(*Restore)) (Restored, error) {
	s.t.Helper()
	r := Restore{File: s.path("file"), Data: s.path("new"), Identities: s.ids, SignedBy: s.by.Public(), Boot: 1}
	change(&r)
	done, err := r.Run(s.t.Context())
	_, there := os.Stat(s.path("new"))
	left, _ := filepath.Glob(s.path("new") + ".*") // the pattern is sound
	if (err == nil) != (there == nil) || len(left) > 0 {
		s.t.Errorf("restored: %v; there: %v; left: %v", err, there, left)
	}
	if err := os.RemoveAll(s.path("new")); err != nil {
		s.t.Fatal(err)
	}
	return done, err
}

const nobody = "-"

// old makes the old data directory, of a building and in an epoch with so many
// events, or an empty one of nobody.
func (s *safe) old(building string, epoch uint64, events int) {
	s.t.Helper()
	if err := os.RemoveAll(s.from); err != nil {
		s.t.Fatal(err)
	}
	if err := os.MkdirAll(s.from, 0o700); err != nil {
		s.t.Fatal(err)
	}
	if building == nobody {
		return
	}
	j, err := journal.Open(journal.Options{Dir: daemon.JournalDir(s.from), Building: building, Epoch: epoch})
	if err != nil {
		s.t.Fatal(err)
	}
	if err := j.Commit(make([]access.Event, events)); err != nil {
		s.t.Fatal(err)
	}
	s.life = j.Segments()[0].Life.String()
	if err := j.Close(); err != nil {
		s.t.Fatal(err)
	}
}

// Two boxes never run one building: what is known of the old one decides.
func TestRestoreAndTheOldBox(t *testing.T) {
	answers := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`{"status": "alive", "building": "house"}`))
	}))
	defer answers.Close()
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`{"status": "alive", "building": "hut"}`))
	}))
	defer other.Close()
	for _, c := range []struct {
		name              string
		address, told     string // in the backup, by the operator
		owner             string // of the old data directory; "": it is not here
		locked, from, off bool
		ok                bool
		epoch             uint64 // of the old directory; 0: 3, as in the backup
		events            int    // in it; 0: 8, one more
		rehearsal         bool   // it is another journal
	}{
		{name: "nothing is known"},
		{name: "somebody looked", off: true, ok: true},
		{name: "its directory is here and free", owner: "house", ok: true},
		{name: "the same, named", owner: "house", from: true, ok: true},
		{name: "its directory is in use", owner: "house", locked: true},
		{name: "its directory is in use, whoever looked", owner: "house", locked: true, off: true},
		{name: "another building's directory is there", owner: "hut"},
		{name: "another building's directory is in use", owner: "hut", locked: true, off: true, ok: true},
		{name: "another building's directory is named", owner: "hut", from: true, off: true},
		{name: "an empty directory is there", owner: nobody},
		{name: "an empty directory is there, and somebody looked", owner: nobody, off: true, ok: true},
		{name: "a rehearsal is there", owner: "house", rehearsal: true},
		{name: "a rehearsal is there, and somebody looked", owner: "house", rehearsal: true, off: true, ok: true},
		{name: "a rehearsal is named", owner: "house", rehearsal: true, from: true, off: true},
		{name: "a rehearsal runs there, whoever looked", owner: "house", rehearsal: true, locked: true, off: true},
		{name: "a rehearsal in the next epoch is there, the backup knows no life", owner: "house", rehearsal: true, epoch: 4},
		{name: "an older copy of it is there", owner: "house", events: 6},
		{name: "an older epoch of it is there", owner: "house", epoch: 2},
		{name: "a copy that ends exactly with the backup is there", owner: "house", events: 7, ok: true},
		{name: "it went on to another epoch", owner: "house", epoch: 4, ok: true},
		{name: "an address that is none", told: "http://127.0.0.1:1:2", off: true, owner: "house"},
		{name: "an address without a host", told: "https://", off: true, owner: "house"},
		{name: "an address of something else", told: "ftp://127.0.0.1", off: true, owner: "house"},
		{name: "an address in the backup that is none", address: "a b c", owner: "house", ok: true},
		{name: "it answers", address: answers.URL, off: true},
		{name: "it answers where somebody says, without a scheme", told: strings.TrimPrefix(answers.URL, "http://"), owner: "house"},
		{name: "another one answers there", address: other.URL, told: "127.0.0.1:1"},
		{name: "another one answers there, and somebody looked", address: other.URL, off: true, ok: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newSafe(t)
			if c.owner != "" {
				s.old(c.owner, cmp.Or(c.epoch, 3), cmp.Or(c.events, 8))
			}
			if c.rehearsal {
				s.life = map[bool]string{true: "", false: "another"}[c.epoch > 0]
			}
			s.seal(func(a *archive.About) { a.Address = c.address })
			if c.locked {
				unlock, err := persistence.Lock(s.from)
				if err != nil {
					t.Fatal(err)
				}
				defer func() { _ = unlock() }()
			}
			_, err := s.restore(func(r *Restore) {
				r.OldBoxIsOff, r.OldAddress = c.off, c.told
				if c.from {
					r.OldData = s.from
				}
			})
			said := c.from || strings.HasPrefix(c.name, "an address")
			if (err == nil) != c.ok || err != nil && !said && !errors.Is(err, ErrOldBox) {
				t.Errorf("%v", err)
			}
		})
	}
}

// While it is restored nobody starts the old box: its directory is held.
func TestRestoreGoesOnBehindTheOldBox(t *testing.T) {
	s := newSafe(t)
	s.old("house", 3, 8)
	s.seal(func(*archive.About) {})
	done, err := s.restore(func(*Restore) {})
	if err != nil || done.Epoch != 4 || done.First != 7+Margin+1 {
		t.Errorf("%+v, %v", done, err)
	}
	unlock, err := persistence.Lock(s.from)
	if err != nil {
		t.Fatal("the old directory is still held: ", err)
	}
	_ = unlock()
}

// Only a backup of the box that somebody names is restored: the public key of the
// recovery key is no secret.
func TestRestoreAsksWhoMadeIt(t *testing.T) {
	s := newSafe(t)
	other, err := archive.NewSigner()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name      string
		signer    archive.Signer
		asked, is string // "": it is restored
	}{
		{"the box", s.by, s.by.Public(), ""},
		{"nobody is named", s.by, "", "it says that " + s.by.Public() + " signed it. "},
		{"another box", other, s.by.Public(), "was to have signed it, it is signed by " + other.Public()},
		{"nobody signed it, and nobody is named", archive.Signer{}, "", "nobody signed it. "},
		{"nobody signed it", archive.Signer{}, s.by.Public(), "it is signed by nobody"},
		{"nobody signed it, which somebody accepts", archive.Signer{}, Unsigned, ""},
		{"somebody signed it, and nobody was to", s.by, Unsigned, "nobody was to have signed it"},
	} {
		t.Run(c.name, func(t *testing.T) {
			box := *s
			box.t, box.by = t, c.signer
			box.seal(func(*archive.About) {})
			_, err := box.restore(func(r *Restore) { r.OldBoxIsOff, r.SignedBy = true, c.asked })
			if (err == nil) != (c.is == "") || err != nil && (!errors.Is(err, ErrSigner) || !strings.Contains(err.Error(), c.is)) {
				t.Error(err)
			}
		})
	}
}

// A backup that is not what it says leaves nothing.
func TestRestoreRefusesWhatDoesNotAgree(t *testing.T) {
	off := func(r *Restore) { r.OldBoxIsOff = true }
	for name, change := range map[string]func(*archive.About){
		"other people": func(a *archive.About) { a.Store = strings.Repeat("0", 32) },
		"no sequence":  func(a *archive.About) { a.Last = lastRestorable + 1 },
	} {
		s := newSafe(t)
		s.seal(change)
		if _, err := s.restore(off); !errors.Is(err, archive.ErrDamaged) {
			t.Errorf("%s: %v", name, err)
		}
		s.seal(func(*archive.About) {})
		if _, err := s.restore(off); err != nil {
			t.Errorf("%s, another backup: %v", name, err)
		}
		if _, err := s.restore(func(r *Restore) { off(r); r.Data = s.path("") }); err == nil || !slices.Contains(strings.Fields(err.Error()), "empty;") {
			t.Errorf("%s, on a full directory: %v", name, err)
		}
	}
}
