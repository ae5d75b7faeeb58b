package incident

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"time"
)

// Options of a Run. Command is required.
type Options struct {
	Short bool
	// Command makes the command of a column's process, see Spec.
	Command func(Spec) (*exec.Cmd, error)
	Only    int       // the number of one duty; 0: all
	Log     io.Writer // what happens meanwhile; nil: nowhere
	Commit  string
}

// columnLimit is the longest that one column may take.
const columnLimit = 100 * time.Second

// Run runs all columns and judges what they measured.
func Run(ctx context.Context, o Options) (*Report, error) {
	if o.Log == nil {
		o.Log = io.Discard
	}
	if _, ok := dutyOf(o.Only); !ok && o.Only != 0 {
		return nil, fmt.Errorf("there is no duty %d: name one of 1 to %d, or none for all", o.Only, len(duties()))
	}
	if err := enoughFiles(map[bool]uint64{false: 8192, true: 2048}[o.Short]); err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "gatehouse-incident-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	begin := now()
	r := &run{Options: o, ctx: ctx, shared: shared{short: o.Short, dir: dir}}
	if err := r.all(); err != nil {
		return nil, err
	}
	report := &Report{
		Made: begin, Took: now().Sub(begin).Seconds(), Short: o.Short, Machine: machine(), Commit: o.Commit,
		Go: runtime.Version(), Redis: redisKind(), Results: r.results,
	}
	report.judge()
	return report, nil
}

// run is a Run under way.
type run struct {
	Options
	ctx    context.Context
	shared shared

	mu      sync.Mutex
	results []Result
	errs    []error
}

// all runs the duties that count things side by side, since they mostly wait, and
// those that compare durations one after the other.
func (r *run) all() error {
	var beside [][]Spec
	var alone [][]Spec
	for _, d := range duties() {
		if r.Only != 0 && r.Only != d.Number {
			continue
		}
		if specs := r.specs(d); d.alone {
			alone = append(alone, specs)
		} else {
			beside = append(beside, specs)
		}
	}
	r.beside(beside)
	for _, specs := range alone {
		r.alone(specs)
	}
	return errors.Join(r.errs...)
}

func (r *run) specs(d Duty) (list []Spec) {
	list = append(list, Spec{Duty: d.Number, Column: Naive, Short: r.Short})
	if d.variant != "" {
		list = append(list, Spec{Duty: d.Number, Column: Naive, Variant: true, Short: r.Short})
	}
	if d.Fix != "" {
		list = append(list, Spec{Duty: d.Number, Column: Published, Short: r.Short})
	}
	return append(list, Spec{Duty: d.Number, Column: House, Short: r.Short})
}

// beside runs the columns of the duties at once, those of duty 2 one after the
// other: they are under load.
func (r *run) beside(duties [][]Spec) {
	var jobs []func()
	for _, specs := range duties {
		if specs[0].Duty == 2 && !r.Short {
			jobs = append(jobs, func() { r.inTurn(specs) })
			continue
		}
		for _, s := range specs {
			jobs = append(jobs, func() { r.column(s) })
		}
	}
	together(jobs)
}

func (r *run) inTurn(specs []Spec) {
	for _, s := range specs {
		r.column(s)
	}
}

// alone runs the columns of one duty and nothing else: those of duty 7 take turns,
// the others go one after the other.
func (r *run) alone(specs []Spec) {
	if specs[0].Duty != 7 {
		r.inTurn(specs)
		return
	}
	r.shared.turns = newTurns(len(specs))
	var jobs []func()
	for _, s := range specs {
		jobs = append(jobs, func() { r.column(s) })
	}
	together(jobs)
}

// column runs one column and keeps its result.
func (r *run) column(s Spec) {
	fmt.Fprintf(r.Log, "incident: duty %d, %s%s: begins\n", s.Duty, s.Column.Title(), map[bool]string{true: " (variant)"}[s.Variant])
	result, err := r.process(s)
	r.mu.Lock()
	defer r.mu.Unlock()
	if err != nil {
		r.errs = append(r.errs, fmt.Errorf("duty %d, %s: %w", s.Duty, s.Column.Title(), err))
		return
	}
	r.results = append(r.results, *result)
}

// process runs a column's process to its end.
func (r *run) process(s Spec) (*Result, error) {
	ctx, cancel := limited(r.ctx, columnLimit)
	defer cancel()
	cmd, err := r.Command(s)
	if err != nil {
		return nil, err
	}
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if cmd.Stderr == nil {
		cmd.Stderr = os.Stderr
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	o := &outside{shared: &r.shared}
	defer o.close()
	if t := r.shared.turns; t != nil {
		defer t.leave(o)
	}
	stop := whenDone(ctx, func() { _ = cmd.Process.Kill() })
	result, err := converse(o, in, out)
	stop()
	_ = in.Close() // it has ended, or is told so by this
	return result, errors.Join(err, cmd.Wait(), ctx.Err())
}

// maxSamples bounds what is kept of a column's samples.
const maxSamples = 10_000

// converse hears a column out.
func converse(o *outside, in io.Writer, out io.Reader) (result *Result, err error) {
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 1<<20)
	say := json.NewEncoder(in)
	var samples []Sample
	for lines.Scan() {
		var l line
		if err := json.Unmarshal(lines.Bytes(), &l); err != nil {
			return nil, fmt.Errorf("the column says %q: %w", clipped(lines.Text()), err)
		}
		switch {
		case l.Sample != nil && len(samples) < maxSamples:
			samples = append(samples, *l.Sample)
		case l.Ask != nil:
			if err := say.Encode(o.answer(*l.Ask)); err != nil {
				return nil, err
			}
		case l.Result != nil:
			result = l.Result
		}
	}
	if result == nil {
		return nil, errors.Join(errors.New("the column ended without a result"), lines.Err())
	}
	result.Samples = samples
	return result, lines.Err()
}

func clipped(text string) string { return text[:min(len(text), 200)] }
