package soak

import (
	"errors"
	"maps"
	"strings"
	"time"

	"gatehouse/access"
	"gatehouse/actors"
	"gatehouse/supervisor"
	"gatehouse/supervisor/sim"
)

var (
	errDisk = errors.New("input/output error")
	errLine = errors.New("the line was cut")
)

// step lets at most one thing go wrong, or be mended.
func (f *faults) step(b *building) {
	what := f.rand.IntN(100)
	switch {
	case what < 12:
		f.panics(b)
	case what < 18:
		f.reader(b)
	case what < 24:
		f.link(b)
	case what < 30:
		f.disk(b)
	case what < 33:
		f.reconnect(b)
	case what < 35:
		b.shelf.broken = !b.shelf.broken
		f.done["archive broken or mended"]++
	case what < 39:
		f.operate(b)
	case what == 39:
		f.fire(b)
	}
}

// panics has a random actor panic at its next message.
func (f *faults) panics(b *building) {
	var leaves []string
	tree := b.Tree()
	eachLeaf(&tree, func(path string) {
		if !strings.Contains(path, "/edge/") { // the crowd and what tests plant are not the building
			leaves = append(leaves, path)
		}
	})
	b.armed[leaves[f.rand.IntN(len(leaves))]] = true
}

func eachLeaf(t *supervisor.Tree, visit func(path string)) {
	if !t.Supervisor {
		visit(t.Path)
	}
	for i := range t.Children {
		eachLeaf(&t.Children[i], visit)
	}
}

// reader kills a reader or brings one back.
func (f *faults) reader(b *building) {
	names := b.readers()
	name := names[f.rand.IntN(len(names))]
	b.dead[name] = !b.dead[name]
	var err error
	if b.dead[name] {
		err = errLine
		f.done["dead readers"]++
	}
	b.rig.Indicator(name).Fail(err)
}

// link has the centre or Redis hang, refuse or answer again.
func (f *faults) link(b *building) {
	far := b.far[[]string{"centre", "redis"}[f.rand.IntN(2)]]
	switch f.rand.IntN(3) {
	case 0:
		far.hung, far.gone = true, false
		f.done["hung centre or Redis"]++
	case 1:
		far.hung, far.gone = false, true
		f.done["centre or Redis gone"]++
	default:
		far.hung, far.gone = false, false
	}
}

// disk makes the disk slow, broken or sound.
func (f *faults) disk(b *building) {
	b.disk, b.books.fail = sim.Hold{}, nil
	switch f.rand.IntN(3) {
	case 0:
		b.disk = sim.Hold{Start: time.Duration(f.rand.IntN(400)) * time.Millisecond, Result: time.Duration(f.rand.IntN(400)) * time.Millisecond}
		f.done["slow disk"]++
	case 1:
		b.books.fail = errDisk
		f.done["broken disk"]++
	}
}

// reconnect ends a subscription or the line.
func (f *faults) reconnect(b *building) {
	edge := actors.Root + "/edge/"
	ends := [][2]string{{edge + "centre", "subscription"}, {edge + "redis", "subscription"}, {actors.Root + "/buses/" + busOf, "run"}}
	end := ends[f.rand.IntN(len(ends))]
	if b.sim.EndLoop(end[0], end[1], errLine) {
		f.done["reconnects"]++
	}
}

// operate tells a door something, and back.
func (f *faults) operate(b *building) {
	modes := []access.Command{{Clear: true}, {Mode: access.Blocked}, {Mode: access.LockedDown}, {Mode: access.Unlocked}}
	id := b.site.Rules.Doors[f.rand.IntN(len(b.site.Rules.Doors))].ID
	_, _ = b.Command(modes[f.rand.IntN(len(modes))], id) // one that is lost to a crash is a fault like others
	f.done["commands"]++
}

// fire is a fire alarm of a minute.
func (f *faults) fire(b *building) {
	for _, in := range b.site.FireInputs {
		b.rig.Move(in, true)
		b.sim.Advance(time.Minute)
		b.rig.Move(in, false)
	}
	f.done["fire alarms"]++
}

// heal mends everything, gives every door back to normal and waits a while.
func (f *faults) heal(b *building) {
	clear(b.armed)
	for _, name := range b.readers() {
		b.dead[name] = false
		b.rig.Indicator(name).Fail(nil)
	}
	for _, far := range b.far {
		far.hung, far.gone = false, false
	}
	b.disk, b.books.fail, b.shelf.broken = sim.Hold{}, nil, false
	b.sim.Advance(5 * time.Minute)
	doors := make([]access.DoorID, 0, len(b.site.Rules.Doors))
	for _, d := range b.site.Rules.Doors {
		doors = append(doors, d.ID)
	}
	_, _ = b.ResetFire("soak", doors...) // a door that refuses shows at the quiet moment
	_, _ = b.Command(access.Command{Clear: true}, doors...)
}

// counts is what went wrong, by kind.
func (f *faults) counts(b *building) map[string]int {
	all := maps.Clone(f.done)
	all["panics"] = b.panics
	for id, far := range b.far {
		all["requests to "+id] = far.beats
	}
	return all
}
