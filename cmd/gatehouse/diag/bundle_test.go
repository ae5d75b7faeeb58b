package diag

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"
	"go.uber.org/goleak"

	"gatehouse/access"
	"gatehouse/actors"
	"gatehouse/cmd/gatehouse/site"
	"gatehouse/edge/httpapi"
	"gatehouse/supervisor"
)

// house is a tree with the recorder and the switch in it, and a diagnosis of it.
type house struct {
	*supervisor.System
	t         *testing.T
	recorder  *Recorder
	profiling *Profiling
	d         *Diagnosis
}

func (h *house) Reports() []actors.Report {
	return []actors.Report{{Kind: "crashed", Path: "root/x", What: "*errors.errorString"}}
}

func (h *house) Health() actors.Health {
	return actors.Health{Degraded: []string{"journal: Ada Adler"}}
}

// steady are limits of a process that is well.
type steady struct{ err error }

func (s steady) Status() (httpapi.LimitsStatus, error) {
	return httpapi.LimitsStatus{GCCycles: 7}, s.err
}
func (steady) WarmUp()                     {}
func (steady) Set(map[string]uint64) error { return nil }

var machine = supervisor.NewReal(1)

func newHouse(t *testing.T, limits httpapi.Limits) *house {
	t.Helper()
	h := &house{t: t, recorder: NewRecorder(zerolog.Nop())}
	h.profiling = NewProfiling(machine.Now, func(bool, access.OperatorID, string) {})
	sys, err := supervisor.Start(supervisor.SupervisorSpec{Children: []supervisor.ChildSpec{h.recorder.Spec(), h.profiling.Spec()}}, supervisor.Options{Executor: machine})
	if err != nil {
		t.Fatal(err)
	}
	h.System = sys
	h.d = New(Options{
		Building: h, Site: &site.Site{Building: site.Building{ID: "house"}}, Executor: machine, Recorder: h.recorder, Limits: limits,
		Life: httpapi.Life{Starts: 3, LastEnd: "killed"}, Version: "test",
	})
	h.eventually("the recorder runs", func() bool { return h.recorder.snapshot(io.Discard) == nil })
	return h
}

// eventually asks again and again, for half a minute at most.
func (h *house) eventually(what string, so func() bool) {
	h.t.Helper()
	for range 3000 {
		if so() {
			return
		}
		machine.Wait(nil, 10*time.Millisecond)
	}
	h.t.Fatalf("never: %s", what)
}

func (h *house) stop() {
	h.t.Helper()
	if r := h.Stop(); !r.Complete || r.Zombies > 0 {
		h.t.Errorf("%+v", r)
	}
}

func (h *house) bundle() map[string]string {
	h.t.Helper()
	var file bytes.Buffer
	if err := h.d.Write(h.t.Context(), &file, 0, func(w io.Writer) error { return text("a_metric 1\n")(w) }); err != nil {
		h.t.Fatal(err)
	}
	return unpack(h.t, file.Bytes())
}

// unpack reads every part of a bundle.
func unpack(t *testing.T, file []byte) map[string]string {
	t.Helper()
	z, err := zip.NewReader(bytes.NewReader(file), int64(len(file)))
	if err != nil {
		t.Fatal(err)
	}
	parts := map[string]string{}
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		if _, twice := parts[f.Name]; twice {
			t.Errorf("%s is there twice", f.Name)
		}
		parts[f.Name] = string(text)
	}
	return parts
}

func TestTheBundleHasEveryPart(t *testing.T) {
	h := newHouse(t, steady{})
	defer h.stop()
	parts := h.bundle()
	for name, want := range map[string]string{
		"README.txt": "goroutines by who started them", "about.json": `"last_end": "killed"`, "config.json": `"building": "house"`,
		"tree.txt": "recorder running workers=1", "tree.json": `"path": "root/recorder"`, "health.json": `"journal: (not shown)"`,
		"ledger.json": `"root/recorder": 2`, "crashes.json": `"root/x"`, "limits.json": `"gc_cycles": 7`, "metrics.txt": "a_metric 1",
		"goroutines.txt": "created by gatehouse/supervisor.(*Real).Work", "heap.txt": "what lives on the heap", "allocs.txt": "allocated since the start",
		"waits.txt": "where goroutines waited", "heap.pb.gz": "\x1f\x8b", "allocs.pb.gz": "\x1f\x8b", "block.pb.gz": "\x1f\x8b", "mutex.pb.gz": "\x1f\x8b",
		"trace.out": "go 1.",
	} {
		if !strings.Contains(parts[name], want) {
			t.Errorf("%s has no %q:\n%.2000s", name, want, parts[name])
		}
		if name != "README.txt" && !strings.Contains(readme, strings.TrimSuffix(strings.TrimSuffix(name, "json"), "pb.gz")) && !strings.HasSuffix(name, ".pb.gz") {
			t.Errorf("README.txt says nothing of %s", name)
		}
		delete(parts, name)
	}
	for name, text := range parts {
		t.Errorf("%s is not looked at:\n%s", name, text)
	}
}

