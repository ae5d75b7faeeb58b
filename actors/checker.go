package actors

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"slices"
	"strings"
	"sync"
	"time"

	"gatehouse/access"
	"gatehouse/supervisor"
)

// Device is a device of the site, as its health check knows it.
type Device struct {
	ID, Driver string
	// Optional: the building is no less ready without it.
	Optional bool
	// Missing is why it is not open; nil if it is.
	Missing error
	// Check asks the device whether it is well, until ctx ends at the latest; nil:
	// it cannot be asked.
	Check func(ctx context.Context) error
}

// Checks is how often every device is checked, and how long a check may take.
type Checks struct {
	Every time.Duration // default 30 s
	Limit time.Duration // default 5 s; at most half of Every
}

// DeviceState is what is known of a device.
type DeviceState string

const (
	DeviceWaiting  DeviceState = "waiting"  // for its first check
	DeviceOK       DeviceState = "ok"       // the last check found it well, in time
	DeviceDegraded DeviceState = "degraded" // the last check failed, or took too long
	DeviceHangs    DeviceState = "hangs"    // the check has not come back, and no other is begun
	DeviceMissing  DeviceState = "missing"  // it was not there at the start
	DeviceUnasked  DeviceState = "unasked"  // its driver has no check
)

func (s DeviceState) bad() bool {
	return s == DeviceDegraded || s == DeviceHangs || s == DeviceMissing
}

// DeviceStatus is a device at one moment.
type DeviceStatus struct {
	ID       string      `json:"id"`
	Driver   string      `json:"driver"`
	Optional bool        `json:"optional"`
	State    DeviceState `json:"state"`
	Since    time.Time   `json:"since"` // in this state
	// LastCheck is when the newest check that came back did, and how long it took.
	LastCheck time.Time `json:"last_check,omitzero"`
	TookMS    float64   `json:"took_ms"`
	LastError string    `json:"last_error,omitempty"` // stays when the device is well again
	Checks    uint64    `json:"checks"`               // that were begun since the start
	Failures  uint64    `json:"failures"`             // that failed, took too long or hung
}

// checkup is a device and what its checks came to. It outlives the actor, and so
// does a check that hangs: no second one is begun beside it.
type checkup struct {
	device Device

	mu      sync.Mutex
	status  DeviceStatus
	running bool
}

func checkups(list []Device, now time.Time) []*checkup {
	all := make([]*checkup, 0, len(list))
	for _, d := range list {
		k := &checkup{device: d, status: DeviceStatus{ID: d.ID, Driver: d.Driver, Optional: d.Optional, State: DeviceWaiting, Since: now.UTC()}}
		switch {
		case d.Missing != nil:
			k.status.State, k.status.LastError = DeviceMissing, clipped(d.Missing)
		case d.Check == nil:
			k.status.State = DeviceUnasked
		}
		all = append(all, k)
	}
	return all
}

// Devices is the status of every device, in the order of the site file.
func (b *Building) Devices() []DeviceStatus {
	list := make([]DeviceStatus, 0, len(b.checkups))
	for _, k := range b.checkups {
		list = append(list, k.now())
	}
	return list
}

// askable: it is there and its driver has a check.
func (k *checkup) askable() bool { return k.device.Missing == nil && k.device.Check != nil }

func (k *checkup) now() DeviceStatus {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.status
}

// begin reports whether a check may begin: not beside another one.
func (k *checkup) begin() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.running {
		return false
	}
	k.running = true
	k.status.Checks++
	return true
}

// returned: the check is over, whoever still hears of it.
func (k *checkup) returned() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.running = false
}

func (k *checkup) hangs() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.running
}

// note takes what a check came to; took is 0 while it has not come back. It
// reports a change that is an event, and which.
func (k *checkup) note(s DeviceState, err error, took time.Duration, now time.Time) (event access.Kind, changed bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	was := k.status.State
	if took > 0 {
		k.status.LastCheck, k.status.TookMS = now.UTC(), float64(took.Microseconds())/1000
	}
	if err != nil {
		k.status.LastError = clipped(err)
		if was != DeviceHangs { // that counts once
			k.status.Failures++
		}
	}
	if s == was {
		return access.KindNone, false
	}
	k.status.State, k.status.Since = s, now.UTC()
	if s.bad() {
		return access.KindDeviceDegraded, true
	}
	return access.KindDeviceRestored, was.bad()
}

// maxErrorText bounds what a driver may say in a status or an event.
const maxErrorText = 200

func clipped(err error) string {
	text := err.Error()
	if len(text) > maxErrorText {
		text = text[:maxErrorText] + "..."
	}
	return oneLine(strings.ToValidUTF8(text, "?")) // drivers hand on what hardware says
}

// checker is the actor of all health checks. Each device has its own instant
// within the period, by its id, so that they neither come all at once nor move
// when another device is added. A check is a task: one that hangs holds up
// neither the others nor its own end in the books.
type checker struct {
	b      *Building
	em     *emitter
	round  []*checkup // those that can be asked, by their instants
	next   int        // in round
	began  time.Time  // of this round
	begun  map[string]time.Time
	every  time.Duration
	limit  time.Duration
	byTask map[string]*checkup
}

// healthPath is where the checker is in the tree.
const healthPath = Root + "/chores/health"

const (
	nextCheck = "next"
	checkTask = "check/"
	lateCheck = "late/"
)

// checkGrace is what a check that heeds its context may take to come back.
const checkGrace = time.Second

var errCheckHangs = errors.New("the check does not come back")

