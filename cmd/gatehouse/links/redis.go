package links

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"gatehouse/edge"
	"gatehouse/edge/redis"
	"gatehouse/supervisor"
)

// The timers and the workers of the channel.
const (
	lookTimer   = "look"
	listenTimer = "listen"
	sendTask    = "send"
	saveTask    = "save"
	listenLoop  = "listen"
)

const (
	// look is how often the journal is looked at.
	look = 250 * time.Millisecond
	// batch is how many events go out at a time, and pace how long the disk and the
	// processor are left to the doors between two batches.
	batch = 256
	pace  = 10 * time.Millisecond
	// pingEvery is how often a server is asked for a sign of life while there is
	// nothing to send.
	pingEvery = 10 * time.Second
	// saveEvery bounds how much is sent again after a crash, and what the disk is
	// asked for.
	saveEvery = time.Second
	// The wait after the first failure, and the longest.
	againFirst = 500 * time.Millisecond
	againLast  = 30 * time.Second
	// sendLimit is how long a batch may take until it counts as hung.
	sendLimit = 15 * time.Second
	// perSecond is how many messages are read from the channel in a second, and
	// hintEvery how often a hint of one kind is followed.
	perSecond = 1000
	hintEvery = time.Second
)

// messenger is a Redis server; in the daemon a redis.Client.
type messenger interface {
	Publish(ctx context.Context, messages [][]byte) (done int, err error)
	Listen(ctx context.Context, ready func(), take func(text string) error) error
	Close()
}

// channel is the link to Redis, whatever becomes of its actor.
type channel struct {
	*Links
	open       func() messenger
	publishing sync.Mutex // held by the one call, also by one that hangs and was given up
	listening  sync.Mutex
	taken      [redis.TakenEnd]atomic.Uint64
	limited    atomic.Uint64 // hints that came too soon after another of their kind
}

func newChannel(l *Links) *channel {
	conf := l.o.Links.Redis
	o := redis.Options{
		Addr: conf.Addr, Username: conf.Username, Channel: conf.Channel, Limits: redis.DefaultLimits, Now: l.o.Executor.Now,
	}
	if conf.TLS {
		o.TLS = edge.Files(conf.Files).Config
	}
	if path := conf.PasswordFile; path != "" {
		o.Password = func() (string, error) { return edge.ReadSecret(path) }
	}
	return &channel{Links: l, open: func() messenger { return redis.New(o) }}
}

// What a worker tells the actor.
type (
	subscribed struct{}
	hinted     struct{ redis.Taken }
)

// Class: one hint of a kind that waits is as good as many.
func (h hinted) Class() supervisor.Class { return supervisor.Class{Key: h.String()} }

// way is one of the channel's two directions.
type way struct {
	retry
	known bool  // whether it works
	err   error // why not
}

// talker is the actor of one life.
type talker struct {
	*channel
	client    messenger
	at        *cursor // nil: not read yet
	saved     cursor  // on disk
	out, in   way
	busy      bool // a batch is under way
	state     bool // somebody asked how the building is
	sent      time.Time
	savedAt   time.Time
	unwritten bool                      // it could not be saved
	hints     [redis.TakenEnd]time.Time // followed last
}

func newTalker(k *channel) *talker {
	again := retry{min: againFirst, max: againLast}
	return &talker{channel: k, out: way{retry: again}, in: way{retry: again}}
}

// Start makes a client of this life's own, and opens both ways.
func (t *talker) Start(c *supervisor.Context) error {
	t.client = t.channel.open()
	c.After(lookTimer, 0)
	return t.listen(c)
}

// Stop ends the calls that are under way and the connections, and writes down how
// far the channel has got.
func (t *talker) Stop(c *supervisor.Context, _ supervisor.Reason) {
	t.client.Close()
	if t.unsaved() && !t.busy {
		at := *t.at
		_ = c.Task(saveTask, 0, func(context.Context) (any, error) { return nil, at.save(t.o.Data) }) // else more is sent again
	}
}

// Receive keeps both ways going.
func (t *talker) Receive(c *supervisor.Context, msg any) error {
	switch m := msg.(type) {
	case supervisor.Tick:
		if m.Key == listenTimer {
			return t.listen(c)
		}
		return t.look(c)
	case supervisor.TaskDone:
		t.sentBatch(c, m)
	case subscribed:
		t.works(c, &t.in)
	case supervisor.LoopEnded:
		c.After(listenTimer, t.fails(c, &t.in, m.Err))
	case hinted:
		return t.follow(c, m.Taken)
	default:
		return fmt.Errorf("nobody sends the channel a %T", m)
	}
	return nil
}

func (t *talker) works(c *supervisor.Context, w *way) {
	w.worked(c.Now())
	w.known, w.err = true, nil
	if t.out.known && t.in.known && t.out.err == nil && t.in.err == nil {
		t.o.Building.NoteLink(RedisName, nil)
	}
}

// fails notes a failure; the result is when to try again.
func (t *talker) fails(c *supervisor.Context, w *way, err error) time.Duration {
	if err == nil {
		err = errEnded
	}
	w.known, w.err = true, err
	t.o.Building.NoteLink(RedisName, err)
	return w.after(c.Now(), t.o.Executor.Random())
}

var errEnded = errors.New("the subscription ended")

// look sends what there is to send.
func (t *talker) look(c *supervisor.Context) error {
	if t.busy {
		t.o.Building.NoteLink(RedisName, fmt.Errorf("no answer and no end after %v", sendLimit+slack))
		return nil
	}
	if !t.due(c.Now()) {
		c.After(lookTimer, look)
		return nil
	}
	t.busy = true
	c.After(lookTimer, sendLimit+slack)
	do := parcel{channel: t.channel, client: t.client, at: t.at, state: t.state, save: t.unsaved() && c.Now().Sub(t.savedAt) >= saveEvery}
	t.state = false
	return c.Task(sendTask, sendLimit, func(ctx context.Context) (any, error) { return do.send(ctx) })
}

