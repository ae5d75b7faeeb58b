package backup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"gatehouse/cmd/gatehouse/daemon"
	"gatehouse/persistence"
	"gatehouse/persistence/archive"
	"gatehouse/persistence/journal"
	"gatehouse/persistence/store"
)

// Margin is how many events the old box may have recorded after the backup
// without one of their numbers being given again: 30 a second for a year.
const Margin = 1_000_000_000

// lastRestorable is the greatest cursor that a restore goes on from: numbers of
// events have 16 digits.
const lastRestorable = 9_000_000_000_000_000

// newSuffix is of the directory that becomes the data directory once it is whole.
const newSuffix = ".restored"

// ErrOldBox: the old box runs, or nobody knows.
var ErrOldBox = errors.New("two boxes must never run one building")

// ErrSigner: who made the backup is not known. Whoever has the public key of the
// recovery key can make one, with people and with a token of their own.
var ErrSigner = errors.New("who made this backup is not known")

// Unsigned in the place of a signer accepts a backup that nobody signed.
const Unsigned = "nobody"

// Restore says what to restore.
type Restore struct {
	File        string
	Data        string // absolute; empty or missing, and no mount point
	Identities  archive.Identities
	OldData     string // the old box's data directory, if it is here
	OldAddress  string // where the old box would answer; "": only where the backup says
	OldBoxIsOff bool   // somebody looked
	SignedBy    string // public key of who has to have signed it, or Unsigned
	Boot        uint64
}

// Restored says what was restored, and where the journal goes on.
type Restored struct {
	About archive.About
	Store store.Summary
	Epoch uint64
	First uint64
}

// Run makes the data directory of the backup: whole and synced, with a journal
// that goes on in the next epoch, or not at all. Errors: ErrOldBox, those of
// archive.ReadBackup and of the disk.
func (r *Restore) Run(ctx context.Context) (done Restored, err error) {
	if err := empty(r.Data); err != nil {
		return done, err
	}
	if _, err := healthOf(r.OldAddress); r.OldAddress != "" && err != nil {
		return done, fmt.Errorf("--from-address: %w", err)
	}
	f, err := os.Open(r.File)
	if err != nil {
		return done, fmt.Errorf("the backup cannot be read: %w; name a file that gatehouse backup made and this user may read", err)
	}
	defer func() { _ = f.Close() }() // opened for reading
	var old oldBox
	defer func() { err = errors.Join(err, old.release()) }()
	fresh := r.Data + newSuffix
	if _, err := os.Lstat(fresh); err == nil {
		return done, fmt.Errorf("%s is there already, left by a restore that was cut short; remove it", fresh)
	}
	done.About, err = archive.ReadBackup(ctx, f, r.Identities, fresh, func(a archive.About) error {
		if err := r.trusts(a); err != nil {
			return err
		}
		return old.check(ctx, r, a)
	})
	if err != nil {
		return done, err
	}
	if err := r.finish(fresh, &done); err != nil {
		return done, errors.Join(err, os.RemoveAll(fresh))
	}
	return done, nil
}

// trusts refuses a backup of whom nobody has said that they may have made it.
func (r *Restore) trusts(a archive.About) error {
	by := a.Signer
	if by == "" {
		by = Unsigned
	}
	switch {
	case by == r.SignedBy:
		return nil
	case r.SignedBy == "" && by != Unsigned:
		return fmt.Errorf("%w: it says that %s signed it. If that is the key that gatehouse backup named on the old box, say --signed-by %s", ErrSigner, by, by)
	case r.SignedBy == "":
		return fmt.Errorf("%w: nobody signed it. If you know where it was since it was made, say --signed-by %s", ErrSigner, Unsigned)
	}
	return fmt.Errorf("%w: %s was to have signed it, it is signed by %s; compare with what you noted, or take another backup", ErrSigner, r.SignedBy, by)
}

