package links

import (
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"gatehouse/access"
	"gatehouse/actors"
	"gatehouse/cmd/gatehouse/site"
	"gatehouse/edge/heartbeat"
	"gatehouse/supervisor"
)

// Names of the links: in the tree, in events and in metrics.
const (
	HeartbeatName = "heartbeat"
	RedisName     = "redis"
)

// Building is what the links know of a building.
type Building interface {
	Events(after uint64, limit int) ([]access.Event, error)
	LastEvent() uint64
	Health() actors.Health
	NoteLink(name string, err error)
	NoteSent(name string, seq uint64)
}

// Options of the links; all are required.
type Options struct {
	Building Building
	ID       string // of the building
	Boot     uint64
	Version  string
	Data     string // the data directory
	Links    site.Links
	Executor supervisor.Executor
	Log      zerolog.Logger
}

// Links are the links that a site file asks for. They outlive their actors.
type Links struct {
	o         Options
	heartbeat *beats   // nil: there is none
	redis     *channel // likewise

	mu      sync.Mutex
	beating supervisor.Ref
}

// errHangs: a call of an earlier life does not end.
var errHangs = errors.New("an earlier call to it still hangs")

// New prepares the links; nothing runs yet.
func New(o Options) *Links {
	l := &Links{o: o}
	if o.Links.Heartbeat.URL != nil {
		l.heartbeat = newBeats(l)
	}
	if o.Links.Redis.Addr != "" {
		l.redis = newChannel(l)
	}
	return l
}

// backoff of a link's actor that crashed: a bug and not a broken network.
var backoff = supervisor.Backoff{Min: time.Second, Max: time.Minute, Jitter: jitter, ResetAfter: time.Minute}

// Specs are the links' actors.
func (l *Links) Specs() (specs []supervisor.ChildSpec) {
	if b := l.heartbeat; b != nil {
		specs = append(specs, supervisor.ChildSpec{ID: HeartbeatName, Backoff: backoff, New: func() supervisor.Actor { return &beater{beats: b} }})
	}
	if k := l.redis; k != nil {
		specs = append(specs, supervisor.ChildSpec{ID: RedisName, Backoff: backoff, New: func() supervisor.Actor { return newTalker(k) }})
	}
	return specs
}

// summary is how the building is.
func (l *Links) summary(sequence uint64) heartbeat.Summary {
	health := l.o.Building.Health()
	s := heartbeat.Summary{
		Building: l.o.ID, Boot: bootText(l.o.Boot), Sequence: sequence, Time: l.o.Executor.Now().UTC(), Version: l.o.Version,
		Ready: health.Ready, Degraded: []string{}, Last: l.o.Building.LastEvent(),
	}
	for _, text := range health.Degraded[:min(len(health.Degraded), heartbeat.MaxDegraded)] {
		s.Degraded = append(s.Degraded, strings.ToValidUTF8(text[:min(len(text), heartbeat.MaxText)], "")) // no half of a letter
	}
	return s
}

func (l *Links) setBeating(ref supervisor.Ref) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.beating = ref
}

// beatNow asks for a beat before its time.
func (l *Links) beatNow(from supervisor.Sender) {
	l.mu.Lock()
	to := l.beating
	l.mu.Unlock()
	if to.Valid() {
		from.Send(to, beatNow{})
	}
}
