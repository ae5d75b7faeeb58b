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
	"path"
	"path/filepath"
	"time"
)

// A backup is age(zstd(tar)): first aboutName, the About; then the members; last
// contentsName, what they have to be, and signatureName, who says so.
const (
	aboutName     = "BACKUP.json"
	contentsName  = "CONTENTS.json"
	signatureName = "SIGNATURE.json"
	backupFormat  = 2 // 1 has no signature

	// MaxMembers is the greatest number of members of a backup.
	MaxMembers = 1000
	// MaxBackupBytes is the greatest length of all members together.
	MaxBackupBytes = 64 << 30
	maxName        = 200
	maxJSON        = 1 << 20
)

// About says what a backup is of. Only Building is required; the rest is for
// whoever restores it.
type About struct {
	Format   int       `json:"backup"` // set by WriteBackup
	Building string    `json:"building"`
	Epoch    uint64    `json:"epoch"`              // of the journal
	Life     string    `json:"life,omitempty"`     // of the journal; "": not known
	Last     uint64    `json:"last"`               // sequence of the last event that was there
	Archived uint64    `json:"archived,omitempty"` // sequence of the last event that was archived
	Made     time.Time `json:"made"`               // of the snapshot
	Data     string    `json:"data,omitempty"`     // the data directory it was made of
	Address  string    `json:"address,omitempty"`  // where its daemon answers
	Store    string    `json:"store,omitempty"`    // fingerprint of the store's contents
	Signer   string    `json:"signer,omitempty"`   // who signed it, set by WriteBackup; "": nobody
}

// Member is one file of a backup.
type Member struct {
	Name string      // path in the data directory, with slashes: "store.db", "tls/key.pem"
	Mode fs.FileMode // permissions, such as 0600
	Path string      // where it is read from; nobody may change it meanwhile
}

// content is what a member has to be.
type content struct {
	Name   string      `json:"name"`
	Mode   fs.FileMode `json:"mode"`
	Bytes  int64       `json:"bytes"`
	SHA256 string      `json:"sha256"`
}

// backupTimes is the layout of the name of a backup's file.
const backupTimes = "backup-20060102T150405Z.tar.zst.age"

// BackupName is the name of a backup's file, by the time of its snapshot.
func BackupName(made time.Time) string {
	return made.UTC().Format(backupTimes)
}

// WriteBackup seals the members into the new file at dst, which appears whole,
// synced and read back, or not at all; one that is there already is left alone
// (fs.ErrExist). Memory does not depend on the members' length. Errors also:
// ErrMembers, ErrKey, those of ctx, Pace and the disk.
func WriteBackup(ctx context.Context, dst string, s Sealing, about About, members []Member) error {
	if about.Building == "" || len(about.Building) > maxBuilding {
		return fmt.Errorf("%w: it has to be of a building with an id of 1 to %d bytes", ErrMembers, maxBuilding)
	}
	if err := checkMembers(members); err != nil {
		return err
	}
	if _, err := os.Lstat(dst); err == nil {
		return fmt.Errorf("%s: %w; move it away or name another file", dst, fs.ErrExist)
	}
	about.Format, about.Signer = backupFormat, s.Signer.Public()
	if _, err := s.write(ctx, dst+tempSuffix, func(to io.Writer) error { return pack(to, about, members, s.Signer) }); err != nil {
		return err
	}
	if err := s.disk.publish(dst+tempSuffix, dst); err != nil {
		return diskError("name", dst, err)
	}
	return nil
}

func checkMembers(members []Member) error {
	if len(members) == 0 || len(members) > MaxMembers {
		return fmt.Errorf("%w: it has %d members, 1 to %d are possible", ErrMembers, len(members), MaxMembers)
	}
	seen := map[string]bool{}
	for _, m := range members {
		if err := checkMember(seen, m.Name, int64(m.Mode)); err != nil {
			return err
		}
	}
	return nil
}

// checkMember refuses what would leave the directory, replace another member, or
// be more than a plain file.
func checkMember(seen map[string]bool, name string, mode int64) error {
	switch {
	case !fs.ValidPath(name) || !filepath.IsLocal(filepath.FromSlash(name)) || name == "." || len(name) > maxName || !plainText(name):
		return fmt.Errorf("%w: %q is no name for a member", ErrMembers, name)
	case seen[name] || name == aboutName || name == contentsName || name == signatureName:
		return fmt.Errorf("%w: %q is in it twice", ErrMembers, name)
	case mode&^0o777 != 0:
		return fmt.Errorf("%w: %q is more than a plain file (mode %o)", ErrMembers, name, mode)
	}
	for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
		if seen[dir] {
			return fmt.Errorf("%w: %q is a file and a directory", ErrMembers, dir)
		}
	}
	for other := range seen {
		if len(other) > len(name) && other[:len(name)] == name && other[len(name)] == '/' {
			return fmt.Errorf("%w: %q is a file and a directory", ErrMembers, name)
		}
	}
	seen[name] = true
	return nil
}

// plainText: letters, digits and a few signs, so that a name is the same anywhere.
func plainText(name string) bool {
	for _, c := range []byte(name) {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9':
		case c == '.', c == '-', c == '_', c == '/':
		default:
			return false
		}
	}
	return true
}

func pack(to io.Writer, about About, members []Member, by Signer) error {
	t := tar.NewWriter(to)
	first, err := packJSON(t, aboutName, about)
	if err != nil {
		return err
	}
	var contents []content
	left := int64(MaxBackupBytes)
	for _, m := range members {
		c, err := packMember(t, m, left)
		if err != nil {
			return err
		}
		contents = append(contents, c)
		left -= c.Bytes
	}
	last, err := packJSON(t, contentsName, contents)
	if err == nil && about.Signer != "" {
		_, err = packJSON(t, signatureName, by.sign(first, last))
	}
	if err != nil {
		return err
	}
	return t.Close()
}

func packJSON(t *tar.Writer, name string, v any) ([]byte, error) {
	b, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		return nil, err
	}
	if err := t.WriteHeader(&tar.Header{Name: name, Mode: 0o600, Size: int64(len(b)), Format: tar.FormatUSTAR}); err != nil {
		return nil, err
	}
	_, err = t.Write(b)
	return b, err
}

func packMember(t *tar.Writer, m Member, left int64) (content, error) {
	f, size, err := openForReading(m.Path)
	if err != nil {
		return content{}, diskError("open", m.Path, err)
	}
	defer func() { _ = f.Close() }() // opened for reading
	if size > left {
		return content{}, tooLong(m.Path)
	}
	if err := t.WriteHeader(&tar.Header{Name: m.Name, Mode: int64(m.Mode), Size: size, Format: tar.FormatGNU}); err != nil {
		return content{}, fmt.Errorf("%w: %s: %w", ErrMembers, m.Name, err)
	}
	out := newMeter(t)
	err = copyExactly(out, f, size)
	dropPages(f)
	if errors.Is(err, errChanged) || errors.Is(err, tar.ErrWriteTooLong) {
		return content{}, fmt.Errorf("%w: %s: %w; back up a snapshot of it", ErrMembers, m.Path, errChanged)
	}
	if err != nil {
		return content{}, err
	}
	return content{m.Name, m.Mode, size, out.digest().SHA256}, nil
}

func tooLong(name string) error {
	return fmt.Errorf("%w: with %s its members are longer than %d bytes; leave some out", ErrMembers, name, int64(MaxBackupBytes))
}
