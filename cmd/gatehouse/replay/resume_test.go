package replay

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gatehouse/access"
	"gatehouse/cmd/gatehouse/site"
	"gatehouse/supervisor/supervisortest"
)

// commits are the lengths that the journal's file had after each of its commits;
// the format is that of package journal.
func commits(file []byte) (ends []int) {
	const header, head, trailer = 164, 36, 65535
	ends = []int{header}
	for at := header; at < len(file); {
		n := head + int(binary.LittleEndian.Uint32(file[at:]))
		kind := binary.LittleEndian.Uint16(file[at+32:])
		if at += n; kind == trailer {
			ends = append(ends, at)
		}
	}
	return ends
}

const journalDir = "journal" // as daemon.JournalDir

const segment = journalDir + "/0000000000000001.seg"

// cut is a finished replay and what to make of it.
type cut struct {
	t       *testing.T
	want    played
	data    string
	journal []byte
	o       Options // of a resumed replay; Data and Out are for the test to set
}

func newCut(t *testing.T) *cut {
	t.Helper()
	c := &cut{t: t, data: memDir(t)}
	c.want = play(t, c.data, handmadeFile(t))
	var err error
	c.o, _ = options(t, "", c.want.file)
	c.o.Resume, c.o.Err = true, io.Discard
	if c.journal, err = os.ReadFile(filepath.Join(c.data, segment)); err != nil {
		t.Fatal(err)
	}
	return c
}

// at is the data directory of a replay killed when its journal was size bytes long:
// it did not get to note how far it reached.
func (c *cut) at(dir string, size int) {
	c.t.Helper()
	if err := os.RemoveAll(dir); err != nil {
		c.t.Fatal(err)
	}
	if err := os.CopyFS(dir, os.DirFS(c.data)); err != nil {
		c.t.Fatal(err)
	}
	if err := os.Truncate(filepath.Join(dir, segment), int64(size)); err != nil {
		c.t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(dir, journalDir, "bounds")); err != nil {
		c.t.Fatal(err)
	}
}

// thin is how many cuts count for one under the race detector; no multiple of the
// three commits of a granted row.
var thin = map[bool]int{false: 1, true: 4}[supervisortest.RaceEnabled]

// Between two commits nothing reaches the disk, so these are all the states in
// which a kill can leave a replay; a power cut can also tear the last commit.
func TestKilledAfterEveryCommit(t *testing.T) {
	c := newCut(t)
	ends := commits(c.journal)
	if last := ends[len(ends)-1]; last != len(c.journal) || len(ends) < 40 {
		t.Fatalf("%d commits end at byte %d of %d", len(ends), last, len(c.journal))
	}
	dir := filepath.Join(memDir(t), "data")
	for i := 0; i < len(ends); i += thin {
		end := ends[i]
		sizes := []int{end}
		if i+1 < len(ends) {
			sizes = append(sizes, end+(ends[i+1]-end)/2)
		}
		for _, size := range sizes {
			c.at(dir, size)
			var out bytes.Buffer
			o := c.o
			o.Data, o.Out = dir, &out
			mustRun(t, o)
			if diff := cmp.Diff(c.want.outcomes, outcomes(t, dir)); diff != "" {
				t.Fatalf("cut at byte %d, after commit %d (-uninterrupted +resumed):\n%s", size, i, diff)
			}
			if !bytes.Equal(c.want.report, out.Bytes()) {
				t.Fatalf("cut at byte %d, after commit %d: another report", size, i)
			}
		}
	}
}

// The control: going on with the row after the last decision, whether or not its
// passage was made, must not pass for the same.
func TestAResumeThatForgetsThePassageDiffers(t *testing.T) {
	c := newCut(t)
	dir := filepath.Join(memDir(t), "data")
	missing := 0
	ends := commits(c.journal)
	for i := 0; i < len(ends); i += thin {
		c.at(dir, ends[i])
		o := c.o
		o.Data, o.Out = dir, io.Discard
		rec, err := load(o)
		if err != nil {
			t.Fatal(err)
		}
		pos, err := locate(o, rec)
		if err != nil {
			t.Fatal(err)
		}
		p, err := begin(o, rec, pos)
		if err != nil {
			t.Fatal(err)
		}
		_, err = p.replay(context.Background(), pos.decided+1)
		if _, stopped := p.house.Stop(); err != nil || stopped != nil {
			t.Fatal(err, stopped)
		}
		same := cmp.Equal(c.want.outcomes, outcomes(t, dir))
		if same == pos.granted {
			t.Errorf("after commit %d: passage missing %t, same outcome %t", i, pos.granted, same)
		}
		if pos.granted {
			missing++
		}
	}
	if missing < 10/thin {
		t.Errorf("only %d of the cuts were between a grant and its passage", missing)
	}
}

const childEnv = "GATEHOUSE_REPLAY_CHILD"

// childSpec is what the process that is killed does. MaxFile, if not 0, is how
// long its files may grow: a full disk.
type childSpec struct {
	Site, Data, File string
	Resume           bool
	MaxFile          uint64
}

