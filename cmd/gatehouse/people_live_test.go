package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gatehouse/access"
	"gatehouse/cmd/gatehouse/daemon"
	"gatehouse/persistence/journal"
	"gatehouse/persistence/store"
	"gatehouse/supervisor/supervisortest"
)

// fails runs gatehouse to its end, which is no good one, and gives what it said.
func (d *drill) fails(code int, args ...string) string {
	d.t.Helper()
	var log bytes.Buffer
	p := &process{out: &log, err: &log, ctx: d.t.Context(), now: clock.Now, boot: randomBoot()}
	if got := run(p, args); got != code {
		d.t.Fatalf("gatehouse %s: exit code %d, want %d: %s", strings.Join(args, " "), got, code, &log)
	}
	return log.String()
}

// denied holds somebody's card to the front door until it is denied for a reason.
func (v *serving) denied(person int, why string) {
	v.d.t.Helper()
	count := func() int {
		return strings.Count(body(v.d.t, v.addr, "/api/events?kind=denied&limit=1000&reason="+why), `"seq"`)
	}
	before := count()
	supervisortest.Eventually(v.d.t, clock, "denied by "+why, func() bool {
		present(v.d.t, v.rig, cardOf(person))
		return count() > before
	})
}

// files are the bytes of what must not change when nothing is imported.
func (d *drill) files(data string) map[string]string {
	d.t.Helper()
	all := map[string]string{}
	for _, name := range []string{store.FileName, store.ImageName} {
		b, err := os.ReadFile(filepath.Join(data, name))
		if err != nil {
			d.t.Fatal(err)
		}
		all[name] = string(b)
	}
	list, err := os.ReadDir(data)
	if err != nil {
		d.t.Fatal(err)
	}
	for _, f := range list {
		all["names"] += f.Name() + " "
	}
	return all
}

// People of a running building are imported all or none: a mistake in the last line
// of a file changes not one byte, and after a good one the next card counts. So does
// the first card after an erasure. PEOPLE says how many; above 50,000 they are not in
// memory.
func TestPeopleOfARunningBuilding(t *testing.T) {
	people := defaultLive
	if n, err := strconv.Atoi(os.Getenv("PEOPLE")); err == nil {
		people = n
	}
	d := &drill{t: t, dir: t.TempDir()}
	data, file := d.path("data"), d.crowdFile(people)
	box := d.serve(data)
	box.denied(people-1, "unknown_card")
	good, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	bad := d.path("bad.csv")
	if err := os.WriteFile(bad, append(good, "q-last,Somebody,nowhere,qc-last,1\n"...), 0o600); err != nil {
		t.Fatal(err)
	}
	before := d.files(data)
	said := d.fails(exitMistakes, "people", "import", bad, "--data", data)
	if want := fmt.Sprintf("%s:%d:17: levels: there is no access level", bad, people+2); !strings.Contains(said, want) || !strings.Contains(said, "nothing is imported") {
		t.Errorf("it said %s", said)
	}
	if diff := cmp.Diff(before, d.files(data)); diff != "" {
		t.Errorf("something is imported: %.2000s", diff)
	}
	box.denied(people-1, "unknown_card")
	if text := body(t, box.addr, "/api/events?kind=people_changed&order=desc&limit=1"); strings.Contains(text, `"operator": "api"`) {
		t.Errorf("an event says so: %s", text)
	}
	if said := d.command("people", "import", file, "--data", data); !strings.Contains(said, fmt.Sprintf("%d people added", people)) {
		t.Errorf("it said %s", said)
	}
	box.grant(people - 1)
	if said := d.command("people", "erase", fmt.Sprintf("q-%d", people-1), "--data", data); !strings.Contains(said, "with 1 credential") {
		t.Errorf("it said %s", said)
	}
	box.denied(people-1, "unknown_card")
	box.grant(people - 2)
	box.end()
	d.wantChanges(data, map[access.Kind]int{access.KindPeopleChanged: 1, access.KindPersonErased: 1})
	if s, err := store.Examine(data); err != nil || s.Holders != people { // with the site file's one
		t.Errorf("%+v, %v", s, err)
	}
}

// wantChanges counts the changes of people in a journal that somebody commanded: by
// way of the API or, once the daemon was killed, without one.
func (d *drill) wantChanges(data string, want map[access.Kind]int) {
	d.t.Helper()
	j, err := journal.OpenReadOnly(daemon.JournalDir(data), "house")
	if err != nil {
		d.t.Fatal(err)
	}
	defer func() { _ = j.Close() }()
	got := map[access.Kind]int{}
	err = j.Scan(func(e access.Event) error {
		if e.Operator == "api" || e.Operator == commandLine {
			got[e.Kind]++
		}
		return nil
	})
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		d.t.Errorf("events of changes: %v, %s", err, diff)
	}
}

