package daemon_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gatehouse/access"
	"gatehouse/cmd/gatehouse/daemon"
	"gatehouse/supervisor"
)

const lifeFile = "lives.json"

// counted is a house whose starts are counted, on a machine of this boot.
func counted(t *testing.T, machine *string) *house {
	h := newHouse(t)
	h.change = func(o *daemon.Options) { o.Machine = *machine }
	return h
}

// started is the detail of the event that says that the building came up.
func (h *house) started() string {
	for _, e := range h.events {
		if e.Kind == access.KindStarted {
			return e.Detail
		}
	}
	return "it did not start"
}

func (h *house) wantLives(starts uint64, last daemon.End, detail string) {
	h.t.Helper()
	if got := h.d.Lives(); got.Starts != starts || got.LastEnd != last {
		h.t.Errorf("%+v, want start %d and that the life before ended with %q", got, starts, last)
	}
	if got := h.started(); got != detail {
		h.t.Errorf("started: %q, want %q", got, detail)
	}
}

// kill ends a life as SIGKILL would: nothing more is written.
func (h *house) kill() {
	h.t.Helper()
	note, err := os.ReadFile(filepath.Join(h.dir, lifeFile))
	if err != nil {
		h.t.Fatal(err)
	}
	h.stop()
	if err := os.WriteFile(filepath.Join(h.dir, lifeFile), note, 0o600); err != nil {
		h.t.Fatal(err)
	}
}

func TestHowTheLifeBeforeEndedIsKept(t *testing.T) {
	machine := "m1"
	h := counted(t, &machine)
	h.start()
	h.wantLives(1, daemon.EndNone, "start 1")
	h.stop()
	h.start()
	h.wantLives(2, daemon.EndInOrder, "start 2; the life before: in_order")
	if h.d.Lives().LastAt.IsZero() {
		t.Error("when it ended is not known")
	}
	h.kill()
	h.start()
	h.wantLives(3, daemon.EndKilled, "start 3; the life before: killed")
	h.kill()
	machine = "m2" // the machine was started anew
	h.start()
	h.wantLives(4, daemon.EndMachine, "start 4; the life before: machine_down")
	h.stop()
	path := filepath.Join(h.dir, lifeFile)
	if err := os.WriteFile(path, []byte("{}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	h.start()
	h.wantLives(1, daemon.EndUnknown, "start 1; the life before: unknown")
	h.stop()
}

// A building that gave up says so at the next start.
func TestABuildingThatGaveUpIsTold(t *testing.T) {
	machine := "m1"
	h := counted(t, &machine)
	if err := h.open(); err != nil {
		t.Fatal(err)
	}
	if err := h.d.Start(supervisor.ChildSpec{ID: "bad", New: func() supervisor.Actor { return gone{} }}); err != nil {
		t.Fatal(err)
	}
	h.sim.Advance(time.Minute)
	select {
	case <-h.d.Building.Down():
	default:
		t.Fatal("it did not give up")
	}
	if _, err := h.d.Stop(); err != nil {
		t.Fatal(err)
	}
	h.start()
	h.wantLives(2, daemon.EndGaveUp, "start 2; the life before: gave_up")
	h.stop()
}

// gone escalates at once, again and again.
type gone struct{}

func (gone) Start(c *supervisor.Context) error {
	c.Send(c.Self(), "go")
	return nil
}

func (gone) Receive(*supervisor.Context, any) error {
	return supervisor.Escalate(errors.New("beyond repair"))
}

// Who does not ask for it gets no file; a degraded start changes nothing, but
// says how the life before ended.
func TestStartsThatAreNotCounted(t *testing.T) {
	machine := ""
	h := counted(t, &machine)
	h.start()
	h.wantLives(0, daemon.EndNone, "")
	h.stop()
	if _, err := os.Stat(filepath.Join(h.dir, lifeFile)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("there is a note: %v", err)
	}

	machine = "m1"
	h.start()
	h.stop()
	for _, c := range damages {
		if c.name == "store locked" {
			continue
		}
		c.do(h)
		before := h.files()
		h.start()
		if h.d.Degraded() == nil {
			t.Fatalf("%s: not degraded", c.name)
		}
		h.wantLives(1, daemon.EndInOrder, "")
		h.stop()
		if after := h.files(); !cmp.Equal(before[lifeFile], after[lifeFile]) {
			t.Errorf("%s: a degraded start changed the note", c.name)
		}
	}
}
