package backup

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"gatehouse/cmd/gatehouse/daemon"
	"gatehouse/edge/httpapi"
	"gatehouse/persistence"
	"gatehouse/persistence/archive"
	"gatehouse/persistence/journal"
	"gatehouse/persistence/store"
)

// signerFile has the key that a box signs its backups with. It goes on with the
// building: a box that was restored has it too.
const signerFile = "backup-key"

// secretFiles of a data directory are in every backup, where they exist.
var secretFiles = []string{httpapi.TokenFile, signerFile}

// snapshotDir is where the copy of the store waits until it is sealed. It holds
// names and card numbers in the clear, so it never leaves the data directory.
const snapshotDir = daemon.SnapshotDir

// Source is a building that is backed up.
type Source interface {
	// CopyStore writes a snapshot of the store to a new file, at full speed.
	CopyStore(path string, now time.Time) error
	// Reached is where the journal is.
	Reached() (daemon.Cursors, error)
}

// Job says what to back up, and how.
type Job struct {
	Source   Source
	Building string
	Data     string // absolute
	Address  string // where the daemon answers; "": nowhere
	To       string // a new file, or a directory: then the file is named by the time
	Sealing  archive.Sealing
	Now      time.Time
	// Free says how much can still be written to a directory's disk; nil: asks the
	// machine.
	Free func(dir string) (int64, error)
}

// Done says what was backed up.
type Done struct {
	File  string
	Bytes int64
	About archive.About
	Store store.Summary
	// Signer is the public key of whoever signed it, which a restore asks for.
	Signer string
}

// signerOf reads the key of a data directory, or makes one.
func signerOf(data string) (archive.Signer, error) {
	path := filepath.Join(data, signerFile)
	text, err := os.ReadFile(path)
	if err == nil {
		s, err := archive.ParseSigner(string(text))
		if err != nil {
			err = fmt.Errorf("%s: %w; restore the file, or remove it: backups are then signed by a new key", path, err)
		}
		return s, err
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return archive.Signer{}, err
	}
	s, err := archive.NewSigner()
	if err != nil {
		return s, err
	}
	if err := persistence.ReplaceFile(path, []byte(s.Secret()), nil); err != nil {
		return s, fmt.Errorf("the key that signs backups cannot be made: %w; check the disk and its free space", err)
	}
	return s, nil
}

// Make makes a backup: whole, synced and read back, or not at all. One at a time
// for a data directory.
func Make(ctx context.Context, j Job) (done Done, err error) {
	done.File = j.To
	if info, err := os.Stat(j.To); err == nil && info.IsDir() {
		done.File = filepath.Join(j.To, archive.BackupName(j.Now))
	}
	if err := j.room(j.Data, filepath.Join(j.Data, store.FileName), "a copy of the store"); err != nil {
		return done, err
	}
	if j.Sealing.Signer, err = signerOf(j.Data); err != nil {
		return done, err
	}
	done.Signer = j.Sealing.Signer.Public()
	temp := filepath.Join(j.Data, snapshotDir)
	if err := errors.Join(os.RemoveAll(temp), os.Mkdir(temp, 0o700)); err != nil {
		return done, fmt.Errorf("no room for a copy of the store: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(temp)) }()
	if err := j.snapshot(temp, &done); err != nil {
		return done, err
	}
	if err := j.room(filepath.Dir(done.File), filepath.Join(temp, store.FileName), "the backup, which may not get smaller than the store"); err != nil {
		return done, err
	}
	if err := archive.WriteBackup(ctx, done.File, j.Sealing, done.About, j.members(temp)); err != nil {
		return done, err
	}
	info, err := os.Stat(done.File)
	if err != nil {
		return done, err
	}
	done.Bytes = info.Size()
	return done, nil
}

// room refuses to begin what would fill the disk of dir: it has to take as much as
// the file like is long. Where the machine cannot say how much is free, it is tried.
func (j *Job) room(dir, like, what string) error {
	free := j.Free
	if free == nil {
		free = daemon.FreeBytes
	}
	left, err := free(dir)
	if errors.Is(err, errors.ErrUnsupported) {
		return nil
	}
	info, statErr := os.Stat(like)
	if err = errors.Join(err, statErr); err != nil {
		return fmt.Errorf("whether there is room for %s cannot be told: %s: %w; name a directory that exists", what, dir, err)
	}
	if left < info.Size() {
		return fmt.Errorf("no room for %s: %s has %d bytes left and it takes up to %d; make room, or name another disk", what, dir, left, info.Size())
	}
	return nil
}

// snapshot copies the store and proves the copy. The journal's cursor is read
// after it, so nothing in the store is newer.
func (j *Job) snapshot(temp string, done *Done) error {
	if err := j.Source.CopyStore(filepath.Join(temp, store.FileName), j.Now); err != nil {
		return err
	}
	var err error
	if done.Store, err = store.Examine(temp); err != nil {
		return fmt.Errorf("the copy of the store cannot be used: %w", err)
	}
	at, err := j.Source.Reached()
	if err != nil {
		return fmt.Errorf("where the journal is cannot be told: %w", err)
	}
	done.About = archive.About{
		Building: j.Building, Epoch: at.Epoch, Life: at.Life, Last: at.Last, Archived: at.Archived, Made: j.Now.UTC(), Data: j.Data, Address: j.Address,
		Store: done.Store.Fingerprint,
	}
	return nil
}

func (j *Job) members(temp string) []archive.Member {
	list := []archive.Member{{Name: store.FileName, Mode: 0o600, Path: filepath.Join(temp, store.FileName)}}
	for _, name := range secretFiles {
		path := filepath.Join(j.Data, name)
		if info, err := os.Stat(path); err == nil {
			list = append(list, archive.Member{Name: name, Mode: info.Mode().Perm(), Path: path})
		}
	}
	return list
}

// Stopped is a data directory that no daemon uses; the caller holds its lock.
type Stopped struct {
	Data  string
	store *store.Store
}

// OpenStopped opens the store of a data directory.
func OpenStopped(data string) (*Stopped, error) {
	if _, err := os.Stat(filepath.Join(data, store.FileName)); err != nil {
		return nil, fmt.Errorf("there is no store in %s: start the building once, or name another directory with --data", data)
	}
	s, err := store.Open(store.Options{Dir: data})
	return &Stopped{data, s}, err
}

// CopyStore copies the store.
func (s *Stopped) CopyStore(path string, now time.Time) error { return s.store.CopyTo(path, now) }

// Building is whose journal it is.
func (s *Stopped) Building() (string, error) {
	building, err := journal.Building(daemon.JournalDir(s.Data))
	if err != nil {
		return "", fmt.Errorf("the journal cannot be read: %w; start the building once", err)
	}
	return building, nil
}

// Reached reads the journal.
func (s *Stopped) Reached() (daemon.Cursors, error) {
	j, err := journal.OpenReadOnly(daemon.JournalDir(s.Data), "")
	if err != nil {
		return daemon.Cursors{}, err
	}
	return daemon.CursorsOf(j), j.Close()
}

// Close closes the store.
func (s *Stopped) Close() error { return s.store.Close() }
