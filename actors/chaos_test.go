package actors_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"gatehouse/access"
	"gatehouse/actors"
	"gatehouse/supervisor"
	"gatehouse/supervisor/sim"
	"gatehouse/supervisor/supervisortest"
)

// chaos is a building to which everything happens at once: people, operators,
// fire, failing disks that hang, and crashes of any actor.
type chaos struct {
	*house
	rand   *rand.Rand
	audit  *access.Audit
	paths  []string
	disk   sim.Hold
	recent map[access.DoorID]access.Mode // the newest mode that was accepted
	done   map[string]int
}

const chaosDoors = 3

func newChaos(t *testing.T, seed uint64) *chaos {
	t.Helper()
	k := &chaos{rand: rand.New(rand.NewPCG(seed, 1)), recent: map[access.DoorID]access.Mode{}, done: map[string]int{}}
	s := sim.New(seed, sim.Options{Hold: func(_, name string) sim.Hold {
		if name == "commit" || name == "save" || name == "rebuild" {
			return k.disk
		}
		return sim.Hold{}
	}})
	k.house = newHouse(t, chaosDoors, s, func(r *access.Rules) { r.Doors[2].FireRelease = false })
	k.probed()
	k.audit = access.NewAudit(k.config.Rules, time.Second)
	k.config.OnEvent = k.audit.Event
	k.rig.OnMove(func(lock string, release bool) {
		door, _, _ := strings.Cut(lock, "/")
		k.audit.Drive(access.DoorID(door), release, s.Now())
	})
	k.start()
	k.paths = leaves(k.b.Tree())
	return k
}

func leaves(t supervisor.Tree) (paths []string) {
	if !t.Supervisor {
		return []string{t.Path}
	}
	for _, c := range t.Children {
		paths = append(paths, leaves(c)...)
	}
	return paths
}

// step lets one thing happen.
func (k *chaos) step() {
	door := 1 + k.rand.IntN(chaosDoors)
	id := access.DoorID(fmt.Sprintf("door-%d", door))
	what := k.rand.IntN(100)
	switch {
	case what < 40:
		k.card(door, []string{"in", "out"}[k.rand.IntN(2)], 1+k.rand.Uint64N(22))
	case what < 60:
		k.contact(door).Set(k.rand.IntN(2) == 0)
	case what < 65:
		k.rig.Move(string(id)+"/rex", k.rand.IntN(2) == 0)
	case what < 67:
		k.rig.Move(string(id)+"/tamper", k.rand.IntN(2) == 0)
	case what < 73:
		k.operate(id)
	case what < 75:
		k.rig.Move("fire/fire", k.rand.IntN(3) == 0)
	case what < 77:
		k.reset(id)
	case what < 82:
		k.disk = sim.Hold{Start: time.Duration(k.rand.IntN(3)) * 200 * time.Millisecond, Result: time.Duration(k.rand.IntN(2)) * 100 * time.Millisecond}
	case what < 83:
		k.restart()
	case what < 85:
		k.journal.setFail([]error{nil, nil, errDisk}[k.rand.IntN(3)])
	case what < 87:
		k.store.fail = []error{nil, nil, errDisk}[k.rand.IntN(3)]
	case what < 93:
		path := k.paths[k.rand.IntN(len(k.paths))]
		k.panics(path, "", 1)
		k.b.Poke(path)
		k.sim.Round()
		k.probe = nil
	}
	if k.rand.IntN(3) == 0 {
		k.sim.Advance(time.Duration(k.rand.IntN(2000)) * time.Millisecond)
	} else {
		k.sim.Round()
	}
}

// restart is the daemon's, unless what it needs to remember would be lost.
func (k *chaos) restart() {
	if k.journal.fail != nil || k.store.fail != nil {
		return
	}
	k.disk = sim.Hold{}
	k.stopClean()
	for id, mode := range k.recent {
		if mode == access.Unlocked {
			k.recent[id] = access.Locked
		}
	}
	k.config.Memory = maps.Clone(k.store.doors)
	k.config.Boot++
	doors := []access.Door{testDoor(1), testDoor(2), testDoor(3)}
	doors[2].FireRelease = false
	fire, err := actors.FireLevel(k.config.Fire)
	if failed := actors.Boot(doors, k.config.Memory, k.config.Wiring, fire); err != nil || failed != nil {
		k.t.Errorf("%v %v", err, failed)
	}
	k.start()
	k.done["restarted"]++
}

