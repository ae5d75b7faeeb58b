package archive

import (
	"archive/tar"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

const restoringSuffix = ".restoring"

// ReadBackup opens a backup and makes the directory dir of it, which must be empty
// or missing: all of its members, verified and synced, or nothing. accept is asked
// once, before anything is written, and its error ends it; that About.Signer really
// signed it is verified before dir appears. The members wait in
// dir+".restoring" until all are there; one that a crash left is refused until it
// is removed. dir must not be a mount point. Errors: ErrKey, ErrDamaged,
// ErrVersion, ErrMembers, those of accept, ctx and the disk.
func ReadBackup(ctx context.Context, src io.Reader, ids Identities, dir string, accept func(About) error) (About, error) {
	dir = filepath.Clean(dir)
	if err := emptyOrMissing(dir); err != nil {
		return About{}, err
	}
	if len(ids) == 0 {
		return About{}, fmt.Errorf("%w: a backup opens with an identity only; name the recovery key's file", ErrKey)
	}
	in := newSource(ctx, src, nil)
	p, err := new(coder).unseal(in, ids, MaxBackupBytes+64<<20) // with the headers
	if err != nil {
		return About{}, backupError(in, err)
	}
	u := &unpacking{tar: tar.NewReader(p), rest: p, into: dir + restoringSuffix, seen: map[string]bool{}}
	about, err := u.about()
	if err != nil {
		return about, backupError(in, err)
	}
	if err := accept(about); err != nil {
		return about, err
	}
	return about, backupError(in, u.restore(dir))
}

// backupError tells a fault of the disk and a refusal from damage.
func backupError(in *source, err error) error {
	switch {
	case err == nil:
		return nil
	case in.failed != nil:
		return fmt.Errorf("cannot read the backup: %w", in.failed)
	case errors.Is(err, errHere), errors.Is(err, ErrMembers), errors.Is(err, ErrVersion), errors.Is(err, ErrKey):
		return err
	}
	return fmt.Errorf("%w: the backup cannot be used: %w; take another one", ErrDamaged, err)
}

// errHere marks faults of the directory that is restored to.
var errHere = errors.New("nothing was restored")

func here(what, path string, err error) error {
	return fmt.Errorf("%w: %w", errHere, diskError(what, path, err))
}

func emptyOrMissing(dir string) error {
	f, err := os.Open(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return here("open", dir, err)
	}
	defer func() { _ = f.Close() }() // opened for reading
	_, err = f.Readdirnames(1)
	if err == nil {
		return fmt.Errorf("%w: %s is not empty; name an empty directory", ErrMembers, dir)
	}
	if err != io.EOF {
		return here("read", dir, err)
	}
	return nil
}

// unpacking is a backup that is being read.
type unpacking struct {
	tar   *tar.Reader
	rest  io.Reader // what tar reads from
	into  string
	seen  map[string]bool
	done  []content
	bytes int64    // of all members so far
	first []byte   // the About
	by    string   // who signed it; "": nobody
	dirs  []string // that were made, parents first
	disk  disk
}

func (u *unpacking) about() (About, error) {
	var a About
	h, err := u.next()
	if err != nil {
		return a, err
	}
	if h.Name != aboutName {
		return a, errors.New("this is no backup of gatehouse")
	}
	if u.first, err = u.json(h, &a); err != nil {
		return a, err
	}
	u.by = a.Signer
	if a.Format > backupFormat {
		return a, fmt.Errorf("backup: %w; use the gatehouse that wrote it", ErrVersion)
	}
	if a.Format < 1 || a.Building == "" || len(a.Building) > maxBuilding {
		return a, errors.New("it does not say whose it is")
	}
	return a, nil
}

func (u *unpacking) next() (*tar.Header, error) {
	h, err := u.tar.Next()
	if err == io.EOF {
		return nil, errors.New("its end is missing")
	}
	if err != nil {
		return nil, err
	}
	if h.Typeflag != tar.TypeReg {
		return nil, fmt.Errorf("%w: %q is no plain file", ErrMembers, h.Name)
	}
	return h, nil
}

func (u *unpacking) json(h *tar.Header, v any) ([]byte, error) {
	if h.Size > maxJSON {
		return nil, fmt.Errorf("%w: %s has %d bytes", ErrMembers, h.Name, h.Size)
	}
	b, err := io.ReadAll(u.tar)
	if err != nil {
		return nil, err
	}
	return b, json.Unmarshal(b, v)
}

// restore unpacks the members beside dir and puts them into its place.
func (u *unpacking) restore(dir string) (err error) {
	if err := os.Mkdir(u.into, 0o700); err != nil {
		if errors.Is(err, fs.ErrExist) {
			return fmt.Errorf("%w: %s is there already, left by a restore that was cut short; remove it", ErrMembers, u.into)
		}
		return here("make", u.into, err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.RemoveAll(u.into))
		}
	}()
	u.dirs = []string{u.into}
	if err := u.members(); err != nil {
		return err
	}
	for _, made := range slices.Backward(u.dirs) {
		if err := u.disk.syncDir(made); err != nil {
			return here("sync", made, err)
		}
	}
	if err := os.Remove(dir); err != nil && !errors.Is(err, fs.ErrNotExist) { // only if it is empty
		return here("replace", dir, err)
	}
	if err := u.disk.publish(u.into, dir); err != nil {
		return here("name", dir, err)
	}
	return nil
}