// What is on for the time of a diagnosis is off afterwards.
func TestTheProfilesAreOffAfterwards(t *testing.T) {
	h := newHouse(t, steady{})
	defer h.stop()
	during := 0
	err := h.d.Write(t.Context(), io.Discard, 0, func(io.Writer) error {
		during = runtime.SetMutexProfileFraction(-1)
		return nil
	})
	if err != nil || during != mutexFraction {
		t.Errorf("during a diagnosis: %d, %v", during, err)
	}
	if n := runtime.SetMutexProfileFraction(-1); n != 0 {
		t.Errorf("locks are still profiled, with %d", n)
	}
	before := readWaits(runtime.BlockProfile)
	for range 100 {
		c := make(chan struct{})
		go func() { machine.Wait(nil, 20*time.Microsecond); close(c) }()
		<-c
	}
	for at, s := range readWaits(runtime.BlockProfile).since(before) {
		if strings.Contains(at, "AreOffAfterwards") {
			t.Errorf("waits are still profiled: %+v", s)
		}
	}
}

// One at a time; who waits for none ends it; a writer that fails does too.
func TestADiagnosisIsAlone(t *testing.T) {
	h := newHouse(t, steady{})
	defer h.stop()
	ctx, cancel := context.WithCancel(t.Context())
	began, first := make(chan struct{}), make(chan error, 1)
	go func() {
		first <- h.d.Write(ctx, signalling{began}, time.Hour, nil)
	}()
	<-began
	if err := h.d.Write(t.Context(), io.Discard, 0, nil); !errors.Is(err, httpapi.ErrDiagnosisRuns) {
		t.Errorf("beside another one: %v", err)
	}
	cancel()
	if err := <-first; !errors.Is(err, context.Canceled) {
		t.Errorf("cut short: %v", err)
	}
	broken := errors.New("the client is gone")
	if err := h.d.Write(t.Context(), failing{broken}, time.Hour, nil); !errors.Is(err, broken) {
		t.Errorf("a writer that fails: %v", err)
	}
	if n := runtime.SetMutexProfileFraction(-1); n != 0 {
		t.Errorf("locks are still profiled, with %d", n)
	}
}

type signalling struct{ began chan struct{} }

func (s signalling) Write(b []byte) (int, error) {
	select {
	case <-s.began:
	default:
		close(s.began)
	}
	return len(b), nil
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }

// A part that fails or panics is missing, and the others are there.
func TestAPartThatFails(t *testing.T) {
	h := newHouse(t, steady{errors.New("no /proc of Ada Adler")})
	defer h.stop()
	var file bytes.Buffer
	if err := h.d.Write(t.Context(), &file, 0, func(io.Writer) error { panic("Ada Adler") }); err != nil {
		t.Fatal(err)
	}
	parts := unpack(t, file.Bytes())
	if diff := cmp.Diff("limits.json: error\nmetrics.txt: error\n", parts["errors.txt"]); diff != "" {
		t.Errorf("errors.txt (-want +got):\n%s", diff)
	}
	if !strings.Contains(parts["limits.json"], `"gc_cycles": 7`) || parts["trace.out"] == "" {
		t.Error("the other parts are missing")
	}
}

// A part has a bound.
func TestAPartThatIsTooLarge(t *testing.T) {
	var file bytes.Buffer
	const most = 64 << 10
	b := &bundle{zip: zip.NewWriter(&file), now: machine.Now(), most: most}
	b.add("large", func(w io.Writer) error {
		for {
			if _, err := w.Write(make([]byte, 1<<10)); err != nil {
				return err
			}
		}
	})
	b.add("small", text("x"))
	if err := b.close(); err != nil {
		t.Fatal(err)
	}
	parts := unpack(t, file.Bytes())
	if len(parts["large"]) != most || parts["small"] != "x" || parts["errors.txt"] != "large: error\n" {
		t.Errorf("%d bytes, %q, %q", len(parts["large"]), parts["small"], parts["errors.txt"])
	}
}

