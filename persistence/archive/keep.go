package archive

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// clockSkew is how far ahead of the clock a backup's time may be. One that is
// further ahead was made while the clock was wrong.
const clockSkew = time.Hour

// backupTime is the time that is in the name of a backup's file.
func backupTime(name string) (made time.Time, ok bool) {
	made, err := time.Parse(backupTimes, name)
	return made, err == nil
}

// NewestBackup is the time, to the second, of the newest backup in a directory, by
// the names of its files (BackupName); the zero time without one. What is named by
// a time more than an hour after now does not count.
func NewestBackup(dir string, now time.Time) (newest time.Time, err error) {
	list, _, err := backupsIn(dir)
	for _, made := range list {
		if made.After(newest) && !made.After(now.Add(clockSkew)) {
			newest = made
		}
	}
	return newest, err
}

// KeepBackups removes the oldest backups of a directory until keep of them are
// left, and what a crash left of one. It removes neither the one that was made last
// nor anything that is named otherwise. No backup may be under way in dir.
func KeepBackups(dir string, last time.Time, keep int) error {
	list, cut, err := backupsIn(dir)
	if err != nil {
		return err
	}
	// What was made while the clock was wrong is the first to go.
	age := func(made time.Time) int64 {
		if made.After(last.Add(clockSkew)) {
			return made.Unix() - 1<<40
		}
		return made.Unix()
	}
	slices.SortFunc(list, func(a, b time.Time) int { return cmp.Compare(age(a), age(b)) })
	list = slices.DeleteFunc(list, func(made time.Time) bool { return made.Equal(last.Truncate(time.Second)) })
	for _, made := range list[:max(0, len(list)-max(0, keep-1))] {
		cut = append(cut, BackupName(made))
	}
	var errs []error
	for _, name := range cut {
		errs = append(errs, os.Remove(filepath.Join(dir, name)))
	}
	return errors.Join(errs...)
}

// backupsIn lists the times of a directory's backups, and the names of those that
// a crash cut short.
func backupsIn(dir string) (list []time.Time, cut []string, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, nil, fmt.Errorf("the directory of backups cannot be read: %w", err)
	}
	for _, e := range entries {
		if !e.Type().IsRegular() {
			continue
		}
		whole, isCut := strings.CutSuffix(e.Name(), tempSuffix)
		switch made, ok := backupTime(whole); {
		case ok && isCut:
			cut = append(cut, e.Name())
		case ok:
			list = append(list, made)
		}
	}
	return list, cut, nil
}
