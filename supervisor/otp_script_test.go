package supervisor_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// otpScript is a script of the differential run against OTP: a tree and steps,
// all drawn from a seed. Its text is an Erlang term, which is how OTP's side gets it:
//
//	start                the tree, if it is down
//	stop                 the root, as its parent
//	{exit,Path,Reason}   the leaf ends by itself, if it runs
//	{refuse,Path,N}      its next N starts fail
//	{ignore,Path,N}      its next N starts (that do not fail) say ignore
//	{badstop,Path,N}     its next N stop hooks panic
//	{advance,Seconds}    the clock
//
// Mishaps (refuse, ignore, badstop) outlast restarts and stops of the tree.
type otpScript struct {
	seed  uint64
	tree  *otpNode
	steps []otpStep
}

// otpNode is a supervisor, or a leaf when it has no strategy.
type otpNode struct {
	id       string
	restart  string
	strategy string
	shutdown string // of a leaf
	hook     bool   // the leaf has a stop hook (OTP: it traps exits)

	intensity, period int
	children          []*otpNode
}

// otpStep is a step; reason is set for an exit, n for mishaps and advance.
type otpStep struct {
	verb, path, reason string
	n                  int
}

func (s otpStep) String() string {
	switch {
	case s.reason != "":
		return fmt.Sprintf("{%s,%q,%s}", s.verb, s.path, s.reason)
	case s.path != "":
		return fmt.Sprintf("{%s,%q,%d}", s.verb, s.path, s.n)
	case s.n != 0:
		return fmt.Sprintf("{%s,%d}", s.verb, s.n)
	}
	return s.verb
}

func (n *otpNode) String() string {
	if n.strategy == "" {
		return fmt.Sprintf("{leaf,%q,%s,%s,%t}", n.id, n.restart, n.shutdown, n.hook)
	}
	return fmt.Sprintf("{sup,%q,%s,%s,%d,%d,%s}", n.id, n.restart, n.strategy, n.intensity, n.period, commas(n.children))
}

func (s *otpScript) String() string {
	return fmt.Sprintf("{%d,%v,%s}", s.seed, s.tree, commas(s.steps))
}

func commas[T fmt.Stringer](list []T) string {
	texts := make([]string, len(list))
	for i, item := range list {
		texts[i] = item.String()
	}
	return "[" + strings.Join(texts, ",") + "]"
}

// otpDraw draws scripts.
type otpDraw struct {
	rand   *rand.Rand
	leaves []otpPlace
}

// otpPlace is a leaf and where it is.
type otpPlace struct {
	*otpNode
	path string
}

func draw[T any](d *otpDraw, of ...T) T { return of[d.rand.IntN(len(of))] }

func (d *otpDraw) chance(percent int) bool { return d.rand.IntN(100) < percent }

func newOTPScript(seed uint64) *otpScript {
	d := &otpDraw{rand: rand.New(rand.NewPCG(seed, 25))}
	s := &otpScript{seed: seed, tree: d.sup("root", "root", "permanent", 2)}
	if d.chance(25) {
		s.steps = append(s.steps, d.mishap()) // before the first start
	}
	s.steps = append(s.steps, otpStep{verb: "start"})
	for range 10 + d.rand.IntN(40) {
		s.steps = append(s.steps, d.step())
	}
	s.steps = append(s.steps, otpStep{verb: "stop"})
	return s
}

func (d *otpDraw) sup(id, path, restart string, depth int) *otpNode {
	n := &otpNode{
		id: id, restart: restart, strategy: draw(d, "one_for_one", "rest_for_one", "one_for_all"),
		intensity: draw(d, 0, 1, 1, 2, 2, 3, 3, 5, 8), period: 1 + d.rand.IntN(6),
	}
	leafAt := d.rand.IntN(4) // so that there is one to tell something
	for i := range max(leafAt, d.rand.IntN(4)) + 1 {
		id := fmt.Sprint("c", i)
		if depth > 0 && i != leafAt && d.chance(45) {
			// Not transient: see otpDifferences.
			n.children = append(n.children, d.sup(id, path+"/"+id, draw(d, "permanent", "permanent", "temporary"), depth-1))
			continue
		}
		n.children = append(n.children, d.leaf(id, path+"/"+id))
	}
	return n
}

func (d *otpDraw) leaf(id, path string) *otpNode {
	n := &otpNode{
		id: id, restart: draw(d, "permanent", "permanent", "transient", "temporary"),
		shutdown: draw(d, "5000", "5000", "infinity", "brutal_kill"), hook: draw(d, true, true, false),
	}
	d.leaves = append(d.leaves, otpPlace{n, path})
	return n
}

func (d *otpDraw) step() otpStep {
	switch k := d.rand.IntN(100); {
	case k < 55:
		return d.exit()
	case k < 67:
		return d.mishap()
	case k < 85:
		return otpStep{verb: "advance", n: 1 + d.rand.IntN(6)}
	case k < 97:
		return otpStep{verb: "start"}
	}
	return otpStep{verb: "stop"}
}

func (d *otpDraw) exit() otpStep {
	leaf, reason := draw(d, d.leaves...), draw(d, "error", "error", "panic")
	if d.chance(50) {
		reason = draw(d, "normal", "shutdown", "{shutdown,x}")
	}
	return otpStep{verb: "exit", path: leaf.path, reason: reason}
}

func (d *otpDraw) mishap() otpStep {
	leaf, verb := draw(d, d.leaves...), draw(d, "refuse", "refuse", "ignore", "badstop")
	return otpStep{verb: verb, path: leaf.path, n: 1 + d.rand.IntN(3)}
}
