package devicetest_test

import (
	"errors"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"gatehouse/devices"
	"gatehouse/devices/devicetest"
)

// The controls: parts with one fault each.

// deafCancel never cancels.
type deafCancel struct{ devices.Reader }

func (r deafCancel) Listen(heard func(devices.CardRead)) func() {
	r.Reader.Listen(heard)
	return func() {}
}

type deafInput struct{ devices.Input }

func (i deafInput) Listen(moved func(bool)) func() {
	i.Input.Listen(moved)
	return func() {}
}

// lossy loses every seventh read.
type lossy struct {
	devices.Reader
	n atomic.Int64
}

func (r *lossy) Listen(heard func(devices.CardRead)) func() {
	return r.Reader.Listen(func(c devices.CardRead) {
		if r.n.Add(1)%7 != 0 {
			heard(c)
		}
	})
}

// swapping tells every second read before the first.
type swapping struct {
	devices.Reader
}

func (r *swapping) Listen(heard func(devices.CardRead)) func() {
	var kept *devices.CardRead
	return r.Reader.Listen(func(c devices.CardRead) {
		if kept == nil {
			kept = &c
			return
		}
		heard(c)
		heard(*kept)
		kept = nil
	})
}

// soloReader is a reader that is not the rig's.
type soloReader interface {
	devices.Reader
	Present(devices.CardRead)
}

func withReader(fresh func() soloReader) func() (devicetest.Device, error) {
	return with(func(d *devicetest.Device) {
		r := fresh()
		d.Bundle.Readers = map[string]devices.Reader{"in": r}
		d.Present = func(_ string, read devices.CardRead) { r.Present(read) }
	})
}

// hasty asks whether a listener is still there and then calls it; its cancel
// does not wait for that. This is how one would write it at first.
type hasty struct {
	mu  sync.Mutex
	all []*func(devices.CardRead)
}

func (r *hasty) Listen(heard func(devices.CardRead)) func() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all = append(slices.Clip(r.all), &heard)
	return func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.all = slices.DeleteFunc(slices.Clone(r.all), func(h *func(devices.CardRead)) bool { return h == &heard })
	}
}

func (r *hasty) listens(h *func(devices.CardRead)) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Contains(r.all, h)
}

func (r *hasty) Present(c devices.CardRead) {
	r.mu.Lock()
	all := r.all
	r.mu.Unlock()
	for _, h := range all {
		if r.listens(h) {
			runtime.Gosched()
			(*h)(c)
		}
	}
}

// stuck holds its lock while it calls.
type stuck struct{ hasty }

func (r *stuck) Present(c devices.CardRead) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, h := range r.all {
		(*h)(c)
	}
}

// stale calls all who listened when the read came.
type stale struct{ hasty }

func (r *stale) Present(c devices.CardRead) {
	r.mu.Lock()
	all := r.all
	r.mu.Unlock()
	for _, h := range all {
		(*h)(c)
	}
}

// lonely forgets all listeners when one cancels.
type lonely struct{ hasty }

func (r *lonely) Listen(heard func(devices.CardRead)) func() {
	r.hasty.Listen(heard)
	return func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.all = nil
	}
}

type levelless struct{ devices.Input }

func (levelless) Level() (bool, error) { return false, errors.New("not polled yet") }

// lazy tells every second movement.
type lazy struct {
	devices.Input
	n atomic.Int64
}

func (i *lazy) Listen(moved func(bool)) func() {
	return i.Input.Listen(func(active bool) {
		if i.n.Add(1)%2 == 0 {
			moved(active)
		}
	})
}

type inverted struct{ devices.Lock }

func (l inverted) Drive(release bool) error { return l.Lock.Drive(!release) }

// restless moves the bolt away and back when it is driven.
type restless struct{ devices.Lock }

func (l restless) Drive(release bool) error {
	return errors.Join(l.Lock.Drive(!release), l.Lock.Drive(release))
}

// exclusive refuses a second Drive at once.
type exclusive struct {
	devices.Lock
	mu sync.Mutex
}

func (l *exclusive) Drive(release bool) error {
	if !l.mu.TryLock() {
		return errors.New("busy")
	}
	defer l.mu.Unlock()
	for range 20 {
		runtime.Gosched()
	}
	return l.Lock.Drive(release)
}

type nowhere struct{}

func (nowhere) Set(bool) error { return nil }

// strict makes an error of what the hardware lacks.
type strict struct{ devices.Indicator }

func (i strict) Indicate(s devices.Show) error {
	if s.Text != "" && !i.Can().Text {
		return errors.New("no display")
	}
	return i.Indicator.Indicate(s)
}

type dark struct{ devices.Indicator }

func (dark) Indicate(devices.Show) error { return nil }
