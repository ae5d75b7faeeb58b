package actors

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"gatehouse/access"
	"gatehouse/supervisor"
)

// Limits says what the process itself uses. Figures blocks. Beside an error it
// returns the figures that it could read.
type Limits interface {
	Figures(ctx context.Context) ([]Figure, error)
}

// Figure is something that the process uses, and the threshold beyond which that is
// an alarm; 0 is none.
type Figure struct {
	Name             string
	Value, Threshold uint64
}

// A figure is judged by what it is for a while: a burst is no leak. Once it is an
// alarm it has to come well below its threshold, so that one that plays about it
// makes no flood of events.
const (
	limitPeriod  = 10 * time.Second
	limitTimes   = 3  // in a row
	limitPercent = 90 // of the threshold, to end an alarm
)

// excess is what is known of one figure.
type excess struct {
	over   bool
	streak int // readings in a row that say otherwise
}

// take judges a reading; changed: the alarm begins or ends with it.
func (e excess) take(f Figure) (next excess, changed bool) {
	otherwise := f.Threshold > 0 && f.Value > f.Threshold
	if e.over {
		otherwise = float64(f.Value) <= float64(f.Threshold)*limitPercent/100
	}
	switch {
	case e.over && f.Threshold == 0: // nobody judges it any more
		return excess{}, true
	case !otherwise:
		e.streak = 0
	case e.streak+1 == limitTimes:
		return excess{over: !e.over}, true
	default:
		e.streak++
	}
	return e, false
}

// excesses are the figures by name. They outlive the actor, so that its crash
// neither repeats an alarm nor forgets one.
type excesses struct {
	mu   sync.Mutex
	of   map[string]excess
	text map[string]string // of those that are over
}

// take judges a reading and returns the figures whose alarm begins or ends.
func (x *excesses) take(list []Figure) (begin, end []Figure) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.of == nil {
		x.of, x.text = map[string]excess{}, map[string]string{}
	}
	for _, f := range list {
		next, changed := x.of[f.Name].take(f)
		x.of[f.Name] = next
		if next.over {
			x.text[f.Name] = f.String()
		} else {
			delete(x.text, f.Name)
		}
		switch {
		case changed && next.over:
			begin = append(begin, f)
		case changed:
			end = append(end, f)
		}
	}
	return begin, end
}

// list says what is over its threshold.
func (x *excesses) list() (over []string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, text := range x.text {
		over = append(over, text)
	}
	slices.Sort(over)
	return over
}

// String says what a figure is and by what it is judged.
func (f Figure) String() string {
	name, unit := f.Name, ""
	if short, ok := strings.CutSuffix(name, "_bytes"); ok {
		name, unit = short, " bytes"
	}
	return fmt.Sprintf("%s: %d%s, the threshold is %d", strings.ReplaceAll(name, "_", " "), f.Value, unit, f.Threshold)
}

// limiter is the actor that alarms when the process uses more than it should. It
// does nothing about it: doors go on.
type limiter struct {
	b       *Building
	em      *emitter
	busy    bool
	failing bool
}

// Start begins to look.
func (l *limiter) Start(c *supervisor.Context) error {
	l.em = l.b.emitter("limits", c.Incarnation())
	c.After(lookTimer, limitPeriod)
	return nil
}

// Receive reads the figures, and judges them.
func (l *limiter) Receive(c *supervisor.Context, msg any) error {
	switch m := msg.(type) {
	case supervisor.Tick:
		c.After(lookTimer, limitPeriod)
		if l.busy {
			return nil
		}
		l.busy = true
		return c.Task("read", 0, func(ctx context.Context) (any, error) { return l.b.readFigures(ctx) })
	case supervisor.TaskDone:
		l.busy = false
		l.judge(m)
	}
	return nil
}

// readFigures hands over what there is also beside an error.
func (b *Building) readFigures(ctx context.Context) (figures, error) {
	list, err := b.cfg.Chores.Limits.Figures(ctx)
	return figures{list, err}, nil
}

type figures struct {
	list []Figure
	err  error
}

func (l *limiter) judge(m supervisor.TaskDone) {
	got, _ := m.Value.(figures)
	failing := got.err != nil || m.Err != nil
	if failing && !l.failing {
		l.b.cfg.Log.Warn().AnErr("error", got.err).AnErr("panic", m.Err).Msg("what the process uses cannot be read in full")
	}
	l.failing = failing
	begin, end := l.b.excesses.take(got.list)
	for _, f := range begin {
		l.em.emit(access.Event{Kind: access.KindLimitExceeded, Detail: f.String()})
		l.b.cfg.Log.Error().Str("figure", f.Name).Uint64("value", f.Value).Uint64("threshold", f.Threshold).Msg(access.KindLimitExceeded.String())
	}
	for _, f := range end {
		l.em.emit(access.Event{Kind: access.KindLimitRestored, Detail: f.String()})
		l.b.cfg.Log.Info().Str("figure", f.Name).Uint64("value", f.Value).Uint64("threshold", f.Threshold).Msg(access.KindLimitRestored.String())
	}
}
