package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
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
	aside := path + ".bad-" + o.Recover.Now.UTC().Format("20060102T150405Z")
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
	return fmt.Errorf("%w; it is kept as %s, and a new one was made from %s: every acknowledged change is in it",
		damage, filepath.Base(aside), source), nil
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
	b := newBuild(o.Dir, nil)
	defer b.discard()
	if _, err := b.old(people, ""); err != nil {
		return err
	}
	return makeFile(path, o.step, func(db *database) error { return b.fill(db, c) })
}