// members unpacks up to the list of contents, which has to agree.
func (u *unpacking) members() error {
	for {
		h, err := u.next()
		if err != nil {
			return err
		}
		if h.Name == contentsName {
			return u.contents(h)
		}
		if len(u.done) == MaxMembers {
			return fmt.Errorf("%w: it has more than %d members", ErrMembers, MaxMembers)
		}
		if err := checkMember(u.seen, h.Name, h.Mode); err != nil {
			return err
		}
		if u.bytes += h.Size; h.Size > MaxBackupBytes || u.bytes > MaxBackupBytes {
			return tooLong(h.Name)
		}
		if err := u.member(h); err != nil {
			return err
		}
	}
}

func (u *unpacking) contents(h *tar.Header) error {
	var want []content
	last, err := u.json(h, &want)
	if err != nil {
		return err
	}
	if !slices.Equal(want, u.done) {
		return errors.New("its members are not those that it lists")
	}
	if err := u.signature(last); err != nil {
		return err
	}
	if _, err := u.tar.Next(); err != io.EOF {
		return errors.New("there is more after its end")
	}
	n, err := io.Copy(io.Discard, io.LimitReader(u.rest, maxJSON))
	if err == nil && n == maxJSON {
		err = errors.New("there is more after its end")
	}
	return err
}

// signature reads who signed it, if anybody did.
func (u *unpacking) signature(last []byte) error {
	if u.by == "" {
		return nil
	}
	h, err := u.next()
	if err != nil {
		return err
	}
	var sum signature
	if _, err := u.json(h, &sum); err != nil {
		return err
	}
	if h.Name != signatureName || !sum.by(u.by, u.first, last) {
		return fmt.Errorf("it is not signed by %s as it says", u.by)
	}
	return nil
}

func (u *unpacking) member(h *tar.Header) error {
	path := filepath.Join(u.into, filepath.FromSlash(h.Name))
	if err := u.parents(filepath.Dir(path)); err != nil {
		return here("make", filepath.Dir(path), err)
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return here("create", path, err)
	}
	out := newMeter(f)
	_, err = io.Copy(out, u.tar)
	if err == nil {
		err = f.Chmod(fs.FileMode(h.Mode))
	}
	closing := u.disk.finish(f)
	switch {
	case err != nil && out.failed == nil:
		return err // of the backup
	case err != nil || closing != nil:
		return here("write", path, errors.Join(err, closing))
	}
	u.done = append(u.done, content{h.Name, fs.FileMode(h.Mode), h.Size, out.digest().SHA256})
	return nil
}

// parents makes the directories down to dir that are not there yet.
func (u *unpacking) parents(dir string) error {
	if slices.Contains(u.dirs, dir) {
		return nil
	}
	if err := u.parents(filepath.Dir(dir)); err != nil {
		return err
	}
	u.dirs = append(u.dirs, dir)
	return os.Mkdir(dir, 0o700)
}
