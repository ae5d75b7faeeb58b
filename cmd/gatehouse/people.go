package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"

	"gatehouse/access"
	"gatehouse/cmd/gatehouse/daemon"
	"gatehouse/cmd/gatehouse/site"
	"gatehouse/edge/httpapi"
	"gatehouse/persistence"
	"gatehouse/persistence/journal"
	"gatehouse/persistence/store"
	"gatehouse/supervisor"
)

type peopleCmd struct {
	Import importCmd `cmd:"" help:"Take the people of a CSV file into the store, all or none, also while the building runs."`
	Erase  eraseCmd  `cmd:"" help:"Remove a person with all credentials and values, for good, also while the building runs."`
}

// commandLine is who changes what these commands change while no daemon runs.
const commandLine access.OperatorID = "command-line"

type importCmd struct {
	Data string `default:"data" placeholder:"DIR" help:"Data directory (default: ./data)."`
	File string `arg:"" help:"CSV file; its first line names the columns: id, name, valid_from, valid_until, levels, suspended, credential_id, card_facility, card_number, credential_valid_from, credential_valid_until, credential_suspended."`
}

// Run imports people, by way of the daemon if one runs on the data directory.
func (c *importCmd) Run(p *process) error {
	f, err := os.Open(c.File)
	if err != nil {
		return withCode(exitMistakes, fmt.Errorf("the file cannot be read: %w; name one that is there and that this user may read", err))
	}
	defer func() { _ = f.Close() }() // opened for reading
	return changePeople(p, c.Data, func(d daemonAPI) error { return c.ask(p, d, f) }, func(_ string, s *store.Store, by store.Author) error {
		r, err := s.Import(p.ctx, f, store.ImportOptions{Author: by, Progress: progress(p)})
		if mistakes, ok := errors.AsType[*store.Mistakes](err); ok {
			for _, m := range mistakes.List {
				p.showMistake(c.File, m.Line, m.Column, m.Text)
			}
			return mistakesError(len(mistakes.List) + mistakes.More)
		}
		if p.ctx.Err() != nil && errors.Is(err, context.Canceled) {
			return withCode(exitCutShort, errors.New("interrupted; nothing is imported"))
		}
		if err != nil {
			return err
		}
		p.imported(httpapi.ImportReport{
			Lines: r.Lines, HoldersAdded: r.HoldersAdded, HoldersChanged: r.HoldersChanged, CredentialsAdded: r.CredentialsAdded,
			CredentialsChanged: r.CredentialsChanged, CredentialsRemoved: r.CredentialsRemoved, Version: r.Version,
		})
		return nil
	})
}

// ask uploads the file and waits for what comes of it.
func (c *importCmd) ask(p *process, d daemonAPI, f *os.File) error {
	info, err := f.Stat()
	if err != nil {
		return withCode(exitMistakes, fmt.Errorf("the file cannot be read: %w", err))
	}
	if !info.Mode().IsRegular() {
		return withCode(exitMistakes, fmt.Errorf("%s is no plain file, and a running daemon takes no other", c.File))
	}
	end, err := d.change(p, "/api/people/import", &uploading{f, info.Size(), 0, p})
	if err != nil {
		return err
	}
	if n := len(end.Mistakes) + end.More; n > 0 {
		for _, m := range end.Mistakes {
			p.showMistake(c.File, m.Line, m.Column, m.Text)
		}
		return mistakesError(n)
	}
	if end.Import == nil {
		return withCode(exitRefused, errors.New("the daemon does not say what it imported; look at its events"))
	}
	p.imported(*end.Import)
	return nil
}

// uploading is a file on its way to the daemon.
type uploading struct {
	f          *os.File
	size, done int64
	p          *process
}

// Size is that of the whole file.
func (u *uploading) Size() int64 { return u.size }

// Read says on a terminal how far it is.
func (u *uploading) Read(b []byte) (int, error) {
	n, err := u.f.Read(b)
	u.done += int64(n)
	if u.p.tty && n > 0 {
		fmt.Fprintf(u.p.err, "\r%d of %d MB sent ", u.done>>20, u.size>>20)
	}
	return n, err
}

// change has the daemon make a change of people, and shows how far it is.
func (d daemonAPI) change(p *process, path string, body io.Reader) (end httpapi.PeopleStatus, err error) {
	var begun struct{ Number uint64 }
	if err := d.post(p.ctx, path, body, &begun); err != nil {
		return end, withCode(exitRefused, err)
	}
	show, wait := progress(p), supervisor.NewReal(p.boot)
	for {
		end = httpapi.PeopleStatus{}
		if err := d.get(p.ctx, "/api/people", &end); err != nil {
			return end, withCode(exitRefused, fmt.Errorf("what became of the change is not known, look at the daemon's log: %w", err))
		}
		switch {
		case end.Number != begun.Number:
			return end, withCode(exitRefused, errors.New("people were changed again, or the daemon was started anew; look at its events for what became of this change"))
		case !end.Running && end.Error != "" && end.Unknown:
			return end, withCode(exitMistakes, errors.New(end.Error))
		case !end.Running && end.Error != "":
			return end, withCode(exitRefused, errors.New(end.Error))
		case !end.Running:
			if end.Unrecorded != "" {
				p.unrecorded(end.Unrecorded, "the daemon goes on trying")
			}
			return end, nil
		}
		if end.Stage != "" {
			show(end.Stage, end.Done)
		}
		if wait.Wait(p.ctx.Done(), pollEvery) {
			return end, withCode(exitCutShort, errors.New("interrupted; the daemon goes on with the change"))
		}
	}
}

