package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"gatehouse/access"
	"gatehouse/cmd/gatehouse/daemon"
	"gatehouse/persistence/journal"
	"gatehouse/supervisor/supervisortest"
)

// size is a number from the environment, or a small one; true: it is from there.
func size(name string, small int) (int, bool) {
	n, err := strconv.Atoi(os.Getenv(name))
	if err != nil {
		return small, false
	}
	return n, true
}

// The start of a building with many people who all are somewhere, and many events:
// make big-start has a million and ten million. It says how long each step takes, and
// asserts what is no time: that somebody gets in, and the memory of the process.
func TestBigStart(t *testing.T) {
	people, _ := size("PEOPLE", 1_000)
	events, large := size("JOURNAL_EVENTS", 10_000)
	d := &drill{t: t, dir: t.TempDir(), last: clock.Now()}
	data := d.path("data")
	d.serve(data).end()
	d.command("people", "import", d.crowdFile(people), "--data", data)
	d.took("made: people")
	d.walkAbout(data, people, events)
	d.took("made: journal")
	d.command("journal", "reindex", "--data", data)
	d.took("made: index")
	d.startsAndGrants(data, people, "without areas.snapshot")
	if large {
		box := d.serve(data)
		supervisortest.Eventually(t, clock, "where people are is kept", func() bool {
			_, err := os.Stat(filepath.Join(data, "areas.snapshot"))
			clock.Wait(nil, time.Second)
			return err == nil
		})
		box.end()
		d.last = clock.Now()
		d.startsAndGrants(data, people, "with areas.snapshot")
	}
	k := &killedImport{drill: *d}
	d.last = clock.Now()
	k.serves()
	d.took("gatehouse serve, until it runs")
	if rss, ok := rssAnonOf(k.daemon.cmd.Process.Pid); ok {
		d.lines = append(d.lines, fmt.Sprintf("%-32s %8d MB", "  RssAnon then", rss>>20))
	}
	if large {
		clock.Wait(nil, 20*time.Second)
	}
	rss, ok := rssAnonOf(k.daemon.cmd.Process.Pid)
	d.lines = append(d.lines, fmt.Sprintf("%-32s %8d MB", "  RssAnon at rest", rss>>20))
	k.stop()
	if most := int64(100 << 20); ok && large && rss > most {
		t.Errorf("RssAnon is %d MB, at most %d", rss>>20, most>>20)
	}
	t.Logf("a building with %d people and %d events:\n  %s", people, events, strings.Join(d.lines, "\n  "))
}

// startsAndGrants serves until somebody is let in by a reader of an area.
func (d *drill) startsAndGrants(data string, people int, how string) {
	d.t.Helper()
	box := d.serve(data)
	d.took("serve, " + how)
	in := func() bool {
		present(d.t, box.rig, cardOf(people-1))
		clock.Wait(nil, 10*time.Millisecond)
		return box.rig.Lock("front/lock").Released()
	}
	for tries := 0; !in(); tries++ {
		if tries > 30_000 {
			d.t.Fatal("nobody is let in")
		}
	}
	d.took("  and until areas answer")
	box.end()
	d.last = clock.Now()
}

// walkAbout writes passages of all people in turn into a journal.
func (d *drill) walkAbout(data string, people, events int) {
	d.t.Helper()
	j, err := journal.Open(journal.Options{Dir: daemon.JournalDir(data), Building: "house", Boot: 99})
	if err != nil {
		d.t.Fatal(err)
	}
	at := clock.Now().Add(-time.Duration(events) * time.Second).UTC()
	batch := make([]access.Event, journal.MaxBatch)
	for done := 0; done < events; done += len(batch) {
		batch = batch[:min(len(batch), events-done)]
		for i := range batch {
			n := done + i
			batch[i] = access.Event{
				Kind: access.KindPassage, Time: at.Add(time.Duration(n) * time.Second), Door: "front", Reader: "in",
				Cardholder: access.CardholderID(fmt.Sprintf("q-%d", n%people)), Credential: access.CredentialID(fmt.Sprintf("qc-%d", n%people)),
				From: access.Outside, To: "hall", Reason: access.ReasonCredential,
				Source: access.Source{Name: "door/front", Boot: 99, Run: 1, Number: uint64(n + 1)},
			}
		}
		if err := j.Commit(batch); err != nil {
			d.t.Fatal(err)
		}
	}
	if err := j.Close(); err != nil {
		d.t.Fatal(err)
	}
}

// rssAnonOf is the anonymous memory of a process, in bytes; false where the kernel
// does not say.
func rssAnonOf(pid int) (bytes int64, ok bool) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	found := regexp.MustCompile(`RssAnon:\s+([0-9]+) kB`).FindSubmatch(text)
	if err != nil || found == nil {
		return 0, false
	}
	kb, err := strconv.ParseInt(string(found[1]), 10, 64)
	return kb << 10, err == nil
}
