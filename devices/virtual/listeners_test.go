package virtual_test

import (
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"gatehouse/devices"
	"gatehouse/devices/virtual"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func row(n int) devices.CardRead { return devices.CardRead{Origin: devices.Origin{Row: uint64(n)}} }

// All listeners hear all reads in one order, and each caller's in its order,
// even when many present at once; Present returns when its read was heard.
func TestOneOrderForAll(t *testing.T) {
	const callers, each, ears = 4, 500, 3
	reader := virtual.New(virtual.Options{}).Reader("d/in")
	var heard [ears][]uint64 // no lock: the listeners of a part are called one at a time
	var last [callers]atomic.Uint64
	for e := range ears {
		reader.Listen(func(c devices.CardRead) {
			heard[e] = append(heard[e], c.Origin.Row)
			last[c.Origin.Row/each].Store(c.Origin.Row)
		})
	}
	var wg sync.WaitGroup
	for c := range callers {
		wg.Go(func() {
			for i := range each {
				reader.Present(row(c*each + i))
				if got := last[c].Load(); got != uint64(c*each+i) {
					t.Errorf("Present of %d returned before it was heard", c*each+i)
				}
			}
		})
	}
	wg.Wait()
	for e := range ears {
		if !slices.Equal(heard[e], heard[0]) {
			t.Errorf("listener %d heard another order", e)
		}
	}
	for c := range callers {
		own := slices.DeleteFunc(slices.Clone(heard[0]), func(r uint64) bool { return r/each != uint64(c) })
		if len(own) != each || !slices.IsSorted(own) {
			t.Errorf("caller %d: %d of %d reads, sorted %v", c, len(own), each, slices.IsSorted(own))
		}
	}
}

// When nobody moves the contact any more, what was told last is what holds.
func TestLevelIsWhatWasToldLast(t *testing.T) {
	for range 100 {
		input := virtual.New(virtual.Options{}).Input("d/contact")
		told, calls := false, 0
		input.Listen(func(active bool) {
			if active == told {
				t.Error("told a movement that is none")
			}
			told = active
			calls++
		})
		var wg sync.WaitGroup
		for c := range 4 {
			wg.Go(func() {
				for i := range 20 {
					input.Set((c+i)%2 == 0)
				}
			})
		}
		wg.Wait()
		if level, _ := input.Level(); level != told {
			t.Fatalf("level %v, told %v", level, told)
		}
	}
}

func TestCancelWaitsForTheCallUnderWay(t *testing.T) {
	reader := virtual.New(virtual.Options{}).Reader("d/in")
	for range 300 {
		var cancelled atomic.Bool
		entered := make(chan struct{}, 1)
		cancel := reader.Listen(func(devices.CardRead) {
			select {
			case entered <- struct{}{}:
			default:
			}
			for range 20 {
				runtime.Gosched()
				if cancelled.Load() {
					t.Error("the listener runs after cancel returned")
				}
			}
		})
		var wg sync.WaitGroup
		wg.Go(func() {
			for range 3 {
				reader.Present(row(1))
			}
		})
		<-entered
		for range 2 { // also two cancels at once
			wg.Go(func() {
				cancel()
				cancelled.Store(true)
			})
		}
		wg.Wait()
	}
}

func TestAListenerMayDoAnything(t *testing.T) {
	rig := virtual.New(virtual.Options{})
	reader, contact, lock := rig.Reader("d/in"), rig.Input("d/contact"), rig.Lock("d/lock")
	door := rig.Door("d")
	var story []string
	tell := func(format string, args ...any) { story = append(story, fmt.Sprintf(format, args...)) }
	rig.OnMove(func(_ string, release bool) {
		tell("bolt %v", release)
		if release {
			_ = door.Open()
		}
	})
	contact.Listen(func(open bool) {
		tell("contact %v", open)
		if open { // from within its own chain: lock, hook, contact
			_ = lock.Drive(false)
			door.Close()
		}
	})
	var cancel func()
	cancel = reader.Listen(func(c devices.CardRead) {
		tell("read %d", c.Origin.Row)
		if c.Origin.Row == 1 {
			reader.Present(row(2))
			_ = lock.Drive(true)
			return
		}
		cancel()
		reader.Present(row(3))
	})
	reader.Listen(func(c devices.CardRead) { tell("second %d", c.Origin.Row) })
	reader.Present(row(1))
	want := []string{
		"read 1", "bolt true", "contact true", "contact false", "bolt false",
		"second 1", "read 2", "second 2", "second 3",
	}
	if diff := cmp.Diff(want, story); diff != "" {
		t.Error(diff)
	}
}

func TestAListenerCancelsItsNeighbour(t *testing.T) {
	reader := virtual.New(virtual.Options{}).Reader("d/in")
	var cancel func()
	reader.Listen(func(devices.CardRead) { cancel() })
	cancel = reader.Listen(func(devices.CardRead) { t.Error("called after its cancel returned") })
	reader.Present(row(1))
}

// Listeners of two parts that move, and cancel at, the other part, from two
// goroutines: whoever waited for the other would wait for ever.
func TestCrossedListeners(t *testing.T) {
	rig := virtual.New(virtual.Options{})
	parts := [2]*virtual.Reader{rig.Reader("d/in"), rig.Reader("d/out")}
	for range 200 {
		var heard [2]atomic.Int64
		var cancels []func()
		for p := range parts {
			other := parts[1-p]
			cancels = append(cancels, parts[p].Listen(func(c devices.CardRead) {
				heard[p].Add(1)
				if c.Origin.Row > 0 {
					other.Listen(func(devices.CardRead) {})()
					other.Present(row(int(c.Origin.Row) - 1))
				}
			}))
		}
		var wg sync.WaitGroup
		for p := range parts {
			wg.Go(func() { parts[p].Present(row(9)) })
		}
		wg.Wait()
		if sum := heard[0].Load() + heard[1].Load(); sum != 20 {
			t.Fatalf("%d reads heard, want 20", sum)
		}
		for _, cancel := range cancels {
			cancel()
		}
	}
}

func TestListenersThatComeAndGoAtOnce(t *testing.T) {
	rig := virtual.New(virtual.Options{})
	b, err := rig.Driver().Open(devices.Config{ID: "d"})
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for i := range 100 {
				cancel := b.Inputs["contact"].Listen(func(active bool) { _ = b.Locks["lock"].Drive(active) })
				rig.Input("d/contact").Set(i%2 == 0)
				_ = b.Locks["lock"].Drive(i%3 == 0)
				_ = b.Indicators["in"].Indicate(devices.Show{Beeps: i})
				cancel()
			}
		})
	}
	wg.Wait()
	_ = b.Close()
	moves := rig.Lock("d/lock").Moves()
	rig.Input("d/contact").Set(true)
	rig.Input("d/contact").Set(false)
	if rig.Lock("d/lock").Moves() != moves {
		t.Error("a listener lives on after Close")
	}
}