func (t *talker) unsaved() bool { return t.at != nil && *t.at != t.saved }

// due says whether there is something to send, to save or to ask.
func (t *talker) due(now time.Time) bool {
	return t.at == nil || t.state || t.at.Why != "" || t.at.Seq < t.o.Building.LastEvent() || now.Sub(t.sent) >= pingEvery ||
		t.unsaved() && now.Sub(t.savedAt) >= saveEvery
}

func (t *talker) sentBatch(c *supervisor.Context, m supervisor.TaskDone) {
	t.busy = false
	done, _ := m.Value.(delivery) // of a panic there is none
	if done.at != nil {
		t.at = done.at
		t.o.Building.NoteSent(RedisName, t.at.Seq)
	}
	if done.saved != nil {
		t.saved, t.savedAt = *done.saved, c.Now()
	}
	t.saveFailed(c.Now(), done.saveErr)
	if m.Err != nil {
		c.After(lookTimer, t.fails(c, &t.out, m.Err))
		return
	}
	t.sent = c.Now()
	t.works(c, &t.out)
	if done.more {
		c.After(lookTimer, pace)
		return
	}
	c.After(lookTimer, look)
}

// saveFailed says once that the cursor cannot be written down; it is tried again like
// one that could.
func (t *talker) saveFailed(now time.Time, err error) {
	if err == nil {
		t.unwritten = t.unwritten && t.unsaved()
		return
	}
	t.savedAt = now
	if !t.unwritten {
		t.o.Log.Warn().Err(err).Msg("how far the channel has got is not written down: after a restart more is sent again")
	}
	t.unwritten = true
}

// follow does what a hint may do: look now.
func (t *talker) follow(c *supervisor.Context, what redis.Taken) error {
	if last := t.hints[what]; !last.IsZero() && c.Now().Sub(last) < hintEvery {
		t.limited.Add(1)
		return nil
	}
	t.hints[what] = c.Now()
	if what == redis.TakenState {
		t.state = true
		t.beatNow(c.Sender())
	}
	if t.busy || t.out.err != nil {
		return nil // it looks when that is over
	}
	return t.look(c)
}

// listen starts the loop that reads the channel.
func (t *talker) listen(c *supervisor.Context) error {
	self, from, client := c.Self(), c.Sender(), t.client
	return c.Loop(listenLoop, func(ctx context.Context) error {
		if !t.listening.TryLock() {
			return errHangs
		}
		defer t.listening.Unlock()
		var m meter
		ready := func() { from.Send(self, subscribed{}) }
		return client.Listen(ctx, ready, func(text string) error {
			if wait := m.wait(t.o.Executor.Now()); wait > 0 {
				t.o.Executor.Wait(ctx.Done(), wait)
			}
			what := redis.Read(t.o.ID, text)
			t.taken[what].Add(1)
			if what == redis.TakenState || what == redis.TakenEvents {
				from.Send(self, hinted{what})
			}
			return ctx.Err()
		})
	})
}

// meter keeps a flood of messages from taking the processor.
type meter struct {
	from time.Time
	n    int
}

// wait is how long to read nothing more.
func (m *meter) wait(now time.Time) time.Duration {
	if since := now.Sub(m.from); since < 0 || since >= time.Second {
		m.from, m.n = now, 0
	}
	if m.n++; m.n <= perSecond {
		return 0
	}
	return m.from.Add(time.Second).Sub(now)
}

// parcel is what one task sends.
type parcel struct {
	*channel
	client messenger
	at     *cursor // nil: is to be read
	state  bool    // tell how the building is
	save   bool    // write the cursor down
}

// delivery is what became of it, also after an error.
type delivery struct {
	at      *cursor // nil: not known
	saved   *cursor // nil: nothing was written down
	saveErr error   // why it could not be
	more    bool    // there may be more to send
}

// send sends what there is, at most a batch of it. It blocks.
func (p parcel) send(ctx context.Context) (d delivery, err error) {
	if !p.publishing.TryLock() {
		return d, errHangs
	}
	defer p.publishing.Unlock()
	if d.at = p.at; d.at == nil {
		at, err := readCursor(p.o.Data, p.o.ID, p.o.Building)
		if err != nil {
			return d, err
		}
		d.at, p.save = &at, true // a new one holds from now on
	}
	if p.save {
		if d.saveErr = d.at.save(p.o.Data); d.saveErr == nil {
			d.saved = d.at
		}
	}
	events, err := p.o.Building.Events(d.at.Seq, batch)
	if err != nil {
		return d, fmt.Errorf("the journal cannot be read: %w", err)
	}
	list, err := letters(*d.at, events)
	if err != nil {
		return d, err
	}
	if p.state {
		text, err := redis.OfState(p.o.ID, p.summary(p.sequence()))
		if err != nil {
			return d, err
		}
		list = append([]letter{{text, *d.at}}, list...)
	}
	d.more = len(events) == batch
	texts := make([][]byte, len(list))
	for i := range list {
		texts[i] = list[i].text
	}
	done, err := p.client.Publish(ctx, texts)
	if done > 0 {
		d.at = &list[done-1].then
	}
	return d, err
}

// sequence is the number of the newest beat.
func (l *Links) sequence() uint64 {
	if l.heartbeat == nil {
		return 0
	}
	return l.heartbeat.sequence.Load()
}
