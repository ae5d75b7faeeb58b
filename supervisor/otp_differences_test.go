package supervisor_test

import (
	"fmt"
	"testing"
	"time"

	"gatehouse/supervisor"
)

// otpDifference is a script of which we want another end than OTP's.
type otpDifference struct {
	name, because string
	tree          *otpNode
	steps         []otpStep
	otp, ours     []string // lines of the last step
}

// otpDifferences are the deliberate ones that a script can show; the random
// scripts keep clear of them. The others are in the words and in what the
// scripts cannot say:
//
//   - Our backoff delays the second failure in a row and those after it; OTP
//     restarts at once for ever. The scripts run with the shortest backoff, in a
//     simulation in which that takes no time (otpClock).
//   - A leaf of ours can end cleanly in one way, OTP's in three: normal, shutdown
//     and {shutdown,x} of a leaf that ended by itself are all called normal.
//   - A supervisor that gave up exits with ErrBudget, OTP's with shutdown, as if
//     it had been told. The trace says shutdown; which it was shows in the step.
//   - A start that fails ends with our Stop hook, for what Start had begun;
//     OTP calls no terminate. The trace leaves that hook out.
//   - A brutal stop of a supervisor abandons all that is below it, in order.
//     In OTP its orphans die by their links, in any order. So the scripts have
//     supervisors with the default, infinity, only.
//   - Nobody but its supervisor can kill a life of ours, so no leaf is killed.
func otpDifferences() []otpDifference {
	return []otpDifference{{
		name:    "transient supervisor gives up",
		because: "a subtree that is beyond repair has failed; in OTP its exit is as clean as one that was asked for, and it stays silently stopped",
		tree: &otpNode{id: "root", strategy: "one_for_one", intensity: 1, period: 5, children: []*otpNode{
			{id: "s", restart: "transient", strategy: "one_for_one", intensity: 0, period: 5, children: []*otpNode{
				{id: "a", restart: "permanent", shutdown: "5000"},
			}},
		}},
		steps: []otpStep{{verb: "start"}, {verb: "exit", path: "root/s/a", reason: "error"}},
		otp:   []string{"exit root/s/a#1 error", "exit root/s#1 shutdown"},
		ours:  []string{"exit root/s/a#1 error", "exit root/s#1 shutdown", "start root/s#2", "start root/s/a#2"},
	}}
}

// script gives the difference a seed beyond those of random scripts.
func (d *otpDifference) script(i int) *otpScript {
	d.tree.restart = "permanent"
	return &otpScript{seed: 1<<40 + uint64(i), tree: d.tree, steps: d.steps}
}

// TestSweepOTPDifferences: what we do on purpose as OTP does not is just that.
// A difference that is gone does not belong on the list any more.
func TestSweepOTPDifferences(t *testing.T) {
	b := otp(t)
	for i, d := range otpDifferences() {
		s := d.script(i)
		_, ours := runOurs(s, nil)
		last := len(s.steps) - 1
		equal(t, d.name+": OTP", d.otp, b.traces[s.seed][last])
		equal(t, d.name+": ours", d.ours, ours[last])
		t.Logf("%s: %s", d.name, d.because)
	}
}

// TestSweepOTPControls: with one rule wrong on our side the same scripts part
// from OTP. Each wrong rule is a setting of every spec in the tree.
func TestSweepOTPControls(t *testing.T) {
	b := otp(t)
	if len(b.scripts) < otpScripts {
		t.Skipf("the controls need %d scripts", otpScripts)
	}
	children := func(change func(*kid)) func(*spec) {
		return func(s *spec) {
			for i := range s.Children {
				change(&s.Children[i])
			}
		}
	}
	strategy := func(from, to supervisor.Strategy) func(*spec) {
		return func(s *spec) {
			if s.Strategy == from {
				s.Strategy = to
			}
		}
	}
	restart := func(from, to supervisor.Restart) func(*spec) {
		return children(func(c *kid) {
			if c.Restart == from {
				c.Restart = to
			}
		})
	}
	for _, c := range []struct {
		name   string
		change func(*spec)
	}{
		{"one for one as rest for one", strategy(supervisor.OneForOne, supervisor.RestForOne)},
		{"rest for one as one for one", strategy(supervisor.RestForOne, supervisor.OneForOne)},
		{"rest for one as one for all", strategy(supervisor.RestForOne, supervisor.OneForAll)},
		{"one for all as rest for one", strategy(supervisor.OneForAll, supervisor.RestForOne)},
		{"intensity one too high", func(s *spec) { s.Budget.Intensity++ }},
		{"intensity one too low", func(s *spec) { s.Budget.Intensity = max(s.Budget.Intensity-1, 0) }},
		{"period a nanosecond too short", func(s *spec) { s.Budget.Period-- }},
		{"period a second too long", func(s *spec) { s.Budget.Period += time.Second }},
		{"isolating", func(s *spec) { s.Budget.Isolating = true }},
		{"transient as permanent", restart(supervisor.Transient, supervisor.Permanent)},
		{"temporary as transient", restart(supervisor.Temporary, supervisor.Transient)},
		{"permanent as transient", restart(supervisor.Permanent, supervisor.Transient)},
		{"brutal as patient", children(func(c *kid) { c.StopDeadline = max(c.StopDeadline, 0) })},
		{"with the default backoff", children(func(c *kid) { c.Backoff = supervisor.Backoff{} })},
		{"children in another order", func(s *spec) {
			s.Children[0], s.Children[len(s.Children)-1] = s.Children[len(s.Children)-1], s.Children[0]
		}},
	} {
		if found := b.parting(c.change); found == 0 {
			t.Errorf("%s: nobody notices", c.name)
		} else {
			t.Logf("%-32s %s", c.name, fmt.Sprintf("%d of %d scripts part", found, otpScripts))
		}
	}
}

// parting counts the scripts that part from OTP when every spec is changed.
func (b *otpBatch) parting(change func(*spec)) (n int) {
	for _, s := range b.scripts[:otpScripts] {
		if _, ours := runOurs(s, change); firstDifference(b.traces[s.seed], ours) >= 0 {
			n++
		}
	}
	return n
}
