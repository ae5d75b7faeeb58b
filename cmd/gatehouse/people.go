package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"gatehouse/access"
	"gatehouse/cmd/gatehouse/daemon"
	"gatehouse/persistence"
	"gatehouse/persistence/journal"
	"gatehouse/persistence/store"
)

type peopleCmd struct {
	Import importCmd `cmd:"" help:"Take the people of a CSV file into the store, all or none."`
	Erase  eraseCmd  `cmd:"" help:"Remove a person with all credentials and values, for good."`
}

// commandLine is who changes what these commands change.
const commandLine access.OperatorID = "command-line"

type importCmd struct {
	Data string `default:"data" placeholder:"DIR" help:"Data directory (default: ./data)."`
	File string `arg:"" help:"CSV file; its first line names the columns: id, name, valid_from, valid_until, levels, suspended, credential_id, card_facility, card_number, credential_valid_from, credential_valid_until, credential_suspended."`
}

// Run imports people.
func (c *importCmd) Run(p *process) error {
	f, err := os.Open(c.File)
	if err != nil {
		return withCode(exitMistakes, fmt.Errorf("the file cannot be read: %w", err))
	}
	defer func() { _ = f.Close() }() // opened for reading
	return changePeople(p, c.Data, func(_ string, s *store.Store, by store.Author) error {
		report, err := s.Import(f, store.ImportOptions{Author: by, Progress: progress(p)})
		if mistakes, ok := errors.AsType[*store.Mistakes](err); ok {
			return withCode(exitMistakes, p.showMistakes(c.File, mistakes))
		}
		if err != nil {
			return err
		}
		fmt.Fprintf(p.out, "%s read: %s added, %d changed; %s added, %d changed, %d removed; version %d\n",
			count(report.Lines, "line", "lines"), count(report.HoldersAdded, "person", "people"), report.HoldersChanged,
			count(report.CredentialsAdded, "credential", "credentials"), report.CredentialsChanged, report.CredentialsRemoved, report.Version)
		return nil
	})
}

// progress says on a terminal how far an import is, and elsewhere nothing but
// each hundred thousandth line.
func progress(p *process) func(stage string, done int) {
	return func(stage string, done int) {
		switch {
		case p.tty && stage == "lines":
			fmt.Fprintf(p.err, "\r%d lines read ", done)
		case p.tty:
			fmt.Fprintf(p.err, "\rsorting %s: %d of them ", stage, done)
		case stage == "lines" && done > 0 && done%100_000 == 0:
			fmt.Fprintf(p.err, "%d lines read\n", done)
		}
	}
}

// showMistakes prints a line for each mistake, as compilers write them.
func (p *process) showMistakes(file string, m *store.Mistakes) error {
	for _, one := range m.List {
		fmt.Fprintf(p.err, "%s:%d:%d: %s\n", file, one.Line, one.Column, one.Text)
	}
	return fmt.Errorf("%s; nothing is imported: correct what is wrong and try again", count(len(m.List)+m.More, "mistake", "mistakes"))
}

type eraseCmd struct {
	Data string `default:"data" placeholder:"DIR" help:"Data directory (default: ./data)."`
	ID   string `arg:"" help:"Id of the cardholder."`
}

// Run erases a person.
func (c *eraseCmd) Run(p *process) error {
	return changePeople(p, c.Data, func(data string, s *store.Store, by store.Author) error {
		n, err := s.Erase(access.CardholderID(c.ID), by)
		if errors.Is(err, store.ErrUnknown) {
			return withCode(exitMistakes, err)
		}
		if err != nil {
			return err
		}
		fmt.Fprintf(p.out, "erased %s with %s\n", c.ID, count(n, "credential", "credentials"))
		fmt.Fprintf(p.err, "note: if the site file names %s, take it out there, too: the next start brings back whom it names\n", c.ID)
		for _, pattern := range []string{store.FileName + ".*", "backup/*", "backup.tmp/*"} {
			copies, _ := filepath.Glob(filepath.Join(data, pattern)) // the pattern is sound
			for _, path := range copies {
				fmt.Fprintf(p.err, "warning: %s is an older copy and may still hold the values: delete it once it is not needed\n", path)
			}
		}
		return nil
	})
}

// changePeople makes a change in a data directory that no daemon uses, and tells
// the journal.
func changePeople(p *process, data string, change func(data string, s *store.Store, by store.Author) error) (err error) {
	data, err = dataDir(data)
	if err != nil {
		return err
	}
	unlock, err := persistence.Lock(data)
	if errors.Is(err, persistence.ErrLocked) {
		return withCode(exitRefused, fmt.Errorf("a gatehouse runs on %s: stop it, change people, and start it again", data))
	}
	if err != nil {
		return withCode(exitRefused, err)
	}
	defer func() { err = errors.Join(err, unlock()) }()
	if _, err := os.Stat(filepath.Join(data, store.FileName)); err != nil {
		return withCode(exitRefused, fmt.Errorf("there is no store in %s: start the building once, or name another directory with --data", data))
	}
	s, err := store.Open(store.Options{Dir: data})
	if err != nil {
		return withCode(exitRefused, err)
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	if err := change(data, s, store.Author{Operator: commandLine, Time: p.now().UTC()}); err != nil {
		return err
	}
	if err := recordChanges(p, data, s); err != nil {
		fmt.Fprintf(p.err, "warning: the change is made, but the journal does not have it yet: %v; the next start of the building records it\n", err)
	}
	return nil
}

// recordChanges tells the journal, if there is one.
func recordChanges(p *process, data string, s *store.Store) (err error) {
	dir := daemon.JournalDir(data)
	building, err := journal.Building(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // the first start makes it, and records the change
	}
	if err != nil {
		return err
	}
	j, err := journal.Open(journal.Options{Dir: dir, Building: building, Boot: p.boot})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, j.Close()) }()
	_, err = daemon.RecordChanges(s, j.Commit, access.ClockUnknown)
	return err
}