func (p *process) unrecorded(why, who string) {
	fmt.Fprintf(p.err, "warning: the change is made, but the journal does not have it yet: %v; %s\n", why, who)
}

func (p *process) imported(r httpapi.ImportReport) {
	fmt.Fprintf(p.out, "%s read: %s added, %d changed; %s added, %d changed, %d removed; version %d\n",
		count(r.Lines, "line", "lines"), count(r.HoldersAdded, "person", "people"), r.HoldersChanged,
		count(r.CredentialsAdded, "credential", "credentials"), r.CredentialsChanged, r.CredentialsRemoved, r.Version)
}

// progress says on a terminal how far an import is, and elsewhere nothing but
// each hundred thousandth line.
func progress(p *process) func(stage string, done int) {
	said := 0
	return func(stage string, done int) {
		switch {
		case p.tty && stage == "lines":
			fmt.Fprintf(p.err, "\r%d lines read ", done)
		case p.tty:
			fmt.Fprintf(p.err, "\rsorting %s: %d of them ", stage, done)
		case stage == "lines" && done/100_000 > said:
			said = done / 100_000
			fmt.Fprintf(p.err, "%d lines read\n", said*100_000)
		}
	}
}

// showMistake prints a mistake as compilers write them.
func (p *process) showMistake(file string, line, column int, text string) {
	fmt.Fprintf(p.err, "%s:%d:%d: %s\n", file, line, column, text)
}

func mistakesError(n int) error {
	return withCode(exitMistakes, fmt.Errorf("%s; nothing is imported: correct what is wrong and try again", count(n, "mistake", "mistakes")))
}

type eraseCmd struct {
	Data   string `default:"data" placeholder:"DIR" help:"Data directory (default: ./data)."`
	Config string `short:"c" placeholder:"SITE.YAML" help:"Site file: whom it names is not erased. A running daemon has its own."`
	ID     string `arg:"" help:"Id of the cardholder."`
}

// Run erases a person, by way of the daemon if one runs on the data directory.
func (c *eraseCmd) Run(p *process) error {
	if err := c.named(); err != nil {
		return err
	}
	ask := func(d daemonAPI) error {
		end, err := d.change(p, "/api/people/erase?"+url.Values{"id": {c.ID}}.Encode(), nil)
		if err != nil {
			return err
		}
		if end.Erased == nil {
			return withCode(exitRefused, errors.New("the daemon does not say whom it erased; look at its events"))
		}
		data, err := dataDir(c.Data)
		c.erased(p, data, end.Erased.Credentials)
		return err
	}
	return changePeople(p, c.Data, ask, func(data string, s *store.Store, by store.Author) error {
		n, err := s.Erase(p.ctx, access.CardholderID(c.ID), by)
		if errors.Is(err, store.ErrUnknown) {
			return withCode(exitMistakes, err)
		}
		if err != nil {
			return err
		}
		if err := daemon.ClearLeftovers(data); err != nil {
			fmt.Fprintf(p.err, "warning: what a backup or an import left may still hold the values: %v\n", err)
		}
		c.erased(p, data, n)
		if c.Config == "" {
			fmt.Fprintf(p.err, "note: if the site file names %s, take it out there, too: the next start brings back whom it names (-c SITE.YAML looks)\n", c.ID)
		}
		return nil
	})
}

// named refuses to erase whom the next start would bring back.
func (c *eraseCmd) named() error {
	if c.Config == "" {
		return nil
	}
	s, err := site.Load(c.Config, drivers()...)
	if err != nil {
		return withCode(exitMistakes, err)
	}
	for _, h := range s.Holders {
		if string(h.ID) == c.ID {
			return withCode(exitRefused, fmt.Errorf("%s names %s, and the next start would bring them back: take them out there first", c.Config, c.ID))
		}
	}
	return nil
}

func (c *eraseCmd) erased(p *process, data string, credentials int) {
	fmt.Fprintf(p.out, "erased %s with %s\n", c.ID, count(credentials, "credential", "credentials"))
	for _, pattern := range []string{store.FileName + ".*", "backup/*", daemon.SnapshotDir + "/*"} {
		copies, _ := filepath.Glob(filepath.Join(data, pattern)) // the pattern is sound
		for _, path := range copies {
			fmt.Fprintf(p.err, "warning: %s is an older copy and may still hold the values: delete it once it is not needed\n", path)
		}
	}
}

// changePeople asks the daemon that runs on a data directory for a change, or makes
// it if none does, and tells the journal.
func changePeople(p *process, data string, ask func(daemonAPI) error, change func(data string, s *store.Store, by store.Author) error) (err error) {
	data, err = dataDir(data)
	if err != nil {
		return err
	}
	unlock, err := persistence.Lock(data)
	if errors.Is(err, persistence.ErrLocked) {
		d, err := askDaemon(data)
		if err != nil {
			return err
		}
		return ask(d)
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
		p.unrecorded(err.Error(), "the next start of the building records it")
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
	_, err = daemon.RecordChanges(s, j.Commit, daemon.MachineClock())
	return err
}
