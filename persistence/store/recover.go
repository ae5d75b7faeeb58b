package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"gatehouse/persistence"
)

// Recover says what an opening does about a damaged store.
type Recover struct {
	Now     time.Time // names the file that is set aside
	Backups string    // a directory with plain copies of stores (*.db); "": none
}

// recoverStore sets a damaged store aside and makes a new one of the boot image,
// which is replaced before a change is acknowledged: so nothing acknowledged is
// undone. People who are too many for the image come from the backup that has
// exactly the people that the image was made with. Where there is neither, nothing
// is touched: which changes may be given up, a person must say.
func recoverStore(o *Options, damage error) (recovered, err error) {
	path := filepath.Join(o.Dir, FileName)
	c, people, err := readImage(filepath.Join(o.Dir, ImageName))
	if err != nil {
		return nil, damage
	}
	source, backup := ImageName, ""
	if people == nil {
		if backup = samePeople(o, c); backup == "" {
			return nil, damage
		}
		source = filepath.Base(backup) + " and " + ImageName
	}
	aside := path + asideMark + o.Recover.Now.UTC().Format(asideLayout)
	if err := keepAside(path, aside, o.step); err != nil {
		return nil, fmt.Errorf("%w; it cannot be set aside: %w", damage, err)
	}
	if people != nil {
		err = makeStore(o, path, c, people)
	} else {
		err = makeFromBackup(o, path, backup, c)
	}
	if err != nil {
		return nil, fmt.Errorf("%w; a new one cannot be made: %w", damage, err)
	}
	return fmt.Errorf("%w; it is kept as %s, and a new one was made from %s: every acknowledged change is in it%s",
		damage, filepath.Base(aside), source, keepFew(path)), nil
}

const (
	asideMark   = ".bad-"
	asideLayout = "20060102T150405Z"
	// keepBad is how many stores that were set aside stay: a disk that fails again and
	// again must not be filled by them.
	keepBad = 3
)

// keepFew removes the oldest stores that were set aside, and says so.
func keepFew(path string) (said string) {
	list, _ := filepath.Glob(path + asideMark + "*") // the pattern is sound
	list = slices.DeleteFunc(list, func(name string) bool {
		_, err := time.Parse(asideLayout, strings.TrimPrefix(name, path+asideMark))
		return err != nil
	})
	gone := 0
	for _, name := range list[:max(0, len(list)-keepBad)] { // in the order of their times
		if os.Remove(name) == nil {
			gone++
		}
	}
	if gone == 0 {
		return ""
	}
	return fmt.Sprintf("; %d set aside before were removed, the newest %d stay", gone, keepBad)
}

// keepAside gives the damaged file a second name; its own goes to the new store in
// one step. What has that name already is not replaced.
func keepAside(path, aside string, step func(string) error) error {
	if err := os.Link(path, aside); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	if step != nil {
		if err := step("syncdir"); err != nil {
			return err
		}
	}
	return persistence.SyncDir(filepath.Dir(path))
}

// samePeople finds the backup with the people that an image was made with.
func samePeople(o *Options, c *contents) (path string) {
	if o.Recover.Backups == "" {
		return ""
	}
	list, _ := filepath.Glob(filepath.Join(o.Recover.Backups, "*.db")) // the pattern is sound
	full := *o
	full.walkBytes = 1 << 62
	for _, path := range list {
		i, err := inspect(path, &full)
		if err == nil && i.contents.meta.Building == c.meta.Building &&
			i.contents.meta.People == c.meta.People && i.contents.meta.Tables == c.meta.Tables {
			return path
		}
	}
	return ""
}

// makeFromBackup makes a store of the backup's people and everything else of c.
func makeFromBackup(o *Options, path, backup string, c *contents) error {
	f, err := os.Open(backup)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }() // opened for reading
	info, err := f.Stat()
	if err != nil {
		return err
	}
	_, people, err := readContents(f, info.Size(), 0)
	if err != nil {
		return err
	}
	b := newBuild(context.Background(), o.Dir, nil)
	defer b.discard()
	if _, err := b.old(people, ""); err != nil {
		return err
	}
	return makeFile(path+".tmp", path, o.step, func(db *database) error { return b.fill(db, c) })
}
