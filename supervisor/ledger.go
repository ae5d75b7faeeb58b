package supervisor

import (
	"bufio"
	"bytes"
	"fmt"
	"runtime/pprof"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Ledger is what a system owns at one moment, and every goroutine of the
// process with its owner. When the tree is quiet, Goroutines must equal the sum
// of Owned and Named, and Unaccounted must be empty.
type Ledger struct {
	Counts
	Goroutines int
	Owned      map[string]int // by the owner's path: workers, what libraries start inside them, turns
	Named      map[string]int // by the known root function: main, the test runner, signal delivery
	// Unaccounted goroutines: nobody in the tree owns them.
	Unaccounted []Stray
}

// knownRoots are the functions in which goroutines begin that belong to the
// process and not to a tree.
var knownRoots = map[string]string{
	"runtime.main":             "main",
	"main.main":                "main",
	"testing.(*T).Run":         "testing",
	"testing.tRunner":          "testing",
	"testing.tRunner.func1":    "testing",
	"testing.runTests":         "testing",
	"testing.(*M).startAlarm":  "testing",
	"testing.(*F).Fuzz.func1":  "testing",
	"os/signal.loop":           "signals",
	"os/signal.signal_recv":    "signals",
	"runtime.ensureSigM.func1": "signals",
	"runtime.runFinalizers":    "runtime",
	"runtime.runCleanups":      "runtime",
	"runtime.goexit1":          "ending", // has returned already
}

// unlabelled are the functions of the executor in which goroutines begin. As
// long as they work for an actor they have its label; those without one wait for
// a turn, or are just looking which mailbox a timer is for.
var unlabelled = map[string]string{
	"gatehouse/supervisor.(*Real).takeTurns":              "turns",
	"gatehouse/supervisor.(*turns).look":                  "timers",
	"gatehouse/supervisor.(*turns).look-fm":               "timers",
	"gatehouse/supervisor.(*Real).Alarm.func1":            "timers",
	"gatehouse/supervisor.(*mailbox).startAskTimer.func1": "timers",
}

// Ledger takes stock. Goroutines that begin in a function listed in known are
// counted as Named under that name, besides the process's own few.
func (s *System) Ledger(known ...string) Ledger {
	l := Ledger{Counts: s.Counts(), Owned: map[string]int{}, Named: map[string]int{}}
	var left []*group
	for _, g := range goroutines() {
		l.Goroutines += g.count
		if path, ours := strings.CutPrefix(g.labels[labelActor], s.prefix); ours && s.owns(path) {
			l.Owned[path] += g.count
			continue
		}
		if name := g.name(known); name != "" {
			l.Named[name] += g.count
			continue
		}
		left = append(left, g)
	}
	l.Unaccounted = strays(left)
	return l
}

// owns reports whether the place exists and something may still run for it.
func (s *System) owns(path string) bool {
	if s.place(path) == nil && !s.leftover(path) {
		return false
	}
	select {
	case <-s.down:
		return false // nothing may be left of a tree that is down
	default:
		return true
	}
}

// group is the goroutines of one stack and one set of labels.
type group struct {
	count  int
	labels map[string]string
	frames []string // function names, innermost first
	stack  string
}

func (g *group) root() string {
	if len(g.frames) == 0 {
		return ""
	}
	return g.frames[len(g.frames)-1]
}

func (g *group) name(known []string) string {
	for _, f := range g.frames {
		for _, k := range known {
			if f == k {
				return k
			}
		}
	}
	for i := len(g.frames) - 1; i >= 0; i-- {
		if name := knownRoots[g.frames[i]]; name != "" {
			return name
		}
	}
	if len(g.labels) == 0 {
		return unlabelled[g.root()]
	}
	return ""
}

// goroutines parses the goroutine profile, the only place that shows labels.
func goroutines() (groups []*group) {
	var buf bytes.Buffer
	if err := pprof.Lookup("goroutine").WriteTo(&buf, 1); err != nil {
		return nil
	}
	var g *group
	lines := bufio.NewScanner(&buf)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		line := lines.Text()
		switch count, rest, ok := strings.Cut(line, " @"); {
		case ok && rest != "":
			n, err := strconv.Atoi(count)
			if err != nil {
				continue
			}
			g = &group{count: n, labels: map[string]string{}}
			groups = append(groups, g)
		case g != nil && strings.HasPrefix(line, "# labels: "):
			g.labels = parseLabels(line[len("# labels: "):])
		case g != nil && strings.HasPrefix(line, "#\t"):
			g.addFrame(line)
		}
	}
	return groups
}

// parseLabels reads {"key":"value", "key":"value"}, each written as Go quotes.
// Labels that cannot be read leave the goroutine unaccounted.
func parseLabels(text string) map[string]string {
	labels := map[string]string{}
	next := func() string {
		text = strings.TrimLeft(text, "{:, ")
		quoted, _ := strconv.QuotedPrefix(text)
		text = text[len(quoted):]
		s, _ := strconv.Unquote(quoted)
		return s
	}
	for key := next(); key != ""; key = next() {
		labels[key] = next()
	}
	return labels
}

// addFrame takes a line "#\t0xaddr\tfunction+0xoff\t\tfile:line".
func (g *group) addFrame(line string) {
	fields := strings.Fields(line)
	if len(fields) < 3 {
		return
	}
	name := fields[2]
	if i := strings.LastIndex(name, "+0x"); i > 0 {
		name = name[:i]
	}
	g.frames = append(g.frames, name)
	g.stack += fmt.Sprintf("%s %s\n", name, fields[len(fields)-1])
}

// What many stuck actors may cost in a second: a profile stops the world, and
// takes the longer the more goroutines there are.
const (
	stacksPerSecond   = 10
	profilesPerSecond = 100 * time.Millisecond
)

// stackOf is the stacks of the goroutines that work for a place right now.
func (s *System) stackOf(path string) string {
	return s.limitedStacks(path, true)
}

// handlerStack is stackOf without the workers.
func (s *System) handlerStack(path string) string { return s.limitedStacks(path, false) }

func (s *System) limitedStacks(path string, workers bool) string {
	begin := s.exec.Now()
	if !s.stacks.allow(begin, stacksPerSecond) {
		return "stack left out: too many within a second"
	}
	groups := goroutines()
	s.stacks.spend(s.exec.Now().Sub(begin))
	return s.stacksOf(groups, path, workers)
}

func (s *System) stacksOf(groups []*group, path string, workers bool) string {
	var b strings.Builder
	for _, g := range groups {
		switch worker := g.labels[labelWorker]; {
		case g.labels[labelActor] != s.prefix+path:
		case worker == "":
			fmt.Fprintf(&b, "%d goroutine(s), handler:\n%s", g.count, g.stack)
		case workers:
			fmt.Fprintf(&b, "%d goroutine(s), worker %q:\n%s", g.count, worker, g.stack)
		}
	}
	return b.String()
}

// limiter lets a number of things happen within a second.
type limiter struct {
	mu   sync.Mutex
	from time.Time
	n    int
	cost time.Duration
}

func (l *limiter) allow(now time.Time, most int) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if now.Sub(l.from) >= time.Second {
		l.from, l.n, l.cost = now, 0, 0
	}
	l.n++
	return l.n <= most && l.cost < profilesPerSecond
}

// spend notes what it took.
func (l *limiter) spend(d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cost += d
}
