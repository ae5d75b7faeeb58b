package demo

import (
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gatehouse/access"
)

var monday = time.Date(2026, 1, 5, 0, 0, 0, 0, time.UTC)

func newCrowd(t testing.TB, o Options) *Crowd {
	t.Helper()
	if o.Begin.IsZero() {
		o.Begin = monday
	}
	c, err := NewCrowd(Site(1), o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// stroll plays a crowd without a building; opens says which doors give way.
func stroll(c *Crowd, until time.Time, opens bool, see func(Action)) {
	for now := c.Due(); now.Before(until); now = c.Due() {
		for a, ok := c.Next(now); ok; a, ok = c.Next(now) {
			see(a)
			if a.Kind == Open {
				c.Opened(a, opens, now)
			}
		}
	}
}

func TestPeopleComeByTheHour(t *testing.T) {
	t.Parallel()
	const days = 20
	c := newCrowd(t, Options{Seed: 1})
	var came [24]float64
	for day := range days {
		for hour := range came {
			before := c.arrivals
			stroll(c, monday.Add(time.Duration(day*24+hour+1)*time.Hour), true, func(Action) {})
			came[hour] += float64(c.arrivals - before)
		}
	}
	for hour, n := range came {
		want := perHour[hour] * days
		if math.Abs(n-want) > 4*math.Sqrt(want)+1 {
			t.Errorf("from %d o'clock: %v people came in %d days, want about %v", hour, n, days, want)
		}
	}
}

func TestNobodyIsInTwoPlaces(t *testing.T) {
	t.Parallel()
	c := newCrowd(t, Options{Seed: 1})
	n := 0
	stroll(c, monday.AddDate(0, 0, 10), true, func(Action) {
		if n++; n%50 != 0 {
			return
		}
		out := map[int]bool{}
		for _, who := range c.outside {
			if out[who] || c.people[who].area != access.Outside {
				t.Fatalf("person %d is outside twice, or inside as well", who)
			}
			out[who] = true
		}
	})
	if most := len(c.people) * 4; len(c.list) > most {
		t.Errorf("%d actions are planned; more than %d are a leak", len(c.list), most)
	}
}

// near fails unless part of whole is about the share wanted (four deviations of
// a binomial).
func near(t *testing.T, what string, part, whole int, share float64) {
	t.Helper()
	want := share * float64(whole)
	if whole == 0 || math.Abs(float64(part)-want) > 4*math.Sqrt(want*(1-share)) {
		t.Errorf("%s: %d of %d, want about %.0f", what, part, whole, want)
	}
}

func TestHowOftenPeopleMisbehave(t *testing.T) {
	t.Parallel()
	const days = 20
	c := newCrowd(t, Options{Seed: 2})
	count := map[Kind]int{}
	unknown, openings, held := 0, 0, 0
	openSince := map[access.DoorID]time.Time{}
	stroll(c, monday.AddDate(0, 0, days), true, func(a Action) {
		count[a.Kind]++
		switch a.Kind {
		case Present:
			card, err := c.format.Decode(a.Read.Bits, a.Read.Raw[:])
			if err != nil {
				t.Fatal(err)
			}
			if !c.known[card] {
				unknown++
			}
		case Open, Handle:
			if openSince[a.Door].IsZero() {
				openSince[a.Door] = a.Due
				openings++
			}
		case Force:
			openSince[a.Door] = time.Time{} // says nothing about being held
		case Close:
			if c.leaf(a.Door).shut.After(a.Due) {
				t.Fatalf("%v: door %s fell shut while somebody held it", a.Due, a.Door)
			}
			if since := openSince[a.Door]; !since.IsZero() && a.Due.Sub(since) > access.DefaultHeldOpenTime {
				held++
			}
			delete(openSince, a.Door)
		}
	})
	near(t, "unknown cards", unknown, count[Present], 0.03)
	near(t, "held open", held, openings, 0.01)
	if want := forcedPerDay * days; math.Abs(float64(count[Force])-want) > 4*math.Sqrt(want) {
		t.Errorf("%d doors forced in %d days, want about %v", count[Force], days, want)
	}
	if count[Press] < days || count[Handle] < days {
		t.Errorf("%d presses of a button, %d handles in %d days: people use them every day", count[Press], count[Handle], days)
	}
	if count[Press] != count[LetGo] {
		t.Errorf("%d presses of a button, let go of %d times", count[Press], count[LetGo])
	}
}

func TestOneSeedOneCrowd(t *testing.T) {
	t.Parallel()
	day := func(seed uint64) (list []string) {
		stroll(newCrowd(t, Options{Seed: seed}), monday.Add(12*time.Hour), true, func(a Action) {
			list = append(list, fmt.Sprint(a.Due, a.Kind, a.Door, a.Reader, a.Read))
		})
		return list
	}
	if diff := cmp.Diff(day(7), day(7)); diff != "" {
		t.Errorf("the same seed did other things (-first +second):\n%s", diff)
	}
	if slices.Equal(day(7), day(8)) {
		t.Error("two seeds did the same")
	}
}

func TestSpeedLeavesThePaceAtDoors(t *testing.T) {
	t.Parallel()
	const speed = 60
	c := newCrowd(t, Options{Seed: 3, Speed: speed, Day: monday.Add(7*time.Hour + 30*time.Minute)})
	shown := map[int]time.Time{}
	stroll(c, monday.Add(24*time.Hour/speed), true, func(a Action) {
		switch a.Kind {
		case Present:
			shown[a.who] = a.Due
		case Open:
			if took := a.Due.Sub(shown[a.who]); !shown[a.who].IsZero() && took < 500*time.Millisecond {
				t.Fatalf("a card was shown and the door pulled %v later", took)
			}
			delete(shown, a.who)
		}
	})
	want := 0.0
	for _, rate := range perHour {
		want += rate
	}
	if n := float64(c.arrivals); math.Abs(n-want) > 4*math.Sqrt(want) {
		t.Errorf("%v people came in a day of 24 minutes, want about %v", n, want)
	}
}

func TestLockedOutPeopleGoHome(t *testing.T) {
	t.Parallel()
	c := newCrowd(t, Options{Seed: 4})
	tries := map[int]int{}
	stroll(c, monday.AddDate(0, 0, 2), false, func(a Action) {
		if a.Kind == Open {
			tries[a.who]++
		}
	})
	for who := range c.people {
		if p := c.people[who]; p.area != access.Outside {
			t.Fatalf("person %d got in", who)
		}
	}
	if at := len(c.people) - len(c.outside); at > 20 {
		t.Errorf("%d people stand in front of doors that never open; they should have gone home", at)
	}
	if len(tries) < 100 {
		t.Errorf("only %d people tried a door in two days", len(tries))
	}
}

func TestEverybodyGetsOutInTheEnd(t *testing.T) {
	t.Parallel()
	c := newCrowd(t, Options{Seed: 5})
	stroll(c, monday.Add(15*time.Hour), true, func(Action) {})
	inside := map[int]bool{}
	for who := range c.people {
		if c.people[who].area != access.Outside {
			inside[who] = true
		}
	}
	if len(inside) < 20 {
		t.Fatalf("only %d people are inside in the afternoon", len(inside))
	}
	stroll(c, monday.Add(28*time.Hour), true, func(Action) {
		for who := range inside {
			if c.people[who].area == access.Outside {
				delete(inside, who)
			}
		}
	})
	if len(inside) > 0 {
		t.Errorf("%d people never left", len(inside))
	}
}

func TestACardMustFitTheFormat(t *testing.T) {
	t.Parallel()
	s := Site(1)
	s.Credentials[3].Card.Number = 1 << 20
	if _, err := NewCrowd(s, Options{Begin: monday}); err == nil {
		t.Error("a card that no reader can read was taken")
	}
}

func TestMorning(t *testing.T) {
	t.Parallel()
	s := Site(1)
	s.Building.TimeZone = "Europe/Berlin"
	got := Morning(s, time.Date(2026, 1, 5, 23, 30, 0, 0, time.UTC))
	if want := time.Date(2026, 1, 6, 6, 30, 0, 0, time.UTC); !got.Equal(want) {
		t.Errorf("got %v, want %v", got.UTC(), want)
	}
}
