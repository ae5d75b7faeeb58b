package links_test

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gatehouse/cmd/gatehouse/links"
	"gatehouse/cmd/gatehouse/site"
	"gatehouse/edge/redis"
	"gatehouse/supervisor/sim"
)

var onlyRedis = site.Links{Redis: everything.Redis}

func (h *house) wants(what string, want ...string) {
	h.t.Helper()
	if got := h.chat.said(h.t); !slices.Equal(got, want) {
		h.t.Errorf("%s: published %v, want %v", what, got, want)
	}
}

func (h *house) send(msg any) {
	h.t.Helper()
	if got := h.sys.Ref("root/redis").Send(msg); !got.OK() {
		h.t.Fatalf("%T: %v", msg, got)
	}
	h.sim.Quiesce()
}

// A new link begins at the newest event and names what is older; what comes after is
// published once, also over restarts.
func TestTheCursor(t *testing.T) {
	h := newHouse(t, onlyRedis, nil)
	h.wants("an empty journal")
	h.b.add(2)
	h.sim.Advance(time.Second)
	h.wants("two events", "e1", "e2")
	h.stop()
	h.b.add(3)
	h.start(onlyRedis)
	h.sim.Advance(time.Second)
	h.wants("the next life", "e3", "e4", "e5")
	if h.b.sent != 5 {
		t.Errorf("acknowledged: %d", h.b.sent)
	}
	if err := os.Remove(filepath.Join(h.dir, links.CursorName)); err != nil {
		t.Fatal(err)
	}
	h.stop() // writes nothing: all of it was written
	h.b.add(1)
	h.start(onlyRedis)
	h.sim.Advance(time.Second)
	h.wants("without a cursor", "gap 1+6 new_link")
	h.b.add(1)
	h.sim.Advance(300 * time.Millisecond) // too soon for the cursor to be written down again
	h.wants("and then", "e7")
	h.stop() // writes it
	h.start(onlyRedis)
	h.sim.Advance(time.Minute)
	h.wants("nothing twice after a stop in order")
	h.stop()
	if h.chat.closed != 4 {
		t.Errorf("closed %d times", h.chat.closed)
	}
}

// What retention removed before it was sent is named.
func TestGapsAreNamed(t *testing.T) {
	h := newHouse(t, onlyRedis, nil)
	h.b.add(2)
	h.sim.Advance(2 * time.Second)
	h.wants("two events", "e1", "e2")
	h.chat.fail = errOutage
	h.b.add(10)
	h.sim.Advance(time.Minute)
	h.b.drop(8)
	h.chat.fail = nil
	h.sim.Advance(time.Minute)
	h.wants("after the outage", "gap 3+6 missing", "e9", "e10", "e11", "e12")
	h.stop()
	h.b.add(5)
	h.b.drop(6)
	h.start(onlyRedis)
	h.sim.Advance(time.Second)
	h.wants("over a restart", "gap 13+2 missing", "e15", "e16", "e17")
	h.stop()
}

