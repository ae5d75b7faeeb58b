package supervisor_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path"
	"slices"
	"strings"
	"testing"
	"time"
)

// fault is one thing that goes wrong, as data: a line such as
// "slow root/c0 at=3 times=1 for=2s".
type fault struct {
	Kind  string
	Path  string // of an actor; of a script's fault, "root"
	At    int    // from this message, life or step on
	Times int
	For   time.Duration
}

// The kinds of faults, by what At counts.
var (
	inMessages = []string{"panic", "error", "escalate", "rest", "end", "slow", "hang", "task-slow", "task-hang"}
	inLives    = []string{
		"start-panic", "start-error", "start-escalate", "start-rest", "start-ignore", "start-slow", "start-hang",
		"stop-panic", "stop-slow", "stop-hang", "deaf",
	}
	inSteps = []string{"flood", "stall", "stop", "task-held", "order-start", "order-stop", "ask-start", "ask-stop"}
)

func (f fault) String() string {
	return fmt.Sprintf("%s %s at=%d times=%d for=%v", f.Kind, f.Path, f.At, f.Times, f.For)
}

func parseFault(line string) (f fault, err error) {
	var wait string
	if _, err = fmt.Sscanf(line, "%s %s at=%d times=%d for=%s", &f.Kind, &f.Path, &f.At, &f.Times, &wait); err != nil {
		return f, fmt.Errorf("fault %q: %w", line, err)
	}
	if !slices.Contains(slices.Concat(inMessages, inLives, inSteps), f.Kind) {
		return f, fmt.Errorf("fault %q: no such kind", line)
	}
	f.For, err = time.ParseDuration(wait)
	return f, err
}

// hits reports whether the fault is due at the n-th message, life or step.
func (f fault) hits(n int) bool { return n >= f.At && n < f.At+f.Times }

func pick[T any](r *rand.Rand, of ...T) T { return of[r.IntN(len(of))] }

// drawFaults draws the faults of a seed for these actors.
func drawFaults(seed uint64, actors []string) (faults []fault) {
	r := rand.New(rand.NewPCG(seed, 3))
	for range 3 + r.IntN(4+len(actors)) {
		f := fault{Path: pick(r, actors...), Times: 1, For: time.Duration(r.Int64N(int64(12 * time.Second)))}
		switch n := r.IntN(100); {
		case n < 55:
			f.Kind, f.At = pick(r, inMessages...), 1+r.IntN(12)
			f.Times = pick(r, 1, 1, 1, 3)
		case n < 88:
			f.Kind, f.At = pick(r, inLives...), 1+r.IntN(4)
			f.Times = pick(r, 1, 1, 2, 5)
			if strings.HasPrefix(f.Kind, "start-") && r.IntN(10) > 0 {
				f.At++ // else the tree does not even come up
			}
		default:
			f.Kind, f.At = pick(r, "flood", "flood", "stall", "stall", "task-held", "stop"), r.IntN(scriptSteps)
		}
		faults = append(faults, f)
	}
	return faults
}

// drawOrders draws what is asked of the supervisors of these places. Times says
// which New a StartChild brings: 1 is none.
func drawOrders(seed uint64, places []string) (orders []fault) {
	r := rand.New(rand.NewPCG(seed, 4))
	for range 2 + r.IntN(4+2*len(places)) {
		f := fault{Kind: pick(r, "order-", "ask-"), Path: pick(r, places...), At: r.IntN(scriptSteps), Times: 1}
		f.For = time.Duration(r.Int64N(int64(12 * time.Second)))
		dynamic := strings.Contains(path.Base(f.Path), "d")
		if dynamic && r.IntN(3) > 0 {
			f.At = r.IntN(5)
		}
		if r.IntN(100) < 25 {
			f.Kind += "stop"
		} else {
			f.Kind += "start"
		}
		if (r.IntN(3) == 0) == dynamic {
			f.Times = 2
		} else if r.IntN(20) == 0 && (!dynamic || strings.HasSuffix(f.Kind, "stop")) {
			f.Path = path.Dir(f.Path) + "/nobody"
		}
		orders = append(orders, f)
	}
	return orders
}

// shrink drops every fault that a failure does not need.
func shrink(faults []fault, fails func([]fault) bool) []fault {
	for n := max(len(faults)/2, 1); n > 0; n /= 2 {
		for i := 0; i+n <= len(faults); {
			fewer := slices.Delete(slices.Clone(faults), i, i+n)
			if fails(fewer) {
				faults = fewer
			} else {
				i++
			}
		}
	}
	return faults
}

// scripted is the faults that the environment's FAULTS says instead of a
// seed's own: lines, or separated by semicolons.
func scripted(t *testing.T) (faults []fault, ok bool) {
	text, ok := os.LookupEnv("FAULTS")
	if text == "" {
		return nil, false
	}
	for line := range strings.FieldsFuncSeq(text, func(r rune) bool { return r == ';' || r == '\n' }) {
		f, err := parseFault(strings.TrimSpace(line))
		if err != nil {
			t.Fatal(err)
		}
		faults = append(faults, f)
	}
	return faults, ok
}

// TestFaultsAreData: every fault can be printed and read again.
func TestFaultsAreData(t *testing.T) {
	for seed := range uint64(50) {
		actors := []string{"root/a", "root/b"}
		for _, f := range slices.Concat(drawFaults(seed, actors), drawOrders(seed, actors)) {
			got, err := parseFault(f.String())
			if err != nil || got != f {
				t.Errorf("%v became %v, %v", f, got, err)
			}
		}
	}
	for _, bad := range []string{"", "panic root/a", "shout root/a at=1 times=1 for=1s", "slow root/a at=1 times=1 for=long"} {
		if f, err := parseFault(bad); err == nil {
			t.Errorf("%q became %v", bad, f)
		}
	}
}

// TestShrink: of a script with two faults that fail together only they are left.
func TestShrink(t *testing.T) {
	faults := drawFaults(7, []string{"root/a", "root/b", "root/c", "root/d", "root/e", "root/f"})
	planted := []fault{{Kind: "slow", Path: "x", At: 1, Times: 1}, {Kind: "panic", Path: "y", At: 2, Times: 1}}
	script := slices.Concat(faults[:2], planted[:1], faults[2:], planted[1:])
	tries := 0
	got := shrink(script, func(fewer []fault) bool {
		tries++
		return slices.Contains(fewer, planted[0]) && slices.Contains(fewer, planted[1])
	})
	equal(t, "shrunk", planted, got)
	if tries > 4*len(script) {
		t.Errorf("%d tries for %d faults", tries, len(script))
	}
}