// child is a replay that writes a dot to stdout before each row.
func child(text string) int {
	var spec childSpec
	s := &site.Site{}
	err := json.Unmarshal([]byte(text), &spec)
	if err == nil {
		s, err = site.Load(spec.Site)
	}
	if err == nil && spec.MaxFile > 0 {
		signal.Ignore(syscall.SIGXFSZ)
		err = syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: spec.MaxFile, Max: spec.MaxFile})
	}
	if err == nil {
		err = Run(&ticking{context.Background()}, Options{
			Site: s, Data: spec.Data, Format: Vast2009, File: spec.File, Resume: spec.Resume,
			Out: io.Discard, Err: io.Discard, Clock: func() time.Time { return time.Time{} },
		})
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// ticking is a context that tells how often it is asked: once a row.
type ticking struct{ context.Context }

func (c *ticking) Err() error {
	_, _ = os.Stdout.WriteString(".")
	return c.Context.Err()
}

func startChild(t *testing.T, spec childSpec) (c *exec.Cmd, out *bufio.Reader, told *bytes.Buffer) {
	t.Helper()
	text, err := json.Marshal(spec)
	if err != nil {
		t.Fatal(err)
	}
	c = exec.Command(os.Args[0], "-test.run=^$")
	c.Env = append(os.Environ(), childEnv+"="+string(text))
	told = &bytes.Buffer{}
	c.Stderr = told
	pipe, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	return c, bufio.NewReaderSize(pipe, 16), told
}

// killAfter runs a child and kills it after some rows; false if it ended before.
func killAfter(t *testing.T, spec childSpec, rows int) bool {
	t.Helper()
	c, out, told := startChild(t, spec)
	_, short := io.CopyN(io.Discard, out, int64(rows))
	killed := short == nil && c.Process.Kill() == nil
	_, _ = io.Copy(io.Discard, out)
	err := c.Wait()
	if killed && c.ProcessState.Sys().(syscall.WaitStatus).Signal() == syscall.SIGKILL {
		return true
	}
	if err != nil {
		t.Fatalf("the child failed: %v\n%s", err, told)
	}
	return false
}

func TestKilledAgainAndAgain(t *testing.T) {
	want := heavyRecording(t)
	total := want.decoded(t).Events
	r := rand.New(rand.NewPCG(2, 3))
	spec := childSpec{Site: sitePath, Data: memDir(t), File: want.file}
	const lives = 6
	kills := 0
	for range lives {
		if killAfter(t, spec, 1+r.IntN(total/(2*lives))) {
			kills++
		}
		spec.Resume = true
	}
	o, out := options(t, spec.Data, spec.File)
	rec, err := load(o)
	if err != nil {
		t.Fatal(err)
	}
	o.Resume = true
	pos, err := locate(o, rec)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d of %d lives were killed, at row %d of %d in the end", kills, lives, pos.decided, total)
	if kills == 0 || pos.decided == 0 {
		t.Error("no kill came in time")
	}
	mustRun(t, o)
	if diff := cmp.Diff(want.outcomes, outcomes(t, spec.Data)); diff != "" {
		t.Errorf("(-uninterrupted +resumed):\n%s", diff)
	}
	if !bytes.Equal(want.report, out.Bytes()) {
		t.Errorf("another report:\n%s", cmp.Diff(string(want.report), out.String()))
	}
}

// A disk that takes no more ends the replay where it is, with one clear error.
func TestFullDisk(t *testing.T) {
	path := t.TempDir() + "/proxLog.csv"
	writeFile(t, path, madeRecording(7, 20, 5))
	want := play(t, memDir(t), path)
	spec := childSpec{Site: sitePath, Data: memDir(t), File: path, MaxFile: 200 << 10}
	c, out, told := startChild(t, spec)
	_, _ = io.Copy(io.Discard, out)
	if err := c.Wait(); err == nil {
		t.Fatal("the child went on over a full disk")
	}
	if !strings.Contains(told.String(), "the replay cannot go on: journal: ") || !strings.Contains(told.String(), "--resume") {
		t.Errorf("told:\n%s", told)
	}
	o, report := options(t, spec.Data, path)
	o.Resume = true
	mustRun(t, o)
	if !bytes.Equal(want.report, report.Bytes()) {
		t.Errorf("another report:\n%s", cmp.Diff(string(want.report), report.String()))
	}
	if diff := cmp.Diff(want.outcomes, outcomes(t, spec.Data)); diff != "" {
		t.Errorf("(-uninterrupted +resumed):\n%s", diff)
	}
}

// Boots tell the lives apart: a second life under the number of the first would
// have its events refused as repeats.
func TestEveryLifeHasItsOwnBoot(t *testing.T) {
	c := newCut(t)
	ends := commits(c.journal)
	dir := filepath.Join(memDir(t), "data")
	c.at(dir, ends[len(ends)/2])
	o := c.o
	o.Data, o.Out = dir, io.Discard
	mustRun(t, o)
	boots := map[uint64]bool{}
	for _, e := range eventsIn(t, dir) {
		if e.Source.Name != "store" { // its numbers outlive a boot
			boots[e.Source.Boot] = true
		}
		if e.Clock != access.ClockRecorded {
			t.Fatalf("clock of %+v", e)
		}
	}
	if len(boots) != 2 {
		t.Errorf("boots %v", boots)
	}
}
