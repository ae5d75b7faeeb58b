package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gatehouse/cmd/gatehouse/backup"
	"gatehouse/cmd/gatehouse/daemon"
	"gatehouse/cmd/gatehouse/site"
	"gatehouse/devices"
	"gatehouse/devices/virtual"
	"gatehouse/persistence/archive"
	"gatehouse/persistence/journal"
	"gatehouse/persistence/store"
	"gatehouse/supervisor/supervisortest"
)

// drill is the replacement of a box: commands, servings, and how long each took.
type drill struct {
	t     *testing.T
	dir   string
	last  time.Time
	total time.Duration
	lines []string
}

// took notes what was done since the last time.
func (d *drill) took(what string) {
	now := clock.Now()
	d.lines = append(d.lines, fmt.Sprintf("%-32s %8.3f s", what, now.Sub(d.last).Seconds()))
	d.total += now.Sub(d.last)
	d.last = now
}

func (d *drill) path(name string) string { return filepath.Join(d.dir, name) }

// command runs gatehouse to its end and gives what it printed.
func (d *drill) command(args ...string) string {
	d.t.Helper()
	var out, log bytes.Buffer
	p := &process{out: &out, err: &log, ctx: d.t.Context(), now: clock.Now, boot: randomBoot()}
	if code := run(p, args); code != exitOK {
		d.t.Fatalf("gatehouse %s: exit code %d: %s", strings.Join(args, " "), code, &log)
	}
	return out.String()
}

// serving is a building that runs in this process.
type serving struct {
	d    *drill
	addr string
	rig  *virtual.Rig
	stop func()
	done chan int
	log  *written
}

func (d *drill) serve(data string) *serving {
	d.t.Helper()
	s, err := site.Load(filepath.Join("testdata", "site.yaml"))
	if err != nil {
		d.t.Fatal(err)
	}
	ctx, stop := context.WithCancel(d.t.Context())
	v := &serving{d: d, rig: virtual.New(virtual.Options{}), stop: stop, done: make(chan int, 1), log: &written{}}
	p := &process{out: v.log, err: v.log, ctx: ctx, now: clock.Now, boot: randomBoot()}
	ready := make(chan string, 1)
	h := &host{
		p: p, log: p.logger(), site: s, data: data, drivers: []devices.Driver{v.rig.Driver()},
		onReady: func(_ *daemon.Daemon, at, _ string) { ready <- at },
	}
	go func() { v.done <- report(p, h.run()) }()
	select {
	case v.addr = <-ready:
	case code := <-v.done:
		d.t.Fatalf("serve ended with %d: %s", code, v.log)
	}
	return v
}

func (v *serving) end() {
	v.d.t.Helper()
	v.stop()
	if code := <-v.done; code != exitOK {
		v.d.t.Fatalf("serve ended with %d: %s", code, v.log)
	}
}

// grant holds somebody's card to the front door until the event is on disk, and
// gives its number.
func (v *serving) grant(person int) (seq uint64) {
	v.d.t.Helper()
	present(v.d.t, v.rig, cardOf(person))
	number := regexp.MustCompile(`"seq": ([0-9]+)`)
	supervisortest.Eventually(v.d.t, clock, "the grant is on disk", func() bool {
		text := body(v.d.t, v.addr, "/api/events?kind=granted&order=desc&limit=1")
		if !strings.Contains(text, fmt.Sprintf(`"cardholder": "q-%d"`, person)) {
			return false
		}
		seq, _ = strconv.ParseUint(number.FindStringSubmatch(text)[1], 10, 64)
		return seq > 0
	})
	// The record comes first, the lock a moment later.
	supervisortest.Eventually(v.d.t, clock, "the door is released", v.rig.Lock("front/lock").Released)
	return seq
}

func cardOf(person int) uint64 { return 1_000_000_000 + uint64(person) }

