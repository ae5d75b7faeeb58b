package diag

import (
	"archive/zip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"runtime"
	"runtime/pprof"
	"strings"
	"sync"
	"time"

	"gatehouse/actors"
	"gatehouse/cmd/gatehouse/site"
	"gatehouse/edge/httpapi"
	"gatehouse/supervisor"
)

// Building is what a bundle tells of one.
type Building interface {
	Tree() supervisor.Tree
	Ledger(known ...string) supervisor.Ledger
	Reports() []actors.Report
	Health() actors.Health
}

// Options of a Diagnosis; all but Known are required.
type Options struct {
	Building Building
	Site     *site.Site
	Executor supervisor.Executor
	Recorder *Recorder
	Limits   httpapi.Limits
	Life     httpapi.Life
	Version  string
	Known    []string // functions in which goroutines begin that the tree need not own
}

// Diagnosis makes bundles, one at a time.
type Diagnosis struct {
	o       Options
	running sync.Mutex
	waits   contention
}

// New makes a Diagnosis.
func New(o Options) *Diagnosis { return &Diagnosis{o: o} }

// partBytes bounds one part of a bundle, in bytes before they are compressed.
const partBytes = 32 << 20

// Write watches the building for a while and writes what it found. What can be had
// at once goes first. A part that fails is missing and errors.txt says so; the
// error is that of the writer, of ctx, or httpapi.ErrDiagnosisRuns.
func (d *Diagnosis) Write(ctx context.Context, to io.Writer, watch time.Duration, metrics func(io.Writer) error) error {
	if !d.running.TryLock() {
		return httpapi.ErrDiagnosisRuns
	}
	defer d.running.Unlock()
	d.waits.want()
	defer d.waits.leave()
	b := &bundle{zip: zip.NewWriter(to), now: d.o.Executor.Now().UTC(), most: partBytes}
	began := take()
	b.add("README.txt", text(readme))
	b.add("about.json", asJSON(d.about(b.now, watch)))
	b.add("config.json", asJSON(configOf(d.o.Site)))
	b.flush()
	if b.err == nil {
		d.o.Executor.Wait(ctx.Done(), watch)
		b.err = ctx.Err()
	}
	if b.err != nil {
		return b.err
	}
	d.house(b)
	b.add("metrics.txt", metrics)
	profiles(b, began, take())
	b.add("trace.out", d.o.Recorder.write)
	return b.close()
}

// house writes what the building is doing.
func (d *Diagnosis) house(b *bundle) {
	seen := tree(d.o.Building.Tree())
	b.add("tree.txt", text(seen.String()))
	b.add("tree.json", asJSON(seen))
	b.add("health.json", asJSON(health(d.o.Building.Health())))
	b.add("ledger.json", asJSON(stock(d.o.Building.Ledger(d.o.Known...))))
	b.add("crashes.json", asJSON(d.o.Building.Reports()))
	b.add("limits.json", func(w io.Writer) error {
		status, err := d.o.Limits.Status()
		return errors.Join(asJSON(status)(w), err)
	})
	b.add("goroutines.txt", writeGoroutines)
}

// moment is what the profiles had counted then.
type moment struct {
	memory        memory
	blocked, lock spots
}

func take() moment {
	runtime.GC() // the memory profile is that of the last collection
	return moment{readMemory(), readWaits(runtime.BlockProfile), readWaits(runtime.MutexProfile)}
}

// profiles writes them for pprof, and as text what changed while it was watched.
func profiles(b *bundle, began, ended moment) {
	for _, name := range []string{"heap", "allocs", "block", "mutex"} {
		b.add(name+".pb.gz", func(w io.Writer) error { return pprof.Lookup(name).WriteTo(w, 0) })
	}
	b.add("heap.txt", func(w io.Writer) error {
		return ended.memory.live.write(w, "what lives on the heap", bytesAt)
	})
	b.add("allocs.txt", func(w io.Writer) error {
		made := ended.memory.allocated.since(began.memory.allocated)
		return errors.Join(
			made.write(w, "allocated while it was watched", bytesAt),
			ended.memory.allocated.write(w, "allocated since the start", bytesAt),
		)
	})
	b.add("waits.txt", func(w io.Writer) error {
		blocked, lock := ended.blocked.since(began.blocked), ended.lock.since(began.lock)
		return errors.Join(
			blocked.write(w, "where goroutines waited while it was watched (most of it is idling)", shareOf(blocked)),
			lock.write(w, "who kept a lock that others waited for", shareOf(lock)),
		)
	})
}

// bundle is a zip file being written. Once it cannot be written err says why.
type bundle struct {
	zip    *zip.Writer
	now    time.Time
	most   int // bytes of a part
	err    error
	failed []string // parts, and why
}

// add writes a part.
func (b *bundle) add(name string, write func(io.Writer) error) {
	if b.err != nil {
		return
	}
	to, err := b.zip.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Deflate, Modified: b.now})
	if err != nil {
		b.err = err
		return
	}
	out := &part{to: to, left: b.most}
	if err := guarded(write, out); err != nil {
		b.failed = append(b.failed, name+": "+said("error: "+err.Error()))
	}
	b.err = out.err
}

// guarded makes an error of a panic: one part that breaks leaves the others.
func guarded(write func(io.Writer) error, to io.Writer) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %T", r)
		}
	}()
	return write(to)
}

func (b *bundle) flush() {
	if b.err == nil {
		b.err = b.zip.Flush()
	}
}

func (b *bundle) close() error {
	if len(b.failed) > 0 {
		b.add("errors.txt", text(strings.Join(b.failed, "\n")+"\n"))
	}
	if b.err != nil {
		return b.err
	}
	return b.zip.Close()
}

// part bounds what is written into the bundle and remembers why it cannot be.
type part struct {
	to   io.Writer
	left int
	err  error
}

var errTooLarge = errors.New("the part is too large")

func (p *part) Write(text []byte) (int, error) {
	if p.err != nil {
		return 0, p.err
	}
	if len(text) > p.left {
		return 0, errTooLarge
	}
	p.left -= len(text)
	var n int
	n, p.err = p.to.Write(text)
	return n, p.err
}

func text(s string) func(io.Writer) error {
	return func(w io.Writer) error {
		_, err := io.WriteString(w, s)
		return err
	}
}

func asJSON(v any) func(io.Writer) error {
	return func(w io.Writer) error {
		enc := json.NewEncoder(w)
		enc.SetEscapeHTML(false)
		enc.SetIndent("", "  ")
		return enc.Encode(v)
	}
}
