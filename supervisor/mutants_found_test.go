package supervisor_test

import (
	"errors"
	"testing"

	"gatehouse/supervisor"
	"gatehouse/supervisor/supervisortest"
)

// What the mutation check found: rules that no test demanded.

// TestQueuedAsksAreToldWhatFollows: who asked with a message that waited when the
// life ended learns whether there will be another one.
func TestQueuedAsksAreToldWhatFollows(t *testing.T) {
	for _, c := range []struct {
		name      string
		end, want error
	}{
		{"restart", supervisortest.ErrCrash, supervisor.ErrRestarted},
		{"final end", supervisor.DoNotRestart(supervisortest.ErrCrash), supervisor.ErrStopped},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := simWorld(t)
			w.start(spec{Children: kids{w.asker(), w.log.Child("b", probe{Quiet: true})}})
			w.log.Take()
			w.inside("asker", func(me ctx) {
				b := me.Lookup("root/b")
				me.Send(b, supervisortest.Do(func(ctx) error { return c.end }))
				for range 2 {
					equal(t, "asked", nil, me.Ask(b, "question", limit, "q"))
				}
			})
			w.advance(0)
			line := "q: <nil> " + c.want.Error() + " at 0s"
			equal(t, "answers", []string{line, line}, withPrefix(w.log.Take(), "q:"))
		})
	}
}

// TestStartChildForgetsDoNotRestart: a child that was barred, was asked for again
// and then did not want to run comes back with the others.
func TestStartChildForgetsDoNotRestart(t *testing.T) {
	w := simWorld(t)
	life := 0
	w.start(spec{Strategy: supervisor.OneForAll, Children: kids{
		w.log.Child("a", probe{}),
		w.log.Child("b", probe{OnStart: func(ctx) error {
			if life++; life == 2 {
				return supervisor.ErrIgnore
			}
			return nil
		}}),
	}})
	w.do("b", func(ctx) error { return supervisor.DoNotRestart(supervisortest.ErrCrash) })
	w.advance(0)
	_, err := w.sys.Ref("root").Ask(supervisor.StartChild{ID: "b"}, limit)
	equal(t, "asked for", true, errors.Is(err, supervisor.ErrIgnore))
	w.crash("a")
	w.waitLife("b", 3)
}
