package supervisortest_test

import (
	"os"
	"os/exec"
	"runtime"
	"runtime/pprof"
	"strings"
	"testing"

	"gatehouse/supervisor/supervisortest"
)

func TestMain(m *testing.M) { supervisortest.Main(m) }

// plants makes a process of these tests leak a goroutine.
const plants = "PLANT_A_LEAK"

// TestMainBites: a test process that leaks a goroutine fails, with its stack.
// It is the control of all processes that do not.
func TestMainBites(t *testing.T) {
	if pprof.Lookup("goroutineleak") == nil {
		t.Skip("this build has no goroutine leak profile: make leakprofile")
	}
	out, err := run(t, plants+"=1")
	if err == nil || !strings.Contains(out, "1 goroutine(s) leaked") || !strings.Contains(out, "supervisortest_test.plant.func1") {
		t.Errorf("a planted leak: %v\n%s", err, out)
	}
	if out, err = run(t, plants+"="); err != nil {
		t.Errorf("without a leak: %v\n%s", err, out)
	}
}

// TestMainWantsTheProfile where the environment says that there is one.
func TestMainWantsTheProfile(t *testing.T) {
	if pprof.Lookup("goroutineleak") != nil {
		t.Skip("this build has it")
	}
	if out, err := run(t, "LEAKPROFILE=1"); err == nil || !strings.Contains(out, "has no goroutine leak profile") {
		t.Errorf("%v\n%s", err, out)
	}
}

// run runs TestPlant in a process of its own.
func run(t *testing.T, env string) (string, error) {
	t.Helper()
	c := exec.Command(os.Args[0], "-test.run=^TestPlant$")
	c.Env = append(os.Environ(), env)
	out, err := c.CombinedOutput()
	return string(out), err
}

func TestPlant(t *testing.T) {
	if os.Getenv(plants) == "" {
		t.Skip("only in a process of its own")
	}
	plant()
}

// plant returns once its goroutine is stuck: one that has not run yet is no leak.
func plant() {
	never := make(chan int)
	go func() { <-never }()
	stacks := make([]byte, 1<<16)
	for !strings.Contains(string(stacks[:runtime.Stack(stacks, true)]), "[chan receive]:\ngatehouse/supervisor/supervisortest_test.plant.func1") {
		runtime.Gosched()
	}
}