// empty refuses a directory with anything in it.
func empty(dir string) error {
	d, err := os.Open(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer func() { _ = d.Close() }() // opened for reading
	if _, err := d.Readdirnames(1); err != io.EOF {
		return errors.Join(fmt.Errorf("%s is not empty; name an empty directory with --data", dir), err)
	}
	return nil
}

// finish checks the store, begins the journal and puts all of it in place.
func (r *Restore) finish(fresh string, done *Restored) (err error) {
	a := done.About
	if done.Store, err = store.Examine(fresh); err != nil {
		return err
	}
	if done.Store.Fingerprint != a.Store {
		return fmt.Errorf("%w: the store's fingerprint is %s, it was %s; take another backup", archive.ErrDamaged, done.Store.Fingerprint, a.Store)
	}
	if a.Last > lastRestorable {
		return fmt.Errorf("%w: it says that the last event has the number %d; take another backup", archive.ErrDamaged, a.Last)
	}
	done.Epoch, done.First = a.Epoch+1, a.Last+Margin+1
	j, err := journal.Open(journal.Options{
		Dir: daemon.JournalDir(fresh), Building: a.Building, Boot: r.Boot, Epoch: done.Epoch, First: done.First,
	})
	if err != nil {
		return err
	}
	if err := j.Close(); err != nil {
		return err
	}
	return replace(fresh, r.Data)
}

// replace puts fresh where the empty or missing directory dir is, durably.
func replace(fresh, dir string) error {
	if err := persistence.SyncDir(fresh); err != nil {
		return err
	}
	if err := os.Remove(dir); err != nil && !errors.Is(err, fs.ErrNotExist) { // only if it is empty
		return err
	}
	return persistence.Publish(fresh, dir, nil)
}

// oldBox is what is known of the box that is replaced. Its data directory, if that
// is here, stays locked until the restore is done.
type oldBox struct{ unlock func() error }

func (b *oldBox) release() error {
	if b.unlock == nil {
		return nil
	}
	return b.unlock()
}

// check refuses to replace a box that runs. An address that does not answer proves
// nothing: a daemon listens on its own machine only. A data directory that nobody
// holds does.
func (b *oldBox) check(ctx context.Context, r *Restore, a archive.About) error {
	for _, address := range []string{a.Address, r.OldAddress} {
		health, err := healthOf(address)
		if err == nil && buildingAt(ctx, health) == a.Building {
			return fmt.Errorf("%w: %q answers at %s; stop it first", ErrOldBox, a.Building, address)
		}
	}
	off, err := b.lock(r, a)
	if err != nil {
		return err
	}
	if !off && !r.OldBoxIsOff {
		return fmt.Errorf("%w: whether the old box (%s) is off cannot be told from here; look, and then say --old-box-is-off, or name its data directory with --from-data", ErrOldBox, a.Data)
	}
	return nil
}

// lock takes the old data directory; off says that it is here, that it is the one
// that was backed up, and that nobody holds it.
func (b *oldBox) lock(r *Restore, a archive.About) (off bool, err error) {
	dir := a.Data
	if r.OldData != "" {
		dir = r.OldData
	}
	if dir == "" {
		return false, nil
	}
	owner, ownerErr := journal.Building(daemon.JournalDir(dir))
	ours := ownerErr == nil && owner == a.Building
	if r.OldData != "" && !ours {
		return false, fmt.Errorf("%s is no data directory of %q; name another with --from-data", dir, a.Building)
	}
	if ownerErr == nil && !ours {
		return false, nil // another building's, at the same place on this machine
	}
	b.unlock, err = persistence.Lock(dir)
	switch {
	case errors.Is(err, persistence.ErrLocked):
		return false, fmt.Errorf("%w: %w", ErrOldBox, err)
	case err != nil || !ours:
		return false, nil // it is not here
	}
	if err := isThatBox(dir, a); err != nil && r.OldData != "" {
		return false, fmt.Errorf("%s is not the data directory of the box that was backed up: %w; name another with --from-data", dir, err)
	} else if err != nil {
		return false, nil // a rehearsal, or what was restored here before
	}
	return true, nil
}

// isThatBox says why a data directory of the building cannot be the one that the
// backup was made of: a rehearsal has another life, or another epoch, and a copy
// from before the backup ends before its last event.
func isThatBox(dir string, a archive.About) error {
	j, err := journal.OpenReadOnly(daemon.JournalDir(dir), a.Building)
	if err != nil {
		return err
	}
	at := daemon.CursorsOf(j)
	switch {
	case a.Life != "" && at.Life != a.Life:
		return errors.New("its journal is another one (it has another life)")
	case at.Epoch < a.Epoch || a.Life == "" && at.Epoch > a.Epoch:
		return fmt.Errorf("its journal is in epoch %d, the backup's in epoch %d", at.Epoch, a.Epoch)
	case at.Last < a.Last:
		return fmt.Errorf("its journal ends with event %d, the backup was made after event %d", at.Last, a.Last)
	}
	return nil
}