// The process has one flight recorder. A second tree goes on without.
func TestASecondRecorderRecordsNothing(t *testing.T) {
	h := newHouse(t, steady{})
	other := NewRecorder(zerolog.Nop())
	sys, err := supervisor.Start(supervisor.SupervisorSpec{Children: []supervisor.ChildSpec{other.Spec()}}, supervisor.Options{Executor: machine})
	if err != nil {
		t.Fatal(err)
	}
	if err := other.snapshot(io.Discard); !errors.Is(err, errNoRecorder) {
		t.Errorf("a second recorder: %v", err)
	}
	if tree := sys.Tree(); tree.Find("root/recorder").Restarts != 0 {
		t.Error("it is started again and again")
	}
	sys.Stop()
	h.stop()
	if err := h.recorder.snapshot(io.Discard); !errors.Is(err, errNoRecorder) {
		t.Errorf("after the stop: %v", err)
	}
}

// TestCycles diagnoses, profiles and records again and again; CYCLES=1000 is the
// long run. Nothing is left behind.
func TestCycles(t *testing.T) {
	cycles := 5
	if n, err := strconv.Atoi(os.Getenv("CYCLES")); err == nil {
		cycles = n
	}
	before := goleak.IgnoreCurrent()
	for range cycles {
		h := newHouse(t, steady{})
		if err := h.profiling.On(time.Minute, "api"); err != nil {
			t.Fatal(err)
		}
		if err := h.d.Write(t.Context(), io.Discard, 0, text("")); err != nil {
			t.Fatal(err)
		}
		h.stop()
		if c := h.Counts(); c.Actors+c.Timers+c.Workers+c.Zombies != 0 {
			t.Fatalf("left over: %+v", c)
		}
	}
	var left error
	for range 300 { // goroutines that have handed in their work are just ending
		if left = goleak.Find(before); left == nil {
			return
		}
	}
	t.Error(left)
}

// The ledger of a running recorder accounts for the tracer's own goroutine.
func TestTheRecordersGoroutineHasAnOwner(t *testing.T) {
	h := newHouse(t, steady{})
	defer h.stop()
	h.eventually("every goroutine has an owner", func() bool {
		l := h.Ledger()
		return len(l.Unaccounted) == 0 && l.Owned["root/recorder"] == 2
	})
}

func TestGoroutinesAreGrouped(t *testing.T) {
	const creators = 7
	leave := make(chan struct{})
	defer close(leave)
	for range creators {
		go func() { <-leave }()
	}
	counted := func() int {
		text, whole := allStacks()
		if !whole {
			t.Fatal("the stacks are cut off")
		}
		groups := groupStacks(text)
		if !slices.IsSortedFunc(groups, func(a, b *waiting) int { return b.count - a.count }) {
			t.Error("the largest group is not the first")
		}
		for _, g := range groups {
			if strings.HasSuffix(g.creator, "diag.TestGoroutinesAreGrouped") && g.reason == "chan receive" {
				return g.count
			}
		}
		return 0
	}
	for range 3000 {
		if counted() == creators {
			return
		}
		machine.Wait(nil, 10*time.Millisecond)
	}
	t.Errorf("%d of %d goroutines in their group", counted(), creators)
}

// What is allocated between two moments is found at its place, with its size.
func TestAllocationsAreFoundAtTheirPlace(t *testing.T) {
	began := take()
	for range 64 {
		ballast = append(ballast, make([]byte, 1<<20))
	}
	ended := take()
	const want = 64 << 20
	for what, s := range map[string]spots{"allocated": ended.memory.allocated.since(began.memory.allocated), "live": ended.memory.live} {
		got := 0.0
		for at, one := range s {
			if strings.Contains(at, "TestAllocationsAreFoundAtTheirPlace") {
				got += one.cost
			}
		}
		if got < 0.9*want || got > 1.1*want {
			t.Errorf("%s: %.0f bytes of %d", what, got, want)
		}
	}
	ballast = nil
}

var ballast [][]byte

func TestAboutIsJSON(t *testing.T) {
	h := newHouse(t, steady{})
	defer h.stop()
	var a about
	if err := json.Unmarshal([]byte(h.bundle()["about.json"]), &a); err != nil || a.Version != "test" || a.Life.Starts != 3 || a.CPUs == 0 {
		t.Errorf("%+v, %v", a, err)
	}
}
