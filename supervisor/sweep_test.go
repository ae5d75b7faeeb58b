package supervisor_test

import (
	"fmt"
	"hash/fnv"
	"os"
	"strconv"
	"strings"
	"testing"

	"gatehouse/supervisor/supervisortest"
)

// seeds is what a sweep runs: the environment's SEED alone, or so many.
func seeds(t *testing.T, quick int) (first, end uint64) {
	n := supervisortest.Seeds(t, quick)
	if text := os.Getenv("SEED"); text != "" {
		seed, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			t.Fatalf("SEED=%q: %v", text, err)
		}
		return seed, seed + 1
	}
	return 0, uint64(n)
}

// TestSweepTrees: random trees under random faults do what the reference model
// allows, and nothing else; nothing is left of them. A seed that fails prints
// how to run it again and the faults that it needs.
func TestSweepTrees(t *testing.T) {
	count := map[string]int{}
	first, end := seeds(t, 2000)
	for seed := first; seed < end; seed++ {
		run := func(faults []fault) *grove {
			g := plant(seed)
			g.torture(faults)
			return g
		}
		faults, ok := scripted(t)
		if !ok {
			faults = plant(seed).draw()
		}
		g := run(faults)
		if len(g.model.wrong) > 0 {
			t.Fatal(complaint(seed, faults, run))
		}
		for _, s := range g.trace {
			count[s.What]++
		}
	}
	t.Log(count)
	for _, what := range []string{"restarting", "failed", "escalated", "abandoned", "answered", "stalled", "tick", "taskdone", "order", "sent-old", "down", "demonitored", "answer", "stashed", "unstashed"} {
		if count[what] == 0 && end-first >= 100 {
			t.Errorf("the sweep never saw %q", what)
		}
	}
}

const lastLines = 30 // of a trace

// complaint is all that is needed to see a failure again.
func complaint(seed uint64, faults []fault, run func([]fault) *grove) string {
	least := shrink(faults, func(fewer []fault) bool { return len(run(fewer).model.wrong) > 0 })
	g := run(least)
	var b strings.Builder
	fmt.Fprintf(&b, "seed %d is wrong. Replay: make sim SEED=%d\n", seed, seed)
	fmt.Fprintf(&b, "%d of its %d faults are enough:\n", len(least), len(faults))
	for _, f := range least {
		fmt.Fprintf(&b, "\t%v\n", f)
	}
	for _, line := range g.model.wrong[:min(len(g.model.wrong), 5)] {
		fmt.Fprintf(&b, "wrong: %s\n", line)
	}
	fmt.Fprintln(&b, "the trace ends:")
	for _, s := range g.trace[max(len(g.trace)-lastLines, 0):] {
		fmt.Fprintf(&b, "\t%v\n", s)
	}
	return b.String()
}

// TestComplaint: a failing seed says what command runs it again, once, and the
// one fault that it needs: here the runtime forgets restarts.
func TestComplaint(t *testing.T) {
	for seed := range uint64(100) {
		run := func(faults []fault) *grove {
			g := plant(seed)
			g.wrap = func(s seen) []seen {
				if s.What == "restarting" {
					return nil
				}
				return []seen{s}
			}
			g.torture(faults)
			return g
		}
		faults := plant(seed).draw()
		if len(run(faults).model.wrong) == 0 {
			continue // it needs no restart
		}
		text := complaint(seed, faults, run)
		command := fmt.Sprintf("make sim SEED=%d\n", seed)
		for _, part := range []string{command, fmt.Sprintf("\n1 of its %d faults are enough:\n\t", len(faults)), "starts, and nobody wants it\n"} {
			if strings.Count(text, part) != 1 {
				t.Errorf("%q is not there once:\n%s", part, text)
			}
		}
		return
	}
	t.Error("no seed with a restart")
}

// TestSweepTraces: one seed, one trace; another seed, another.
func TestSweepTraces(t *testing.T) {
	first, end := seeds(t, 200)
	all := map[uint64]bool{}
	end = min(end, first+200)
	for seed := first; seed < end; seed++ {
		trace := traceOf(seed)
		if trace != traceOf(seed) {
			t.Errorf("seed %d has two traces", seed)
		}
		all[trace] = true
	}
	if len(all) != int(end-first) {
		t.Errorf("%d seeds have %d traces", end-first, len(all))
	}
}

func traceOf(seed uint64) uint64 {
	g := plant(seed)
	g.torture(g.draw())
	h := fnv.New64a()
	for _, s := range g.trace {
		_, _ = fmt.Fprintln(h, s)
	}
	return h.Sum64()
}