// Start begins with the rounds.
func (k *checker) Start(c *supervisor.Context) error {
	k.em = k.b.emitter("health", c.Incarnation())
	k.every = cmp.Or(k.b.cfg.Chores.Checks.Every, 30*time.Second)
	k.limit = min(cmp.Or(k.b.cfg.Chores.Checks.Limit, 5*time.Second), k.every/2)
	k.begun, k.byTask = map[string]time.Time{}, map[string]*checkup{}
	for _, d := range k.b.checkups {
		if d.askable() {
			k.round = append(k.round, d)
			k.byTask[checkTask+d.device.ID] = d
		}
	}
	slices.SortStableFunc(k.round, func(a, b *checkup) int {
		return cmp.Compare(instant(a.device.ID, k.every), instant(b.device.ID, k.every))
	})
	k.began = c.Now()
	k.arm(c)
	return nil
}

// instant is when within each period a device is checked.
func instant(id string, every time.Duration) time.Duration {
	h := fnv.New64a()
	_, _ = h.Write([]byte(id)) // it never fails
	return time.Duration(h.Sum64() % uint64(every))
}

// arm waits for the next device's instant. A clock that went on without us (a
// machine that slept) begins a new round instead of catching up.
func (k *checker) arm(c *supervisor.Context) {
	if len(k.round) == 0 {
		return
	}
	if k.next == len(k.round) {
		k.next, k.began = 0, k.began.Add(k.every)
	}
	due := k.began.Add(instant(k.round[k.next].device.ID, k.every))
	if late := c.Now().Sub(due); late > k.every {
		k.began = k.began.Add(late)
		due = c.Now()
	}
	c.After(nextCheck, due.Sub(c.Now()))
}

// Receive checks one device after the other.
func (k *checker) Receive(c *supervisor.Context, msg any) error {
	switch m := msg.(type) {
	case supervisor.Tick:
		if m.Key == nextCheck {
			d := k.round[k.next]
			k.next++
			k.check(c, d)
			k.arm(c)
			return nil
		}
		if d := k.byTask[checkTask+m.Key[len(lateCheck):]]; d != nil && d.hangs() {
			k.note(c, d, DeviceHangs, errCheckHangs, 0)
		}
	case supervisor.TaskDone:
		k.done(c, m)
	}
	return nil
}

func (k *checker) check(c *supervisor.Context, d *checkup) {
	if !d.begin() {
		if d.now().State != DeviceHangs { // it is of an earlier life
			k.note(c, d, DeviceHangs, errCheckHangs, 0)
		}
		return
	}
	id, exec := d.device.ID, k.b.exec
	began := c.Now()
	err := c.Task(checkTask+id, k.limit, func(ctx context.Context) (any, error) {
		defer d.returned()
		err := d.device.Check(ctx)
		return exec.Now().Sub(began), err
	})
	if err != nil { // the last one has only just come back, or this life is over
		d.returned()
		return
	}
	k.begun[checkTask+id] = began
	c.After(lateCheck+id, k.limit+checkGrace)
}

func (k *checker) done(c *supervisor.Context, m supervisor.TaskDone) {
	d := k.byTask[m.Name]
	if d == nil {
		return
	}
	c.CancelTimer(lateCheck + d.device.ID)
	took, ok := m.Value.(time.Duration)
	if !ok { // it panicked
		took = c.Now().Sub(k.begun[m.Name])
	}
	delete(k.begun, m.Name)
	took = max(took, time.Microsecond)
	switch {
	case took >= k.limit && m.Err != nil:
		k.note(c, d, DeviceDegraded, fmt.Errorf("no answer within %v: %w", k.limit, m.Err), took)
	case took >= k.limit:
		k.note(c, d, DeviceDegraded, fmt.Errorf("no answer within %v", k.limit), took)
	case m.Err != nil:
		k.note(c, d, DeviceDegraded, m.Err, took)
	default:
		k.note(c, d, DeviceOK, nil, took)
	}
}

// note makes an event of a change.
func (k *checker) note(c *supervisor.Context, d *checkup, s DeviceState, err error, took time.Duration) {
	kind, changed := d.note(s, err, took, c.Now())
	if !changed {
		return
	}
	detail, log := "device "+d.device.ID, k.b.cfg.Log.Info()
	if err != nil {
		detail, log = detail+": "+clipped(err), k.b.cfg.Log.Error().Err(err)
	}
	k.em.emit(access.Event{Kind: kind, Detail: detail})
	log.Str("device", d.device.ID).Str("state", string(s)).Msg(kind.String())
}

// OnlyChecksHang reports whether what a stop had to leave behind is checks of
// devices, which hold neither journal nor store.
func (b *Building) OnlyChecksHang(left supervisor.StopReport) bool {
	hang := int64(0)
	for _, k := range b.checkups {
		if k.hangs() {
			hang++
		}
	}
	return left.Complete && left.Zombies <= hang &&
		!slices.ContainsFunc(left.Abandoned, func(path string) bool { return path != healthPath })
}

// illDevices lists the devices that are not well, in plain words: those that
// are needed, and the optional ones. Those that were missing at the start are on
// the list of what is missing, part by part, unless that is expected.
func (b *Building) illDevices() (needed, optional []string) {
	for _, k := range b.checkups {
		s := k.now()
		if !s.State.bad() || s.State == DeviceMissing {
			continue
		}
		text := "device " + s.ID + ": " + s.LastError
		if s.Optional {
			optional = append(optional, text)
		} else {
			needed = append(needed, text)
		}
	}
	return needed, optional
}