var chaosModes = []access.Command{
	{Clear: true}, {Clear: true}, {Mode: access.Blocked}, {Mode: access.LockedDown}, {Mode: access.Unlocked}, {Mode: access.LockedOpen},
}

func (k *chaos) operate(id access.DoorID) {
	cmd := chaosModes[k.rand.IntN(len(chaosModes))]
	report, err := k.b.Command(cmd, id)
	if err != nil {
		k.done["command lost"]++ // to a crash: nobody was told that it holds
		k.recent[id] = access.Accessed
		return
	}
	r := report.Results[0]
	switch {
	case !r.Accepted:
	case cmd.Mode.Releases(): // can be cancelled
		k.recent[id] = access.Accessed
	case cmd.Clear:
		k.recent[id] = access.Locked
	default:
		k.recent[id] = cmd.Mode
	}
}

func (k *chaos) reset(id access.DoorID) { _, _ = k.b.ResetFire("chief", id) }

// calm ends all that is broken, and waits until everybody is back.
func (k *chaos) calm() {
	k.disk = sim.Hold{}
	k.journal.setFail(nil)
	k.store.fail = nil
	k.rig.Move("fire/fire", false)
	for i := range chaosDoors {
		k.contact(i + 1).Set(false)
	}
	k.sim.Advance(2 * time.Minute)
}

// Whatever happens, in whatever order: nothing is released without a cause, all
// is secured in time, every grant comes to one end, everything is in the journal
// once and in order, the mode that was accepted last holds, and nothing is left.
func TestSweepChaos(t *testing.T) {
	total := map[string]int{}
	for seed := range supervisortest.Seeds(t, 300) {
		k := newChaos(t, uint64(seed))
		for range 150 {
			k.step()
		}
		k.calm()
		k.check()
		k.stopClean()
		k.once()
		k.grants()
		k.audit.Finish(k.sim.Now())
		if list, n := k.audit.Violations(); n > 0 {
			t.Errorf("%d violations: %v", n, list)
		}
		for _, e := range k.journal.events {
			total[e.Kind.String()]++
		}
		for what, n := range k.done {
			total[what] += n
		}
		if t.Failed() {
			for _, e := range k.journal.events {
				t.Log(e.Mono, e.Door, e.Kind, e.Reason, e.Mode, e.Source.Name, e.Source.Run, e.Source.Number, e.Cause, e.Detail)
			}
			t.Fatalf("seed %d", seed)
		}
	}
	t.Log(total)
}

// check looks at the doors once all is calm.
func (k *chaos) check() {
	k.t.Helper()
	if health := k.b.Health(); !health.Ready || health.Waiting > 0 {
		k.t.Errorf("not well: %+v", health)
	}
	if l := k.b.Ledger(); l.Timers != 0 || l.Workers != 0 || l.Zombies != 0 {
		k.t.Errorf("not quiet: %+v\n%v", l, k.b.Tree())
	}
	for i := range chaosDoors {
		id := access.DoorID(fmt.Sprintf("door-%d", i+1))
		s := k.status(id)
		if want, ok := k.recent[id]; ok && want != access.Accessed && s.Mode != want {
			k.t.Errorf("%s is %v, the last command was %v", id, s.Mode, want)
		}
		if saved := k.store.doors[id]; saved.Mode != s.Standing || saved.Fire != s.Fire {
			k.t.Errorf("%s is %v, fire %v; saved %+v", id, s.Standing, s.Fire, saved)
		}
		if want := s.Fire || s.Standing.Releases(); k.lock(i+1).Released() != want || s.Released != want {
			k.t.Errorf("%s: released %v, shown %+v", id, k.lock(i+1).Released(), s)
		}
	}
}

// grants wants one end of every grant, in the life that made it.
func (k *chaos) grants() {
	k.t.Helper()
	open := map[access.Source]bool{}
	for _, e := range k.journal.events {
		cause := e.Source
		cause.Number = e.Cause
		switch e.Kind {
		case access.KindGranted:
			open[e.Source] = true
		case access.KindPassage, access.KindNoPassage, access.KindReleaseCancelled:
			if !open[cause] && e.Kind != access.KindReleaseCancelled { // a mode can be cancelled, too
				k.t.Errorf("%v of %v without a grant", e.Kind, cause)
			}
			delete(open, cause)
		}
	}
	if len(open) > 0 {
		k.t.Errorf("grants without an end: %v", open)
	}
}
