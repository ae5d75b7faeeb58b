package supervisor_test

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"gatehouse/supervisor"
	"gatehouse/supervisor/supervisortest"
)

// How work grows is counted, not timed, so that a busy machine changes nothing:
// Go's coverage counts how often each statement of the runtime runs. A story
// runs twice, in processes of an instrumented build, and for 5 times as many of
// whatever it is about no statement may run 8 times as often. What is linear
// runs 5 times as often, a heap 6 times, a search through siblings 25 times.

// stories are what is counted. Each is about n of something and does something
// for each of them.
var stories = map[string]func(t *testing.T, n int){
	"static crowd":                  crowdsLife(supervisor.OneForOne, supervisor.Permanent),
	"dynamic crowd":                 crowdsLife(supervisor.Dynamic, supervisor.Temporary),
	"static restarts, one by one":   restartsOneByOne(supervisor.OneForOne),
	"dynamic restarts, one by one":  restartsOneByOne(supervisor.Dynamic),
	"one for all":                   plan(supervisor.OneForAll),
	"rest for one":                  plan(supervisor.RestForOne),
	"lookups":                       lookUpEach,
	"restarts of one":               restartsOfOne,
	"timers":                        timersOfOne,
	"workers":                       workersOfOne,
	"quadratic: each looks at each": eachLooksAtEach,
}

const (
	storyFew, storyMany = 1000, 5000
	storyGrowth         = 8 // OTP demands 12 of a mass exit
	storyName           = "STORY"
	storySize           = "STORY_SIZE"
)

// TestStory is a story in a process of its own.
func TestStory(t *testing.T) {
	story := stories[os.Getenv(storyName)]
	if story == nil {
		t.Skip("only in a process of its own")
	}
	n, err := strconv.Atoi(os.Getenv(storySize))
	if err != nil {
		t.Fatal(err)
	}
	story(t, n)
}

// linearWork demands that the story's work is linear. The race detector's run
// leaves it out: make sweeps runs it.
func linearWork(t *testing.T, story string) {
	t.Helper()
	if supervisortest.RaceEnabled {
		return
	}
	for _, s := range tooOften(t, story) {
		t.Errorf("%s: for %d instead of %d, %s", story, storyMany, storyFew, s)
	}
}

// tooOften tells of the statements that grow faster than they may. A statement
// that runs once for each of the many at most is linear in any case.
func tooOften(t *testing.T, story string) (found []string) {
	t.Helper()
	few, many := statements(t, story, storyFew), statements(t, story, storyMany)
	most, where := 0.0, ""
	for at, n := range many {
		if n <= storyMany {
			continue
		}
		if g := float64(n) / float64(max(few[at], 1)); g > most {
			most, where = g, at
		}
		if n > storyGrowth*few[at]+storyMany {
			found = append(found, fmt.Sprintf("%s ran %d times instead of %d", at, n, few[at]))
		}
	}
	t.Logf("%s: 5 times as many, no statement more than %.1f times as often (%s)", story, most, where)
	slices.Sort(found)
	return found
}

// statements is how often each block of the runtime's code ran.
func statements(t *testing.T, story string, n int) map[string]int {
	t.Helper()
	binary, err := instrumented()
	if err != nil {
		t.Fatal(err)
	}
	profile := filepath.Join(t.TempDir(), "profile")
	c := exec.Command(binary, "-test.run=^TestStory$", "-test.coverprofile="+profile)
	c.Env = append(os.Environ(), storyName+"="+story, fmt.Sprint(storySize, "=", n), "GOMAXPROCS=1")
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", story, err, out)
	}
	f, err := os.Open(profile)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	times := map[string]int{}
	for lines := bufio.NewScanner(f); lines.Scan(); { // file:from,to statements times
		if word := strings.Fields(lines.Text()); len(word) == 3 {
			if times[word[0]], err = strconv.Atoi(word[2]); err != nil {
				t.Fatal(err)
			}
		}
	}
	if len(times) < 500 {
		t.Fatalf("%s: %d blocks of code: that is not the runtime", story, len(times))
	}
	return times
}

// storiesDir is where their build is, "" if no story was asked for; TestMain
// removes it.
var storiesDir string

// instrumented is this package's tests, built so that the runtime counts.
var instrumented = sync.OnceValues(func() (binary string, err error) {
	if storiesDir, err = os.MkdirTemp("", "gatehouse-stories-"); err != nil {
		return "", err
	}
	binary = filepath.Join(storiesDir, "stories")
	c := exec.Command("go", "test", "-c", quickBuild, "-covermode=count", "-coverpkg=gatehouse/supervisor", "-o", binary, ".")
	if fault := os.Getenv(planted); fault != "" {
		if c.Dir, err = copied(fault); err != nil {
			return "", err
		}
	}
	if out, err := c.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%v: %w\n%s", c, err, out)
	}
	return binary, nil
})

