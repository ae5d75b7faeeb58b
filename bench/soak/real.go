package soak

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"gatehouse/persistence/archive"
	"gatehouse/supervisor"
)

// Real are the options of a soak of the daemon.
type Real struct {
	Span    time.Duration // of traffic and quiet moments
	Seed    uint64
	Program string     // the gatehouse to run
	Dir     string     // its data directory and its log, empty
	Freeze  func(bool) // freezes the disk below Dir and thaws it; nil: that is not tried
	Lines   io.Writer  // the record as JSON lines; nil: none
	// Settle is how long a quiet moment is waited for; default a minute.
	Settle time.Duration
	// Forget leaves a stream open at quiet moments: for the test that this is found.
	Forget bool
}

// Traffic lasts this long between two quiet moments.
const (
	trafficFor = 8 * time.Second
	faultEvery = 200 * time.Millisecond
	heapEvery  = time.Second
)

// RunReal soaks the daemon. An error says that it could not be measured.
func RunReal(ctx context.Context, o Real) (report *Report, err error) {
	_, recipient, err := archive.NewKey()
	if err != nil {
		return nil, fmt.Errorf("a key for the archive: %w", err)
	}
	archived, backups := filepath.Join(o.Dir, "archive"), filepath.Join(o.Dir, "backups")
	if err := errors.Join(os.MkdirAll(archived, 0o700), os.MkdirAll(backups, 0o700)); err != nil {
		return nil, err
	}
	r := &realRun{
		o: o, a: newAccount(linesTo(o.Lines)), clock: supervisor.NewReal(o.Seed), rand: rand.New(rand.NewPCG(o.Seed, 0x5ea1)),
		backups: backups, recipient: recipient, done: map[string]int{},
	}
	r.o.Settle = cmp.Or(o.Settle, patience)
	r.begin = r.clock.Now()
	if r.outside, err = openOutside(r.clock, o.Dir); err != nil {
		return nil, fmt.Errorf("the other systems: %w", err)
	}
	defer func() { err = errors.Join(err, r.outside.close()) }()
	args := []string{
		"--data", filepath.Join(o.Dir, "data"), "--speed", "3000", "--seed", strconv.FormatUint(o.Seed, 10),
		"--archive", archived, "--recipient", recipient, "--heartbeat", "http://" + r.outside.centre.addr(),
	}
	if r.outside.redis != nil {
		args = append(args, "--redis", r.outside.redis.addr())
	}
	if r.d, err = startDaemon(r.clock, o.Program, o.Dir, args...); err != nil {
		return nil, err
	}
	if err = r.soak(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("the daemon's log:\n%s", r.d.log()), err, r.d.stop())
	}
	return r.end(), nil
}

type realRun struct {
	o         Real
	a         *account
	clock     *supervisor.Real
	begin     time.Time
	rand      *rand.Rand
	d         *daemonProcess
	outside   *outside
	leaves    []string
	doors     []string
	clients   *clients
	creators  map[string]int // when it was declared
	backups   string
	recipient string
	panics    int
	done      map[string]int
	forgotten io.Closer
}

func (r *realRun) at() time.Duration { return r.clock.Now().Sub(r.begin) }

func (r *realRun) soak(ctx context.Context) error {
	if err := r.declare(); err != nil {
		return err
	}
	until := r.at() + r.o.Span
	quarter := r.at() + r.o.Span/4
	for r.at() < until {
		if ctx.Err() != nil {
			return fmt.Errorf("the soak was ended early: %w", ctx.Err())
		}
		if err := r.traffic(ctx, min(trafficFor, until-r.at())); err != nil {
			return err
		}
		if err := r.quiet(); err != nil {
			return err
		}
		if r.a.early == nil && r.at() >= quarter {
			r.a.early = r.d.heap()
		}
	}
	return nil
}

// declare has everybody wait, and notes what the tree owns once it does not change
// any more.
func (r *realRun) declare() error {
	root, err := r.d.tree()
	if err != nil {
		return err
	}
	root.each(func(p *place) {
		if len(p.Children) == 0 && !strings.HasSuffix(p.Path, "/edge/control") {
			r.leaves = append(r.leaves, p.Path)
		}
		if door, ok := strings.CutPrefix(p.Path, "building/doors/"); ok && !strings.Contains(door, "/") {
			r.doors = append(r.doors, door)
		}
	})
	r.clients = newClients(r.d, r.doors, r.o.Seed, r.backups, r.recipient)
	r.calm()
	last, err := r.d.stock()
	for same := 0; err == nil && same < 5; {
		if r.at() > 2*patience {
			return fmt.Errorf("the daemon does not come to rest: %v", restless(&last))
		}
		var now stock
		if now, err = r.d.stock(); err != nil {
			return err
		}
		if same++; len(compare(&last, &now)) > 0 || len(restless(&now)) > 0 {
			same = 0
		}
		last = now
	}
	r.a.declare(last)
	r.creators = r.d.creators()
	return err
}

// restless are the places that have something to do although everybody waits: at
// rest no door and no area has a timer or a worker.
func restless(s *stock) (paths []string) {
	for path, p := range s.places {
		if (strings.HasPrefix(path, "building/doors/") || strings.HasPrefix(path, "building/areas/")) && p.Timers+p.Workers > 0 {
			paths = append(paths, path)
		}
	}
	return paths
}