// A cursor that says nothing of this journal, or cannot be read, loses nothing
// quietly.
func TestACursorThatCannotBeUsed(t *testing.T) {
	for name, c := range map[string]struct {
		change func(h *house, path string)
		want   []string
	}{
		"damaged": {func(_ *house, path string) {
			if err := os.WriteFile(path, []byte("{}\nx\n"), 0o600); err != nil {
				t.Fatal(err)
			}
		}, []string{"gap 1+4 cursor_lost"}},
		"another journal": {func(h *house, _ string) { h.b.events[3].Source.Boot = 8 }, []string{"gap 1+4 journal_replaced"}},
		"shorter journal": {func(h *house, _ string) { h.b.events = h.b.events[:2] }, []string{"gap 1+2 journal_replaced"}},
		"the same":        {func(*house, string) {}, nil},
		"its event is gone": {func(h *house, _ string) {
			h.b.add(1)
			h.b.drop(4)
		}, []string{"e5"}},
	} {
		h := newHouse(t, onlyRedis, nil)
		h.b.add(4)
		h.sim.Advance(2 * time.Second)
		h.chat.said(t)
		h.stop()
		c.change(h, filepath.Join(h.dir, links.CursorName))
		h.start(onlyRedis)
		h.sim.Advance(time.Second)
		if diff := cmp.Diff(c.want, h.chat.said(t)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		h.stop()
	}
}

// What the server acknowledged of a batch is not sent again, the rest is, and in
// order.
func TestPartOfABatch(t *testing.T) {
	h := newHouse(t, onlyRedis, nil)
	h.chat.fail, h.chat.ack = errOutage, 3
	h.b.add(10)
	h.sim.Advance(time.Second)
	h.chat.ack = 0
	h.sim.Advance(time.Minute)
	h.chat.fail = nil
	h.sim.Advance(time.Minute)
	h.wants("all", "e1", "e2", "e3", "e4", "e5", "e6", "e7", "e8", "e9", "e10")
	h.stop()
}

// A crash sends again what a second has brought at most, never less.
func TestACrashLosesNothing(t *testing.T) {
	h := newHouse(t, onlyRedis, nil)
	next := uint64(1)
	for range 50 {
		h.b.add(3)
		h.sim.Advance(300 * time.Millisecond)
		h.sys.Ref("root/redis").Send("what nobody sends it ends its life")
		h.sim.Advance(2 * time.Minute)
		for _, text := range h.chat.said(t) {
			var seq uint64
			if n, _ := fmt.Sscanf(text, "e%d", &seq); n != 1 || seq > next {
				t.Fatalf("%s where e%d is due", text, next)
			}
			if seq == next {
				next++
			}
		}
	}
	if next != 151 {
		t.Errorf("up to e%d", next-1)
	}
	h.stop()
}

// A backlog goes out in batches, and a server that hangs is not asked twice.
func TestABacklog(t *testing.T) {
	hang := time.Duration(0)
	h := newHouse(t, onlyRedis, func(_, name string) sim.Hold {
		if name == "send" {
			return sim.Hold{Result: hang}
		}
		return sim.Hold{}
	})
	h.b.add(10 * links.Batch)
	h.sim.Advance(5 * time.Second)
	if got := len(h.chat.said(t)); got != 10*links.Batch {
		t.Errorf("%d of %d", got, 10*links.Batch)
	}
	hang = time.Hour
	h.sim.Advance(time.Minute)
	h.b.add(1)
	before := h.chat.calls
	h.sim.Advance(30 * time.Minute)
	if h.chat.calls > before+1 {
		t.Errorf("%d calls beside one that hangs", h.chat.calls-before)
	}
	if _, bad := h.b.noted(); bad == 0 {
		t.Error("nobody was told")
	}
}

// The link is up once both directions work, down when one does not.
func TestBothDirections(t *testing.T) {
	h := newHouse(t, onlyRedis, nil)
	h.sim.Advance(time.Minute)
	if good, bad := h.b.noted(); good+bad != 0 {
		t.Errorf("before the subscription: %d good, %d bad", good, bad)
	}
	h.send(links.Ready())
	if good, bad := h.b.noted(); good != 1 || bad != 0 {
		t.Errorf("both: %d good, %d bad", good, bad)
	}
	if !h.sim.EndLoop("root/redis", "listen", errOutage) {
		t.Fatal("nobody listens")
	}
	h.sim.Advance(time.Second)
	if !h.sim.EndLoop("root/redis", "listen", nil) {
		t.Fatal("nobody listens again")
	}
	h.b.add(1)
	h.sim.Advance(time.Minute)
	if good, bad := h.b.noted(); good != 1 || bad != 2 {
		t.Errorf("only one direction: %d good, %d bad", good, bad)
	}
	h.send(links.Ready())
	if good, _ := h.b.noted(); good != 2 {
		t.Errorf("both again: %d good", good)
	}
	h.stop()
}

// A hint has the building look, once a second at most; it does nothing else.
func TestHints(t *testing.T) {
	h := newHouse(t, everything, nil)
	h.send(links.Ready())
	h.sim.Advance(time.Minute)
	h.chat.said(t)
	beats := len(h.post.at)
	h.send(links.Hint(redis.TakenState))
	h.wants("asked for the state", "state")
	if len(h.post.at) != beats+1 {
		t.Errorf("%d beats", len(h.post.at)-beats)
	}
	h.b.add(1)
	h.send(links.Hint(redis.TakenEvents))
	h.wants("asked for events", "e1")
	for range 100 {
		h.send(links.Hint(redis.TakenState))
	}
	h.wants("a flood")
	if h.l.Limited() != 100 || len(h.post.at) != beats+1 {
		t.Errorf("%d of 100 came too soon, %d beats", h.l.Limited(), len(h.post.at)-beats)
	}
	h.sim.Advance(time.Second)
	h.chat.fail = errOutage
	h.b.add(1)
	h.sim.Advance(10 * time.Second)
	calls := h.chat.calls
	h.send(links.Hint(redis.TakenEvents))
	if h.chat.calls != calls {
		t.Error("a server that failed was asked again at once")
	}
	h.stop()
}

// The links see a building that they cannot command: no hint, whatever it says, has
// a way to a door.
func TestLinksCannotCommand(t *testing.T) {
	var can []string
	for m := range reflect.TypeFor[links.Building]().Methods() {
		can = append(can, m.Name)
	}
	if want := []string{"Events", "Health", "LastEvent", "NoteLink", "NoteSent"}; !slices.Equal(can, want) {
		t.Errorf("links can %v, want %v", can, want)
	}
}
