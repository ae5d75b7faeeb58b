package links

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"gatehouse/edge"
	"gatehouse/edge/heartbeat"
	"gatehouse/supervisor"
)

// The timers and the task of the heartbeat.
const (
	beatTimer = "beat"
	lateTimer = "late"
	beatTask  = "beat"
)

const (
	// beatCap is how long a centre that does not answer is left alone at most.
	beatCap = time.Minute
	// slack is how much later than its limit a call counts as hung.
	slack = 2 * time.Second
)

// poster beats at a centre; in the daemon a heartbeat.Client. Close may come under a
// Beat.
type poster interface {
	Beat(ctx context.Context, token string, body []byte) error
	Close()
}

// beats is the heartbeat, whatever becomes of its actor.
type beats struct {
	*Links
	every    time.Duration
	longest  time.Duration // of the wait after failures
	limit    time.Duration // of a beat
	open     func() poster
	sending  sync.Mutex    // held by the one call, also by one that hangs and was given up
	sequence atomic.Uint64 // of the newest beat
}

func newBeats(l *Links) *beats {
	conf := l.o.Links.Heartbeat
	return &beats{
		Links: l, every: time.Duration(conf.EveryS) * time.Second, longest: beatCap, limit: heartbeat.DefaultLimits.Whole,
		open: func() poster {
			return heartbeat.New(heartbeat.Options{
				URL: conf.URL, Files: edge.Files(conf.Files), Limits: heartbeat.DefaultLimits, Now: l.o.Executor.Now, Version: l.o.Version,
			})
		},
	}
}

// beatNow asks for a beat before its time.
type beatNow struct{}

// Class: one that waits is as good as many.
func (beatNow) Class() supervisor.Class { return supervisor.Class{Key: "beat now"} }

// beater is the actor of one life.
type beater struct {
	*beats
	client poster
	retry  retry
	busy   bool
	failed bool // the last beat
}

// Start makes a client of this life's own.
func (b *beater) Start(c *supervisor.Context) error {
	b.client = b.open()
	b.retry = retry{min: b.every, max: max(b.every, b.longest)}
	b.setBeating(c.Self())
	c.After(beatTimer, time.Duration(b.o.Executor.Random()*float64(min(b.every, time.Second))))
	return nil
}

// Stop ends the call that is under way, and the connection.
func (b *beater) Stop(*supervisor.Context, supervisor.Reason) { b.client.Close() }

// Receive beats when it is time.
func (b *beater) Receive(c *supervisor.Context, msg any) error {
	switch m := msg.(type) {
	case supervisor.Tick:
		if m.Key == lateTimer {
			b.o.Building.NoteLink(HeartbeatName, fmt.Errorf("no answer and no end after %v", b.limit+slack))
			return nil
		}
		return b.begin(c)
	case beatNow:
		if b.busy || b.failed {
			return nil // it is under way, or is being left alone
		}
		return b.begin(c)
	case supervisor.TaskDone:
		b.done(c, m.Err)
		return nil
	default:
		return fmt.Errorf("nobody sends the heartbeat a %T", m)
	}
}

func (b *beater) begin(c *supervisor.Context) error {
	b.busy = true
	c.CancelTimer(beatTimer)
	c.After(lateTimer, b.limit+slack)
	client, number := b.client, b.sequence.Add(1)
	return c.Task(beatTask, b.limit, func(ctx context.Context) (any, error) { return nil, b.beat(ctx, client, number) })
}

// beat is one beat. It blocks.
func (b *beats) beat(ctx context.Context, client poster, number uint64) error {
	if !b.sending.TryLock() {
		return errHangs
	}
	defer b.sending.Unlock()
	token := ""
	if path := b.o.Links.Heartbeat.TokenFile; path != "" {
		var err error
		if token, err = edge.ReadSecret(path); err != nil {
			return err
		}
	}
	body, err := json.Marshal(b.summary(number))
	if err != nil {
		return err
	}
	return client.Beat(ctx, token, body)
}

func (b *beater) done(c *supervisor.Context, err error) {
	b.busy, b.failed = false, err != nil
	c.CancelTimer(lateTimer)
	random := b.o.Executor.Random()
	wait := spread(b.every, random)
	if err == nil {
		b.retry.worked(c.Now())
	} else {
		wait = b.retry.after(c.Now(), random)
	}
	b.o.Building.NoteLink(HeartbeatName, err)
	c.After(beatTimer, wait)
}

func bootText(boot uint64) string { return strconv.FormatUint(boot, 10) }
