package access

import (
	"flag"
	"strings"
	"testing"
	"time"
)

// The property tests of this package are cheap: run more of them than rapid does
// by default.
func init() {
	if err := flag.Set("rapid.checks", "300"); err != nil {
		panic(err)
	}
}

// auditScene feeds an audit of the entrance (strike 5 s, record limit 150 ms,
// slack 1 s).
type auditScene struct {
	a      *Audit
	number uint64
	run    uint64
}

func (s *auditScene) event(kind Kind, at time.Duration, cause uint64) {
	s.number++
	s.a.Event(Event{Kind: kind, Door: "entrance", Cause: cause, Time: later(at), Source: Source{Run: s.run, Number: s.number}})
}

func (s *auditScene) mode(mode Mode, at time.Duration) {
	s.number++
	s.a.Event(Event{Kind: KindModeChanged, Mode: mode, Door: "entrance", Time: later(at), Source: Source{Run: s.run, Number: s.number}})
}

func (s *auditScene) drive(release bool, at time.Duration) {
	s.a.Drive("entrance", release, later(at))
}

const second = time.Second

func TestAudit(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		play func(*auditScene)
		want string // "" for none
	}{
		"grant, release, passage, secured": {func(s *auditScene) {
			s.event(KindGranted, 0, 0)
			s.drive(true, 0)
			s.event(KindPassage, second, 1)
			s.drive(false, 2*second)
		}, ""},
		"released out of the blue": {func(s *auditScene) {
			s.drive(true, 0)
			s.drive(false, second)
		}, "released without a cause"},
		"released out of the blue, later events": {func(s *auditScene) {
			s.drive(true, 0)
			s.drive(false, second)
			s.event(KindDenied, 3*second, 0)
		}, "released without a cause"},
		"REX, recorded after": {func(s *auditScene) {
			s.drive(true, 0)
			s.event(KindReleased, second, 0)
			s.drive(false, 2*second)
		}, ""},
		"REX, recorded too late": {func(s *auditScene) {
			s.drive(true, 0)
			s.drive(false, second)
			s.event(KindReleased, 3*second, 0)
		}, "released without a cause"},
		"a cancelled grant releases nothing": {func(s *auditScene) {
			s.event(KindGranted, 0, 0)
			s.event(KindReleaseCancelled, 0, 1)
			s.drive(true, 0)
			s.drive(false, 0)
		}, "released without a cause"},
		"a denial releases nothing": {func(s *auditScene) {
			s.event(KindDenied, 0, 0)
			s.drive(true, 0)
			s.drive(false, 0)
		}, "released without a cause"},
		"a grant of a life that is over releases nothing": {func(s *auditScene) {
			s.event(KindGranted, 0, 0)
			s.run++
			s.event(KindDoorOpened, 0, 0)
			s.drive(true, 0)
			s.drive(false, 0)
		}, "released without a cause"},
		"not secured": {func(s *auditScene) {
			s.event(KindGranted, 0, 0)
			s.drive(true, 0)
			s.event(KindPassage, 0, 1)
		}, "not secured in time"},
		"secured too late": {func(s *auditScene) {
			s.event(KindGranted, 0, 0)
			s.drive(true, 0)
			s.event(KindPassage, 0, 1)
			s.drive(false, 7*second)
		}, "not secured in time"},
		"a later grant extends": {func(s *auditScene) {
			s.event(KindGranted, 0, 0)
			s.drive(true, 0)
			s.event(KindGranted, 4*second, 0)
			s.event(KindPassage, 5*second, 1)
			s.event(KindPassage, 5*second, 2)
			s.drive(false, 9*second)
		}, ""},
		"a mode holds": {func(s *auditScene) {
			s.mode(Unlocked, 0)
			s.drive(true, 0)
			s.event(KindDoorOpened, time.Hour, 0)
			s.drive(false, time.Hour)
			s.mode(Locked, time.Hour)
		}, ""},
		"a mode ends without the lock": {func(s *auditScene) {
			s.mode(Unlocked, 0)
			s.drive(true, 0)
			s.mode(LockedDown, time.Hour)
		}, "not secured in time"},
		"a cancelled mode holds nothing": {func(s *auditScene) {
			s.mode(Unlocked, 0)
			s.event(KindReleaseCancelled, 0, 1)
			s.drive(true, 0)
			s.drive(false, 0)
		}, "released without a cause"},
		"fire holds until the reset": {func(s *auditScene) {
			s.drive(true, 0)
			s.event(KindFireReleased, 0, 0)
			s.drive(false, time.Hour)
			s.event(KindFireReset, time.Hour, 0)
		}, ""},
		"restored open": {func(s *auditScene) {
			s.a.Restored("entrance", LockedOpen, false)
			s.drive(true, 0)
		}, ""},
		"restored fire": {func(s *auditScene) {
			s.a.Restored("entrance", LockedDown, true)
			s.drive(true, 0)
		}, ""},
		"passage without a grant": {func(s *auditScene) {
			s.event(KindPassage, 0, 9)
		}, "passage without a grant"},
		"two passages of one grant": {func(s *auditScene) {
			s.event(KindGranted, 0, 0)
			s.event(KindPassage, 0, 1)
			s.event(KindPassage, 0, 1)
		}, "passage without a grant"},
		"an unknown door": {func(s *auditScene) {
			s.a.Drive("gate", true, monday)
			s.a.Event(Event{Kind: KindPassage, Time: monday}) // of no door: nothing to check
		}, "unknown door"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := &auditScene{a: NewAudit(compiled(t, house()), second)}
			row.play(s)
			s.a.Finish(later(2 * time.Hour))
			list, count := s.a.Violations()
			switch {
			case row.want == "" && count != 0:
				t.Errorf("false alarm: %v", list)
			case row.want != "" && (count != 1 || !strings.Contains(list[0], row.want)):
				t.Errorf("want one %q, got %v", row.want, list)
			}
		})
	}
}

func TestAuditIsBounded(t *testing.T) {
	t.Parallel()
	a := NewAudit(compiled(t, house()), second)
	for i := range 250 {
		a.Drive("gate", true, later(time.Duration(i)))
	}
	if list, count := a.Violations(); len(list) != maxViolations || count != 250 {
		t.Errorf("%d in words, %d counted", len(list), count)
	}
}
