package archive

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
)

// Verify reads every archive in dir from its first byte to its last and calls
// visit for each, in order, with nil or what is wrong with it; an error of visit
// ends it. Without identities only the sealed bytes are compared with the
// manifest; with them also what is in it with what was archived, and look, unless it
// is nil, is shown the first and the last 256 bytes of each sound segment: what it
// says is wrong is what is wrong. Files that the
// manifest does not name come last, as entries with a Name only and ErrForeign.
// The result is an error of the manifest, the directory, ctx or visit.
func Verify(ctx context.Context, dir string, ids Identities, look func(e Entry, head, tail []byte) error, visit func(Entry, error) error) (Header, error) {
	files, err := sealedFiles(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) { // List says that better
		return Header{}, err
	}
	strangers := map[string]bool{}
	for _, name := range files {
		strangers[name] = true
	}
	c := &coder{}
	h, err := List(dir, func(e Entry) error {
		delete(strangers, e.File())
		of := &ends{}
		err := c.copySealed(ctx, filepath.Join(dir, e.File()), nil, ids, e.sums(), of)
		if err == nil && look != nil && len(ids) > 0 {
			if err = look(e, of.head, of.tail); err != nil {
				err = damaged(filepath.Join(dir, e.File()), err.Error())
			}
		}
		if ended := ctx.Err(); ended != nil {
			return ended
		}
		return visit(e, err)
	})
	if err != nil {
		return h, err
	}
	for _, name := range slices.Sorted(maps.Keys(strangers)) {
		err := fmt.Errorf("%w: %s is not in the manifest; the night that wrote it was cut short, and the next one writes it again, or it was put there", ErrForeign, filepath.Join(dir, name))
		if err := visit(Entry{Name: name}, err); err != nil {
			return h, err
		}
	}
	return h, nil
}

// maxEnd is how much of a segment's beginning and end is looked at, in bytes.
const maxEnd = 256

// ends keeps the first and the last bytes of what is written to it.
type ends struct{ head, tail []byte }

func (e *ends) Write(b []byte) (int, error) {
	if room := maxEnd - len(e.head); room > 0 {
		e.head = append(e.head, b[:min(room, len(b))]...)
	}
	e.tail = append(e.tail, b[max(0, len(b)-maxEnd):]...)
	e.tail = append(e.tail[:0], e.tail[max(0, len(e.tail)-maxEnd):]...)
	return len(b), nil
}

// Extract opens the archive of e, an entry of dir's manifest, into the file
// out/e.Name. It appears whole and verified, or not at all; a file that is there
// already is left alone (fs.ErrExist). Errors: ErrKey, ErrDamaged, of ctx and disk.
func Extract(ctx context.Context, dir string, e Entry, ids Identities, out string) error {
	path := filepath.Join(out, e.Name)
	if len(ids) == 0 {
		return fmt.Errorf("%w: an archive opens with an identity only; name the identity file", ErrKey)
	}
	if err := e.follows(0); err != nil {
		return fmt.Errorf("%w: %w", ErrForeign, err)
	}
	if _, err := os.Lstat(path); err == nil {
		return fmt.Errorf("%s: %w; move it away or name another directory", path, fs.ErrExist)
	}
	var d disk
	f, err := d.create(path + tempSuffix)
	if err != nil {
		return diskError("create", path, err)
	}
	err = new(coder).copySealed(ctx, filepath.Join(dir, e.File()), nil, ids, e.sums(), f)
	if closing := d.finish(f); err == nil && closing != nil {
		err = diskError("write", path, closing)
	}
	if err == nil {
		err = d.publish(path+tempSuffix, path)
	}
	if err != nil {
		return errors.Join(err, d.remove(path+tempSuffix))
	}
	return nil
}
