package supervisor_test

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"gatehouse/supervisor"
	"gatehouse/supervisor/supervisortest"
)

// counter counts messages up to the benchmark's number.
type counter struct {
	left int
	done chan struct{}
}

func (a *counter) Receive(c ctx, msg any) error {
	switch m := msg.(type) {
	case int:
		if a.left -= m; a.left == 0 {
			close(a.done)
		}
	case supervisortest.Echo:
		c.Reply(m.Value)
	case supervisortest.Do:
		return m(c)
	}
	return nil
}

func benchSystem(b *testing.B, a supervisor.Actor, lane int) *supervisor.System {
	b.Helper()
	sys, err := supervisor.Start(spec{Budget: supervisor.Isolating(10, 1), Children: kids{{
		ID: "a", New: func() supervisor.Actor { return a }, Backoff: noBackoff,
		Mailbox: supervisor.MailboxSpec{Normal: lane},
	}}}, supervisor.Options{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { sys.Stop() })
	b.ReportAllocs()
	return sys
}

func BenchmarkTell(b *testing.B) {
	for _, lane := range []int{64, 1024} {
		b.Run(fmt.Sprint("lane ", lane), func(b *testing.B) {
			done := make(chan struct{})
			ref := benchSystem(b, &counter{b.N, done}, lane).Ref("root/a")
			msg := any(1)
			b.ResetTimer()
			for range b.N {
				for !ref.Send(msg).OK() {
					runtime.Gosched()
				}
			}
			<-done
		})
	}
}

func BenchmarkTellFrom4(b *testing.B) {
	done := make(chan struct{})
	ref := benchSystem(b, &counter{b.N, done}, 1024).Ref("root/a")
	msg := any(1)
	b.SetParallelism(2)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			for !ref.Send(msg).OK() {
				runtime.Gosched()
			}
		}
	})
	<-done
}

func BenchmarkTellChannel(b *testing.B) {
	ch, done := make(chan any, 1024), make(chan struct{})
	go func() {
		for range b.N {
			<-ch
		}
		close(done)
	}()
	msg := any(1)
	b.ReportAllocs()
	for range b.N {
		ch <- msg
	}
	<-done
}

func BenchmarkAsk(b *testing.B) {
	ref := benchSystem(b, &counter{}, 64).Ref("root/a")
	msg := any(supervisortest.Echo{Value: 1})
	b.ResetTimer()
	for range b.N {
		if _, err := ref.Ask(msg, time.Minute); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkRefusedSend(b *testing.B) {
	gate := supervisortest.NewGate()
	ref := benchSystem(b, &counter{}, 64).Ref("root/a")
	ref.Send(supervisortest.Do(func(ctx) error { gate.Pass(); return nil }))
	<-gate.Entered()
	defer gate.Open()
	msg := any(1)
	for ref.Send(msg).OK() {
	}
	b.ResetTimer()
	for range b.N {
		ref.Send(msg)
	}
}

// BenchmarkSpawn starts and stops a tree of b.N actors.
func BenchmarkSpawn(b *testing.B) {
	children := make(kids, b.N)
	for i := range children {
		children[i] = kid{ID: fmt.Sprint(i), New: func() supervisor.Actor { return &counter{} }}
	}
	b.ReportAllocs()
	b.ResetTimer()
	sys, err := supervisor.Start(spec{StopBudget: time.Hour, Children: children}, supervisor.Options{})
	if err != nil {
		b.Fatal(err)
	}
	sys.Stop()
}

func BenchmarkRestart(b *testing.B) {
	ready := make(chan struct{}, 1)
	sys, err := supervisor.Start(spec{Budget: supervisor.Escalating(10, 1), Children: kids{{
		ID: "a", New: func() supervisor.Actor { return crasher{ready} }, Backoff: noBackoff,
	}}}, supervisor.Options{})
	if err != nil {
		b.Fatal(err)
	}
	<-ready
	ref := sys.Ref("root/a")
	b.ReportAllocs()
	b.ResetTimer()
	for range b.N {
		ref.Send("crash")
		<-ready
	}
	b.StopTimer()
	sys.Stop()
}

type crasher struct{ ready chan struct{} }

func (a crasher) Start(ctx) error      { a.ready <- struct{}{}; return nil }
func (crasher) Receive(ctx, any) error { return supervisortest.ErrCrash }

// BenchmarkTimer arms and cancels, b.N times.
func BenchmarkTimer(b *testing.B) {
	done := make(chan struct{})
	ref := benchSystem(b, &counter{}, 64).Ref("root/a")
	b.ResetTimer()
	ref.Send(supervisortest.Do(func(c ctx) error {
		for range b.N {
			c.After("k", time.Hour)
		}
		close(done)
		return nil
	}))
	<-done
}

// BenchmarkTick is one tick of a timer of no length, from arming to handling.
func BenchmarkTick(b *testing.B) {
	done := make(chan struct{})
	left := b.N
	ref := benchSystem(b, &ticking{left: &left, done: done}, 64).Ref("root/a")
	b.ResetTimer()
	ref.Send("go")
	<-done
}

type ticking struct {
	left *int
	done chan struct{}
}

func (a *ticking) Receive(c ctx, _ any) error {
	if *a.left--; *a.left < 0 {
		close(a.done)
		return nil
	}
	c.After("k", 0)
	return nil
}
