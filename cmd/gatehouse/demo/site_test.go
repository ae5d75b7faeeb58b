package demo

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"gatehouse/access"
	"gatehouse/devices"
	"gatehouse/devices/virtual"
)

func TestSiteIsSound(t *testing.T) {
	t.Parallel()
	s := Site(1)
	compiled, err := access.Compile(s.Rules)
	if err != nil {
		t.Fatal(err)
	}
	people, err := access.NewPeople(s.Holders, s.Credentials)
	if err != nil {
		t.Fatal(err)
	}
	got := []int{len(compiled.Doors()), len(s.Rules.Areas), len(s.Holders), people.Len(), len(s.FireInputs)}
	if diff := cmp.Diff([]int{12, 3, 200, 200, 1}, got); diff != "" {
		t.Errorf("doors, areas, cardholders, credentials, fire inputs (-want +got):\n%s", diff)
	}
	for _, d := range compiled.Doors() {
		for i := range d.Readers {
			if r := &d.Readers[i]; compiled.Effective(d, r) != r.AntiPassback {
				t.Errorf("door %s, reader %s: the wish for anti-passback does not hold", d.ID, r.ID)
			}
		}
	}
	for _, c := range s.Credentials {
		if c.Card.Facility != facility {
			t.Errorf("credential %s has facility code %d", c.ID, c.Card.Facility)
		}
	}
}

// Each of these is there to be seen in the demo.
func TestSiteHasOneOfEach(t *testing.T) {
	t.Parallel()
	has := map[string]bool{}
	for _, d := range Site(1).Rules.Doors {
		has["rex"] = has["rex"] || d.HasREX
		has["no contact"] = has["no contact"] || !d.HasContact
		has["fire release"] = has["fire release"] || d.FireRelease
		has["lock "+d.LockType.String()] = true
		has["egress "+d.Egress.String()] = true
		for _, r := range d.Readers {
			has["reader "+r.Side.String()] = true
			has["anti-passback "+r.AntiPassback.String()] = true
		}
	}
	want := map[string]bool{
		"rex": true, "no contact": true, "fire release": true, "lock fail_secure": true, "lock fail_safe": true,
		"egress rex": true, "egress mechanical": true, "egress hardwired": true, "reader in": true, "reader out": true,
		"anti-passback off": true, "anti-passback soft": true, "anti-passback hard": true,
	}
	if diff := cmp.Diff(want, has); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestSiteIsWired(t *testing.T) {
	t.Parallel()
	s := Site(1)
	registry := devices.NewRegistry(virtual.New(virtual.Options{}).Driver())
	defer func() { _ = registry.Close() }()
	if report := registry.Open(s.Devices); report.Count(devices.Loaded) != len(s.Devices) {
		t.Fatalf("not every device opened:\n%s", report)
	}
	check := func(_ any, err error) {
		t.Helper()
		if err != nil {
			t.Error(err)
		}
	}
	input := func(name string, wanted bool) {
		t.Helper()
		if (name != "") != wanted {
			t.Errorf("input %q: wired is not what the door says (%v)", name, wanted)
		}
		if name != "" {
			check(registry.Input(name))
		}
	}
	for i, w := range s.Wiring {
		d := s.Rules.Doors[i]
		if w.Door != d.ID || len(w.Readers) != len(d.Readers) {
			t.Fatalf("wiring %d is not that of door %s", i, d.ID)
		}
		check(registry.Lock(w.Lock))
		input(w.Contact, d.HasContact)
		input(w.REX, d.HasREX)
		for j, r := range w.Readers {
			if r.Reader != d.Readers[j].ID {
				t.Errorf("door %s: reader %d is wired as %s", d.ID, j, r.Reader)
			}
			check(registry.Reader(r.Device))
			check(registry.Indicator(r.Indicator))
		}
	}
	for _, name := range s.FireInputs {
		input(name, true)
	}
}

func TestSiteIsDrawnFromItsSeed(t *testing.T) {
	t.Parallel()
	if diff := cmp.Diff(Site(5), Site(5)); diff != "" {
		t.Errorf("one seed, two sites (-first +second):\n%s", diff)
	}
	one, other := Site(5), Site(6)
	if cmp.Equal(one.Holders, other.Holders) || cmp.Equal(one.Credentials, other.Credentials) {
		t.Error("two seeds, the same people")
	}
	if diff := cmp.Diff(one.Rules, other.Rules); diff != "" {
		t.Errorf("the rules depend on the seed:\n%s", diff)
	}
}
