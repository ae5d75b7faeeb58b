package main

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"time"

	"gatehouse/cmd/gatehouse/daemon"
	"gatehouse/persistence/journal"
)

type journalCmd struct {
	Verify  journalVerifyCmd `cmd:"" help:"Check every byte of the journal and its chain; changes nothing."`
	Reindex reindexCmd       `cmd:"" help:"Make the index of the journal's events again, also while the building runs."`
}

type journalVerifyCmd struct {
	Data string `default:"data" placeholder:"DIR" help:"Data directory (default: ./data)."`
}

// Run prints a line per segment, every fault, and the sum of it all.
func (c *journalVerifyCmd) Run(p *process) error {
	dir := daemon.JournalDir(c.Data)
	r, err := journal.Verify(dir, "")
	if errors.Is(err, fs.ErrNotExist) {
		return withCode(exitRefused, fmt.Errorf("no journal in %s; name the data directory with --data", c.Data))
	}
	if err != nil && len(r.Faults) == 0 {
		return withCode(exitRefused, err)
	}
	events := uint64(0)
	for _, s := range r.Segments {
		events += s.Events
		fmt.Fprintln(p.out, segmentLine(s))
	}
	for _, g := range r.Gaps {
		fmt.Fprintf(p.out, "set aside: %s\n", g.Event().Detail)
	}
	fmt.Fprintf(p.out, "journal of %q: %s, %s, last %d, %d bytes", r.Building,
		count(len(r.Segments), "segment", "segments"), count(int(events), "event", "events"), r.Last, r.Bytes)
	if r.Torn > 0 {
		fmt.Fprintf(p.out, ", %d bytes of a batch that was not acknowledged", r.Torn)
	}
	if len(r.Faults) == 0 {
		fmt.Fprintln(p.out, ": ok")
		return nil
	}
	fmt.Fprintf(p.out, ": %s\n", count(len(r.Faults), "fault", "faults"))
	for _, f := range r.Faults {
		fmt.Fprintf(p.out, "fault: %v\n", f)
	}
	return withCode(exitMistakes, fmt.Errorf("the journal in %s has %s", c.Data, count(len(r.Faults), "fault", "faults")))
}

func segmentLine(s journal.Segment) string {
	state := "open"
	switch {
	case s.Bytes == 0:
		state = "missing"
	case s.Sealed:
		state = "sealed"
	}
	return fmt.Sprintf("%s  epoch %d  events %d to %d  %s to %s  %d bytes  root %x  %s", filepath.Base(s.Path), s.Epoch,
		s.First, s.Last, day(s.Oldest), day(s.Newest), s.Bytes, s.Root[:8], state)
}

// day is a time for people, - for none.
func day(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.Format(time.RFC3339)
}