// copied is a copy of this package with one file from elsewhere: what counts
// does not look at overlays.
func copied(file string) (dir string, err error) {
	module := filepath.Join(storiesDir, "module")
	dir = filepath.Join(module, "supervisor")
	if err := os.CopyFS(dir, os.DirFS(".")); err != nil {
		return "", err
	}
	for from, to := range map[string]string{
		filepath.Join("..", "go.mod"): filepath.Join(module, "go.mod"),
		filepath.Join("..", "go.sum"): filepath.Join(module, "go.sum"),
		file:                          filepath.Join(dir, filepath.Base(file)),
	} {
		text, err := os.ReadFile(from)
		if err != nil {
			return "", err
		}
		if err := os.WriteFile(to, text, 0o600); err != nil {
			return "", err
		}
	}
	return dir, nil
}

// storiesBite: work that is not linear is seen. It is the control of all stories
// that are.
func storiesBite(t *testing.T, _ *world) {
	if supervisortest.RaceEnabled {
		return
	}
	found := tooOften(t, "quadratic: each looks at each")
	if len(found) == 0 || !strings.Contains(fmt.Sprint(found), "system.go") {
		t.Errorf("found %q, want the lookup in system.go", found)
	}
}

func crowdsLife(strategy supervisor.Strategy, restart supervisor.Restart) func(*testing.T, int) {
	return func(t *testing.T, n int) {
		w := crowd(t, strategy, restart, n)
		crashAll(w, w.places(n))
		w.stop()
	}
}

func restartsOneByOne(strategy supervisor.Strategy) func(*testing.T, int) {
	return func(t *testing.T, n int) {
		w := crowd(t, strategy, supervisor.Permanent, n)
		for _, r := range w.places(n) {
			r.Send("crash")
			w.advance(1)
		}
		equal(t, "lives of the last", uint64(2), w.node(fmt.Sprint(n-1)).Incarnation)
		w.stop()
	}
}

// plan: the first child's crash stops and starts all of them.
func plan(strategy supervisor.Strategy) func(*testing.T, int) {
	return func(t *testing.T, n int) {
		w := crowd(t, strategy, supervisor.Permanent, n)
		w.send("0", "crash")
		w.advance(1)
		equal(t, "lives of the last", uint64(2), w.node(fmt.Sprint(n-1)).Incarnation)
		w.stop()
	}
}

// lookUpEach: a path is found, and a supervisor finds its child: one that runs is
// not started again.
func lookUpEach(t *testing.T, n int) {
	w := crowd(t, supervisor.Dynamic, supervisor.Permanent, n)
	for i := range n {
		if !w.ref(fmt.Sprint(i)).Valid() {
			t.Error("no", i)
		}
		if _, err := w.at("").Ask(supervisor.StartChild{ID: fmt.Sprint(i)}, limit); !errors.Is(err, supervisor.ErrRunning) {
			t.Error(err)
		}
	}
	w.stop()
}

func restartsOfOne(t *testing.T, n int) {
	w := simWorld(t)
	a := w.log.Child("a", probe{})
	a.Backoff = noBackoff
	w.events.off = true
	w.start(spec{Budget: supervisor.Escalating(10, 1), Children: kids{a}})
	for range n {
		w.send("a", supervisortest.Crash)
		w.advance(1)
	}
	equal(t, "lives", uint64(1+n), w.node("a").Incarnation)
	w.stop()
}

// timersOfOne: each of n keys is armed, found and armed again.
func timersOfOne(t *testing.T, n int) {
	w := simWorld(t)
	w.start(spec{Children: kids{w.log.Child("a", probe{})}})
	w.inside("a", func(c ctx) {
		for i := range n {
			c.After(fmt.Sprint(i), time.Hour)
		}
		for i := range n {
			equal(t, "was there", true, c.CancelTimer(fmt.Sprint(i)))
			c.After(fmt.Sprint(i), time.Hour)
		}
	})
	equal(t, "timers", int64(n), w.node("a").Timers)
	w.stop()
}

// workersOfOne: each of n names is found when it is asked for again.
func workersOfOne(t *testing.T, n int) {
	w := simWorld(t, holdAll)
	w.start(spec{Children: kids{w.log.Child("a", probe{})}})
	w.inside("a", func(c ctx) {
		for i := range n {
			equal(t, "started", nil, c.Task(fmt.Sprint(i), 0, nothingToDo))
		}
		for i := range n {
			equal(t, "runs", true, errors.Is(c.Task(fmt.Sprint(i), 0, nothingToDo), supervisor.ErrWorkerRuns))
		}
	})
	w.advance(0)
	for i := range n {
		w.sim.Release("root/a", fmt.Sprint(i))
	}
	w.advance(0)
	w.stop()
}

func eachLooksAtEach(t *testing.T, n int) {
	w := simWorld(t)
	w.start(spec{Children: kids{w.log.Child("a", probe{})}})
	for range n / 20 * (n / 20) {
		if !w.ref("a").Valid() {
			t.Fatal("no a")
		}
	}
	w.stop()
}