// traffic lets people and clients go, and things go wrong.
func (r *realRun) traffic(ctx context.Context, span time.Duration) error {
	all, err := r.clients.start(r.clock)
	if err != nil {
		return err
	}
	r.d.tell("/go")
	until, sample := r.at()+span, r.at()
	for r.at() < until && ctx.Err() == nil {
		r.fault()
		if r.at() >= sample {
			sample += heapEvery
			if l, err := r.d.ledger("?gc=1"); err == nil {
				r.a.sample(r.at(), l.Heap)
			}
		}
		r.clock.Wait(ctx.Done(), faultEvery)
	}
	if r.o.Forget && r.forgotten == nil {
		r.forgotten, _ = r.clients.open(context.WithoutCancel(ctx))
	}
	if report := all.Stop(); !report.Complete || report.Zombies > 0 {
		return fmt.Errorf("the soak's own clients did not stop: %v", report.Abandoned)
	}
	return nil
}

// fault lets one thing go wrong.
func (r *realRun) fault() {
	door := r.doors[r.rand.IntN(len(r.doors))]
	what, path := "", ""
	switch n := r.rand.IntN(20); {
	case n < 8:
		what, path = "panics planted", "/panic?path="+r.leaves[r.rand.IntN(len(r.leaves))]
	case n < 10:
		what, path = "dead devices", "/break?door="+door
	case n < 15:
		what, path = "cards by the hundred", "/cards?n=100"
	case n < 16:
		what, path = "fire alarms", "/fire"
	case n < 19:
		r.turn()
		return
	default:
		r.freeze()
		return
	}
	r.done[what]++
	r.d.tell(path)
}

// turn has the centre or Redis hang, reset its connections or answer again.
func (r *realRun) turn() {
	all := r.outside.both()
	name := slices.Sorted(maps.Keys(all))[r.rand.IntN(len(all))]
	to := way(r.rand.IntN(3))
	all[name].turn(to)
	r.done[name+map[way]string{passes: " answers again", hangs: " hangs", resets: " resets"}[to]]++
}

// freeze has every sync of the disk wait for a second.
func (r *realRun) freeze() {
	if r.o.Freeze == nil {
		return
	}
	r.done["frozen disk"]++
	r.o.Freeze(true)
	r.clock.Wait(nil, time.Second)
	r.o.Freeze(false)
}

// calm has everybody wait, mends all that is broken and gives every door back.
func (r *realRun) calm() {
	for _, g := range r.outside.both() {
		g.turn(passes)
	}
	r.d.tell("/quiet")
	for _, door := range r.doors {
		for _, verb := range []string{"fire-reset", "normal"} {
			_, _ = r.d.ask(context.Background(), http.MethodPost, r.d.api+"/api/doors/"+door+"/"+verb) // a door that is down comes back normal
		}
	}
}

// quiet waits until the daemon owns what it declared and takes stock.
func (r *realRun) quiet() error {
	r.calm()
	var s stock
	var err error
	round := 0
	r.d.eventually(r.o.Settle, func() bool {
		if round++; round%50 == 0 {
			r.calm() // a door that was down has missed it
		}
		s, err = r.d.stock()
		return err == nil && r.a.settled(&s)
	})
	if err != nil {
		return fmt.Errorf("no stock could be taken: %w", err)
	}
	r.a.take(r.at(), s)
	if !r.a.settled(&s) {
		r.nameGoroutines()
	}
	if l, err := r.d.ledger(""); err == nil {
		r.panics = l.Panics
	}
	return nil
}

// nameGoroutines adds to what is known of the goroutines who started those that
// are more than at the beginning.
func (r *realRun) nameGoroutines() {
	now := r.d.creators()
	var names []string
	for _, by := range slices.Sorted(maps.Keys(now)) {
		if more := now[by] - r.creators[by]; more > 0 {
			names = append(names, fmt.Sprintf("+%d started by %s", more, by))
		}
	}
	for _, f := range r.a.found {
		if f.Gate == gateGoroutines && len(f.Names) == 0 {
			f.Names = names
		}
	}
}

// end stops the daemon: it has to end in order.
func (r *realRun) end() *Report {
	late := r.d.heap()
	took := r.at()
	if r.forgotten != nil {
		_ = r.forgotten.Close() // it was read by nobody
	}
	last := uint64(0)
	if text, err := r.d.ask(context.Background(), http.MethodGet, r.d.api+"/metrics"); err == nil {
		last = metric(string(text), "gatehouse_events_last_sequence")
	}
	if err := r.d.stop(); err != nil {
		r.a.note(r.at(), gateActors, err.Error(), nil)
	}
	faults := maps.Clone(r.done)
	faults["panics"] = r.panics
	for name, n := range r.clients.counts {
		faults[name] = int(n.Load())
	}
	report := &Report{
		Mode: "real", Seed: r.o.Seed, Machine: machine(), Soaked: took, Took: took, Events: last, Faults: faults,
		Quiet: r.a.quiet, Heap: r.a.growth(), Peak: r.a.peak(), Findings: r.a.finish(took, late),
	}
	if r.o.Freeze == nil {
		report.Skipped = append(report.Skipped, "a slow disk, which needs FUSE and root")
	}
	if r.outside.redis == nil {
		report.Skipped = append(report.Skipped, "Redis, which needs redis-server")
	}
	r.a.lines.add(line{Kind: "report", Report: report})
	return report
}

// metric is the value of a metric without labels, 0 if it is not there.
func metric(text, name string) uint64 {
	for l := range strings.Lines(text) {
		if value, ok := strings.CutPrefix(l, name+" "); ok {
			n, _ := strconv.ParseFloat(strings.TrimSpace(value), 64)
			return uint64(n)
		}
	}
	return 0
}

// stopwatch returns how long ago it was called.
func stopwatch() func() time.Duration {
	clock := supervisor.NewReal(1)
	begin := clock.Now()
	return func() time.Duration { return clock.Now().Sub(begin) }
}