// crowdFile writes people who may everywhere, with a card each.
func (d *drill) crowdFile(people int) string {
	d.t.Helper()
	var b bytes.Buffer
	b.WriteString("id,name,levels,credential_id,card_number\n")
	for i := range people {
		fmt.Fprintf(&b, "q-%d,Person Number %d,staff,qc-%d,%d\n", i, i, i, cardOf(i))
	}
	path := d.path("people.csv")
	if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
		d.t.Fatal(err)
	}
	return path
}

// The replacement of a box, timed (make drill; PEOPLE says how many): a running
// building is backed up and dies; on an empty directory it is restored, served,
// and somebody gets in. What was restored is equal by checksum, and the first
// event is in the next epoch, behind every number that the old box may have given.
func TestDrill(t *testing.T) {
	people := defaultDrill
	if n, err := strconv.Atoi(os.Getenv("PEOPLE")); err == nil {
		people = n
	}
	d := &drill{t: t, dir: t.TempDir()}
	recipient := strings.TrimSpace(d.command("archive", "keygen", d.path("key.txt")))
	old, data, file := d.path("old"), d.path("new"), d.path("box.age")
	d.serve(old).end()
	d.command("people", "import", d.crowdFile(people), "--data", old)
	was, err := store.Examine(old)
	if err != nil {
		t.Fatal(err)
	}
	box := d.serve(old)
	before := box.grant(people - 1)

	d.last = clock.Now()
	d.command("backup", "--data", old, "--to", file, "--recipient", recipient)
	d.took("backup, by the running daemon")
	signer := d.signer(old)
	later := box.grant(people - 2) // not in the backup: its number must not come again
	box.end()
	if err := os.RemoveAll(old); err != nil {
		t.Fatal(err)
	}
	d.last = clock.Now()
	d.command("restore", file, "--data", data, "--identity", d.path("key.txt"), "--old-box-is-off", "--signed-by", signer)
	d.took("restore")
	is, err := store.Examine(data)
	if err != nil {
		t.Fatal(err)
	}
	d.last = clock.Now()
	box = d.serve(data)
	d.took("serve, until it answers")
	first := box.grant(people - 1)
	d.took("first grant, on disk")
	box.end()

	if diff := cmp.Diff(was, is); diff != "" {
		t.Errorf("restored is not what was backed up: %s", diff)
	}
	if before == 0 || later <= before || first <= before+backup.Margin {
		t.Errorf("the old box gave %d and %d, the new one begins with %d", before, later, first)
	}
	d.newEpoch(data, first)
	d.report(people, file, is)
}

// signer is the public key that a box signs its backups with.
func (d *drill) signer(data string) string {
	d.t.Helper()
	text, err := os.ReadFile(filepath.Join(data, "backup-key"))
	if err != nil {
		d.t.Fatal(err)
	}
	s, err := archive.ParseSigner(string(text))
	if err != nil {
		d.t.Fatal(err)
	}
	return s.Public()
}

// newEpoch fails unless all events of the journal are of the second epoch.
func (d *drill) newEpoch(data string, seq uint64) {
	d.t.Helper()
	r, err := journal.Verify(daemon.JournalDir(data), "house")
	if err != nil {
		d.t.Fatal(err)
	}
	for _, s := range r.Segments {
		if s.Epoch != 2 || s.First <= backup.Margin {
			d.t.Errorf("%+v", s)
		}
	}
	if r.Last < seq {
		d.t.Errorf("the journal ends at %d", r.Last)
	}
}

func (d *drill) report(people int, file string, s store.Summary) {
	info, err := os.Stat(file)
	if err != nil {
		d.t.Fatal(err)
	}
	d.t.Logf("box replacement with %d people, backup of %d bytes, fingerprint %s:\n  %s\n  %-32s %8.3f s (aim with 100,000 people: under 92 s)",
		people, info.Size(), s.Fingerprint, strings.Join(d.lines, "\n  "), "together", d.total.Seconds())
}
