package redis_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"gatehouse/access"
	"gatehouse/edge/redis"
)

// What comes in can be a hint, or nothing: no message opens anything.
func TestRead(t *testing.T) {
	long := `"x":"` + strings.Repeat("y", redis.MaxHint) + `"`
	for text, want := range map[string]redis.Taken{
		`{"type":"hint","want":"state"}`:                      redis.TakenState,
		`{"type":"hint","want":"events","building":"hq"}`:     redis.TakenEvents,
		` {"v":9,"type":"hint","want":"state","new":[1]}`:     redis.TakenState,
		`{"type":"hint","want":"state","building":"lab"}`:     redis.TakenOther,
		`{"type":"event","building":"hq","event":{}}`:         redis.TakenOwn,
		`{"type":"event","building":"lab","event":{}}`:        redis.TakenOther,
		`{"type":"state","building":"lab",` + long + `}`:      redis.TakenOther,
		`{"type":"hint","want":"unlock","door":"front"}`:      redis.TakenUnknown,
		`{"type":"command","door":"front","action":"unlock"}`: redis.TakenUnknown,
		`{"type":"hint","want":"mode","mode":"unlocked"}`:     redis.TakenUnknown,
		`{"want":"state"}`: redis.TakenUnknown,
		`{"type":"hint"}`:  redis.TakenUnknown,
		`{}`:               redis.TakenUnknown,
		`{"type":"hint","want":"state",` + long + `}`: redis.TakenOversized,
		strings.Repeat("x", redis.MaxHint+1):          redis.TakenOversized,
		``:                                            redis.TakenGarbage,
		`null`:                                        redis.TakenGarbage,
		`[{"type":"hint","want":"state"}]`:            redis.TakenGarbage,
		`"hint"`:                                      redis.TakenGarbage,
		`{"type":1}`:                                  redis.TakenGarbage,
		`{"type":"hint","want":"state"`:               redis.TakenGarbage,
		"\xff\xfe":                                    redis.TakenGarbage,
		strings.Repeat("[", 1000):                     redis.TakenGarbage,
		`{"type":` + strings.Repeat("[", 900):         redis.TakenGarbage,
	} {
		if got := redis.Read("hq", text); got != want {
			t.Errorf("%.80s: %v, want %v", text, got, want)
		}
	}
}

func FuzzRead(f *testing.F) {
	f.Add(`{"type":"hint","want":"state"}`)
	f.Add(`{"type":"event","building":"hq"}`)
	f.Fuzz(func(t *testing.T, text string) {
		got := redis.Read("hq", text)
		if got == redis.TakenState || got == redis.TakenEvents {
			var h struct{ Type, Want string }
			if err := json.Unmarshal([]byte(text), &h); err != nil || h.Type != "hint" {
				t.Errorf("%q passes for a hint", text)
			}
		}
	})
}

// What goes out has the shape that docs/LINKS.md promises.
func TestMessages(t *testing.T) {
	event, err := redis.OfEvent("hq", access.Event{
		Seq: 7, Time: time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC), Kind: access.KindGranted, Door: "front", Cardholder: "p-1",
		Source: access.Source{Name: "door/front", Boot: 1 << 63, Run: 1, Number: 2},
	})
	if err != nil {
		t.Fatal(err)
	}
	gap, err := redis.OfGap("hq", redis.Gap{First: 3, Count: 2, Why: redis.WhyMissing})
	if err != nil {
		t.Fatal(err)
	}
	state, err := redis.OfState("hq", map[string]bool{"ready": true})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range [][2]string{
		{string(event), `{"v":1,"type":"event","building":"hq","event":{"seq":7,"time":"2026-03-02T08:00:00Z","clock":"unknown","kind":"granted","door":"front","cardholder":"p-1","source":{"name":"door/front","boot":"9223372036854775808","run":1,"number":2}}}`},
		{string(gap), `{"v":1,"type":"gap","building":"hq","gap":{"first":3,"count":2,"why":"missing"}}`},
		{string(state), `{"v":1,"type":"state","building":"hq","state":{"ready":true}}`},
	} {
		if c[0] != c[1] {
			t.Errorf("got  %s\nwant %s", c[0], c[1])
		}
	}
}
