package naive

import (
	"encoding/json"
	"io"
	"sync"
	"time"
)

// LogEntry is what is written down of each request.
type LogEntry struct {
	Timestamp time.Time     `json:"ts"`
	Level     string        `json:"level"`
	Message   string        `json:"msg"`
	Door      string        `json:"door"`
	Reader    string        `json:"reader"`
	Card      string        `json:"card"`
	User      string        `json:"user"`
	Result    string        `json:"result"`
	RequestID string        `json:"request_id"`
	Duration  time.Duration `json:"duration"`
}

// Logger writes an entry for each request, one JSON object a line.
type Logger struct {
	mu  sync.Mutex
	enc *json.Encoder
}

// NewLogger writes to w.
func NewLogger(w io.Writer) *Logger { return &Logger{enc: json.NewEncoder(w)} }

// Access writes down one access.
func (l *Logger) Access(door, reader, card, user, result, request string) error {
	entry := &LogEntry{
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
