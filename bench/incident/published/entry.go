package published

import (
	"encoding/json"
	"io"
	"sync"
	"time"

	"gatehouse/bench/incident/naive"
)

// Logger takes its entries from a pool.
type Logger struct {
	mu   sync.Mutex
	enc  *json.Encoder
	pool sync.Pool
}

// NewLogger writes to w.
func NewLogger(w io.Writer) *Logger {
	return &Logger{
		enc:  json.NewEncoder(w),
		pool: sync.Pool{New: func() any { return new(naive.LogEntry) }},
	}
}

// Access writes down one access.
func (l *Logger) Access(door, reader, card, user, result, request string) error {
	entry := l.pool.Get().(*naive.LogEntry)
	defer l.pool.Put(entry)
	*entry = naive.LogEntry{
		Timestamp: time.Now(),
		Level:     "info",
		Message:   "access",
		Door:      door,
		Reader:    reader,
		Card:      card,
		User:      user,
		Result:    result,
		RequestID: request,
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.enc.Encode(entry)
}