// A daemon that is killed in the middle of an import has all of its people
// afterwards, or none, and what was acknowledged for certain. Each import that was
// made is one event, and no file is left.
func TestSweepKillsDuringAnImport(t *testing.T) {
	lives, people := max(1, defaultKills/20), 1500
	if n, err := strconv.Atoi(os.Getenv("KILLS")); err == nil {
		lives = max(1, n/10)
	}
	k := &killedImport{drill: drill{t: t, dir: t.TempDir()}, rnd: rand.New(rand.NewPCG(2, 2)), people: people}
	k.took = k.live(0, false)
	for n := range lives {
		k.live(n+1, true)
	}
	k.serves()
	k.stop()
	k.wantChanges(k.path("data"), map[access.Kind]int{access.KindPeopleChanged: k.made})
	for _, name := range []string{"import.tmp", daemon.UploadFile, store.FileName + ".new"} {
		if _, err := os.Stat(filepath.Join(k.path("data"), name)); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s is left", name)
		}
	}
	t.Logf("%d lives were killed during an import: %d imports are made, of which %d were acknowledged; the others changed nothing", lives, k.made-1, k.acknowledged-1)
}

type killedImport struct {
	drill
	rnd    *rand.Rand
	people int // of each import
	took   int // milliseconds of an import that nobody disturbs, as far as is known
	daemon *running

	made, acknowledged int
}

func (k *killedImport) gatehouse(args ...string) *running {
	k.t.Helper()
	log, err := os.CreateTemp(k.dir, "log")
	if err != nil {
		k.t.Fatal(err)
	}
	defer log.Close()
	p := &running{cmd: exec.Command("gatehouse", args...), log: log.Name(), done: make(chan struct{})}
	p.cmd.Stderr, p.cmd.Stdout = log, log
	p.cmd.Env = append(os.Environ(), "GORACE=atexit_sleep_ms=0")
	if err := p.cmd.Start(); err != nil {
		k.t.Fatal(err)
	}
	k.t.Cleanup(p.kill)
	go func() {
		defer close(p.done)
		_ = p.cmd.Wait() // the exit code says it
	}()
	return p
}

// serves starts the daemon and waits until it answers.
func (k *killedImport) serves() {
	k.t.Helper()
	k.daemon = k.gatehouse("serve", "-c", filepath.Join("testdata", "site.yaml"), "--data", k.path("data"))
	said := func() []byte {
		b, _ := os.ReadFile(k.daemon.log)
		return b
	}
	if !eventually(func() bool { return bytes.Contains(said(), []byte(`"building runs"`)) || k.daemon.over() }) || k.daemon.over() {
		k.t.Fatalf("it does not start: %s", said())
	}
}

func (k *killedImport) stop() {
	k.t.Helper()
	if err := k.daemon.cmd.Process.Signal(os.Interrupt); err != nil {
		k.t.Fatal(err)
	}
	<-k.daemon.done
	if code := k.daemon.cmd.ProcessState.ExitCode(); code != exitOK {
		k.t.Errorf("the daemon ended with %d", code)
	}
}

// live is one life, with an import of people who were not there before. It says how
// many milliseconds that took.
func (k *killedImport) live(n int, kills bool) (ms int) {
	k.t.Helper()
	var b strings.Builder
	b.WriteString("id,name,credential_id,card_number\n")
	for i := range k.people {
		fmt.Fprintf(&b, "k-%d-%d,Person %d,kc-%d-%d,%d\n", n, i, i, n, i, 1+n*k.people+i)
	}
	file := k.path("k.csv")
	if err := os.WriteFile(file, []byte(b.String()), 0o600); err != nil {
		k.t.Fatal(err)
	}
	k.serves()
	began := clock.Now()
	importing := k.gatehouse("people", "import", file, "--data", k.path("data"))
	if kills {
		at := k.rnd.IntN(k.took * 5 / 4 * 1000)
		clock.Wait(importing.done, time.Duration(at)*time.Microsecond)
		k.daemon.kill()
	}
	<-importing.done
	ms = int(clock.Now().Sub(began).Milliseconds())
	if !kills {
		k.stop()
	}
	before := k.acknowledged
	k.look(n, importing.cmd.ProcessState.ExitCode() == exitOK)
	if k.acknowledged > before { // so that kills come at all points, however busy the machine is
		k.took = max(10, k.took*9/10)
	} else {
		k.took = k.took * 11 / 10
	}
	return max(ms, 10)
}

// look fails unless all people of the import are there, or none.
func (k *killedImport) look(n int, acknowledged bool) {
	k.t.Helper()
	s, err := store.Examine(k.path("data"))
	if err != nil {
		k.t.Fatalf("life %d: %v", n, err)
	}
	switch s.Holders - 1 {
	case (k.made + 1) * k.people:
		k.made++
	case k.made * k.people:
		if acknowledged {
			k.t.Errorf("life %d: an import that was acknowledged is lost", n)
		}
	default:
		k.t.Fatalf("life %d: %d people, %d imports of %d were made", n, s.Holders, k.made, k.people)
	}
	if acknowledged {
		k.acknowledged++
	}
}
