package links

import (
	"context"
	"time"

	"gatehouse/edge/redis"
)

// For the tests.
type (
	Poster    = poster
	Messenger = messenger
)

const (
	CursorName = cursorName
	Batch      = batch
	BeatCap    = beatCap
	Slack      = slack
)

// SetHeartbeat changes how often it beats, how long a beat may take, and over what.
func (l *Links) SetHeartbeat(every, limit time.Duration, open func() Poster) {
	l.heartbeat.every, l.heartbeat.limit = every, limit
	if open != nil {
		l.heartbeat.open = open
	}
}

// SetHaste has it beat again at once, also after a failure.
func (l *Links) SetHaste() {
	l.heartbeat.every, l.heartbeat.longest = time.Millisecond, time.Millisecond
}

// SetRedis changes what the channel is.
func (l *Links) SetRedis(open func() Messenger) { l.redis.open = open }

// Hint is what the listening loop sends its actor.
func Hint(what redis.Taken) any { return hinted{what} }

// Ready is what it sends once the server has confirmed.
func Ready() any { return subscribed{} }

// BeatNow asks for a beat.
func BeatNow() any { return beatNow{} }

// Limited is how many hints came too soon.
func (l *Links) Limited() uint64 { return l.redis.limited.Load() }

// Beat is one beat, without the actor.
func (l *Links) Beat(p Poster) error { return l.heartbeat.beat(context.Background(), p, 1) }

// Taken is how many messages from the channel were this to the building.
func (l *Links) Taken(what redis.Taken) uint64 { return l.redis.taken[what].Load() }