// A panic reaches who moved the part, and the part works on.
func TestAPanickingListener(t *testing.T) {
	reader := virtual.New(virtual.Options{}).Reader("d/in")
	var heard []uint64
	cancel := reader.Listen(func(c devices.CardRead) {
		if c.Origin.Row == 1 {
			reader.Present(row(2))
			panic("kaboom")
		}
		heard = append(heard, c.Origin.Row)
	})
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the panic is lost")
			}
		}()
		reader.Present(row(1))
	}()
	reader.Present(row(3))
	if diff := cmp.Diff([]uint64{2, 3}, heard); diff != "" {
		t.Errorf("what was left over comes first: %s", diff)
	}
	cancel()
	reader.Present(row(4))
	if len(heard) != 2 {
		t.Error("called after cancel")
	}
}

func BenchmarkPresent(b *testing.B) {
	reader := virtual.New(virtual.Options{}).Reader("d/in")
	n := 0
	reader.Listen(func(devices.CardRead) { n++ })
	b.ReportAllocs()
	for b.Loop() {
		reader.Present(devices.CardRead{})
	}
}

func BenchmarkDrive(b *testing.B) {
	lock := virtual.New(virtual.Options{}).Lock("d/lock")
	release := false
	b.ReportAllocs()
	for b.Loop() {
		release = !release
		_ = lock.Drive(release)
	}
}
