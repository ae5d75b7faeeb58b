package actors

import (
	"errors"
	"fmt"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"gatehouse/supervisor"
)

// maxReports is how many reports are kept.
const maxReports = 16

// Report is a crash, a slow handler or an abandoned actor, without what it was
// about: the text of an error or a panic can hold anything, a card number above all.
type Report struct {
	Time        time.Time     `json:"time"`
	Kind        string        `json:"kind"`
	Path        string        `json:"path"`
	Incarnation uint64        `json:"incarnation"`
	Count       uint64        `json:"count,omitempty"` // crashes since the last report of this place
	Wait        time.Duration `json:"wait_ns,omitempty"`
	Exit        string        `json:"exit,omitempty"` // panic, error
	What        string        `json:"what,omitempty"` // types of the error, and what the runtime or the system says
	Stack       string        `json:"stack,omitempty"`
}

// reports are the last ones.
type reports struct {
	mu   sync.Mutex
	list []Report
}

func (r *reports) add(e supervisor.Event) {
	report := Report{
		Time: e.Time.UTC(), Kind: e.Kind.String(), Path: e.Path, Incarnation: e.Incarnation, Count: e.Count, Wait: e.Wait,
		Stack: WithoutValues(e.Reason.Stack + e.Detail),
	}
	if e.Kind == supervisor.EventCrashed {
		report.Exit, report.What = e.Reason.Kind.String(), whatOf(e.Reason)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.list) == maxReports {
		r.list = slices.Delete(r.list, 0, 1)
	}
	r.list = append(r.list, report)
}

// Reports are the last crashes, slow handlers and abandoned actors, oldest first.
func (b *Building) Reports() []Report {
	b.reports.mu.Lock()
	defer b.reports.mu.Unlock()
	return slices.Clone(b.reports.list)
}

var digits = regexp.MustCompile(`[0-9]+`)

// ending is how a life ended, without values.
func ending(r supervisor.Reason) string {
	if r.Err == nil && r.Value == nil {
		return r.Kind.String()
	}
	return r.Kind.String() + ": " + whatOf(r)
}

// Thrown says what a panic threw, without its values.
func Thrown(v any) string { return whatOf(supervisor.Reason{Value: v}) }

// whatOf says what ended a life by types alone, and by the words of Go's runtime
// and of the system, which know nothing of people.
func whatOf(r supervisor.Reason) (what string) {
	defer func() {
		if recover() != nil { // a method of the error's
			what += " (its methods panic)"
		}
	}()
	err, isError := r.Value.(error)
	if r.Err != nil {
		err, isError = r.Err, true
	}
	if !isError {
		return fmt.Sprintf("%T", r.Value)
	}
	var types []string
	for next := err; next != nil && len(types) < 8; next = errors.Unwrap(next) {
		types = append(types, fmt.Sprintf("%T", next))
	}
	what = strings.Join(types, " of ")
	if number, ok := errors.AsType[syscall.Errno](err); ok {
		what += ": " + number.Error()
	}
	if fault, ok := errors.AsType[runtime.Error](err); ok && strings.HasPrefix(fmt.Sprintf("%T", fault), "runtime.") {
		what += ": " + digits.ReplaceAllString(fault.Error(), "#")
	}
	return what
}

// WithoutValues is a stack without the arguments of its functions, which are what
// was in registers, and without the directories of whoever built the program.
func WithoutValues(stack string) string {
	var b strings.Builder
	for line := range strings.Lines(stack) {
		line = strings.TrimSuffix(line, "\n")
		switch {
		case strings.HasPrefix(line, "\t"):
			at, _, _ := strings.Cut(strings.TrimSpace(line), " +0x")
			line = "\t" + shortPath(at)
		case strings.HasPrefix(line, "created by "):
			line, _, _ = strings.Cut(line, " in goroutine ")
		case strings.HasPrefix(line, "goroutine "):
		case strings.HasSuffix(line, ")"):
			line = line[:strings.LastIndexByte(line, '(')]
		default: // a line of the ledger's kind, or one that was cut off
			name, at, _ := strings.Cut(line, " ")
			name, _, _ = strings.Cut(name, "(0x")
			line = strings.TrimSpace(name + " " + shortPath(at))
		}
		b.WriteString(line + "\n")
	}
	return b.String()
}

// shortPath keeps the last folder and the file of a path.
func shortPath(path string) string {
	if file := strings.LastIndexByte(path, '/'); file > 0 {
		return path[strings.LastIndexByte(path[:file], '/')+1:]
	}
	return path
}
