package main

import (
	"archive/zip"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"gatehouse/access"
	"gatehouse/cmd/gatehouse/daemon"
	"gatehouse/cmd/gatehouse/demo"
	"gatehouse/cmd/gatehouse/site"
	"gatehouse/devices"
	"gatehouse/devices/virtual"
	"gatehouse/supervisor"
)

// secretsOf are the names and card numbers of a site, as decimal and as hex.
func secretsOf(s *site.Site) (list []string) {
	for _, h := range s.Holders {
		list = append(list, h.Name)
	}
	for _, c := range s.Credentials {
		list = append(list, fmt.Sprint(c.Card.Number), fmt.Sprintf("%x", c.Card.Number), fmt.Sprintf("%X", c.Card.Number))
	}
	return list
}

// unpack reads every part of a bundle as it is, and those that are compressed once
// more without that.
func unpack(file []byte) (map[string][]byte, error) {
	z, err := zip.NewReader(bytes.NewReader(file), int64(len(file)))
	if err != nil {
		return nil, err
	}
	parts := map[string][]byte{}
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			return nil, err
		}
		if parts[f.Name], err = io.ReadAll(r); err != nil {
			return nil, err
		}
		if plain, err := gzip.NewReader(bytes.NewReader(parts[f.Name])); err == nil {
			if parts[f.Name+" unpacked"], err = io.ReadAll(plain); err != nil {
				return nil, err
			}
		}
	}
	return parts, nil
}

func unpacked(t *testing.T, file []byte) map[string][]byte {
	t.Helper()
	parts, err := unpack(file)
	if err != nil {
		t.Error(err)
	}
	return parts
}

// found says which secrets are in which parts.
func found(parts map[string][]byte, secrets []string) (list []string) {
	for name, text := range parts {
		for _, s := range secrets {
			if bytes.Contains(text, []byte(s)) {
				list = append(list, name+": "+s)
			}
		}
	}
	slices.Sort(list)
	return list
}

// farNumbers gives every card of the demo a number of eleven digits, which is in no
// text by chance, and its readers the format for it.
func farNumbers(s *site.Site) {
	const far = 20_000_000_000
	for i := range s.Rules.Doors {
		for j := range s.Rules.Doors[i].Readers {
			s.Rules.Doors[i].Readers[j].Format = "H10302"
		}
	}
	for i := range s.Credentials {
		s.Credentials[i].Card = access.Card{Number: far + s.Credentials[i].Card.Number}
	}
}

// indiscreet is an actor that gives secrets away wherever an actor can: as the
// argument of a function that waits, as a label, in a panic and in an error.
type indiscreet struct {
	name   string
	card   uint64
	panics bool // else it returns an error
	life   int
}

// Start begins to wait with a secret, and to crash.
func (a *indiscreet) Start(c *supervisor.Context) error {
	a.life++
	c.After("crash", time.Millisecond)
	return c.Loop("hold", func(ctx context.Context) error {
		pprof.Do(ctx, pprof.Labels("holder", a.name), func(ctx context.Context) { holdCard(ctx, a.card) })
		return nil
	})
}

// Receive crashes in the first life.
func (a *indiscreet) Receive(*supervisor.Context, any) error {
	switch {
	case a.life > 1:
		return nil
	case a.panics:
		panic(fmt.Sprintf("card %d of %s", a.card, a.name))
	}
	return fmt.Errorf("card %x of %s: %w", a.card, a.name, syscall.ENOSPC)
}

//go:noinline
func holdCard(ctx context.Context, card uint64) {
	<-ctx.Done()
	runtime.KeepAlive(card)
}

// TestNoSecretOfTheDemoIsInABundle: no name, card number or token, in any part of it,
// although parts of the building give them away. The control is that the same search
// finds each where it is.
func TestNoSecretOfTheDemoIsInABundle(t *testing.T) {
	s := demo.Site(1)
	farNumbers(s)
	s.HTTP.Addr = "127.0.0.1:0"
	secrets := secretsOf(s)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	log, rig := &written{}, virtual.New(virtual.Options{})
	p := &process{out: io.Discard, err: log, ctx: ctx, now: clock.Now, boot: 7}
	who := &indiscreet{name: s.Holders[0].Name, card: s.Credentials[0].Card.Number, panics: true}
	other := &indiscreet{name: s.Holders[1].Name, card: s.Credentials[1].Card.Number}
	h := &host{
		p: p, log: p.logger(), site: s, data: filepath.Join(t.TempDir(), "data"), drivers: []devices.Driver{rig.Driver()},
		edge: []supervisor.ChildSpec{
			{ID: "indiscreet", New: func() supervisor.Actor { return who }}, {ID: "careless", New: func() supervisor.Actor { return other }},
		},
		onReady: func(d *daemon.Daemon, addr, tokenPath string) {
			defer stop()
			token, err := os.ReadFile(tokenPath)
			if err != nil {
				t.Error(err)
				return
			}
			secret := strings.TrimSpace(string(token))
			everybodyBadges(t, s, rig, d)
			if !eventually(func() bool {
				return len(d.Building.Reports()) == 2 && backAgain(d, "indiscreet") && backAgain(d, "careless")
			}) {
				t.Error("nobody crashed")
			}
			wantFound(t, "the tree", body(t, addr, "/api/tree"), who.name)
			wantFound(t, "the tree", body(t, addr, "/api/tree"), fmt.Sprintf("%x", other.card))
			wantFound(t, "the labels", profileOf(t), who.name)
			wantFound(t, "the stacks", stacks(), fmt.Sprintf("%x", who.card))
			parts := unpacked(t, diagnose(t, addr, secret))
			if len(parts) < 20 || len(parts["trace.out"]) < 1000 || len(parts["heap.pb.gz unpacked"]) < 1000 {
				t.Errorf("only %d parts", len(parts))
			}
			for _, f := range found(parts, append(secrets, secret)) {
				t.Errorf("it gives away %s", f)
			}
			for _, want := range []string{`"path": "building/edge/indiscreet"`, `"what": "string"`, `"path": "building/edge/careless"`, syscall.ENOSPC.Error()} {
				if !strings.Contains(string(parts["crashes.json"]), want) {
					t.Errorf("no %s in the crashes:\n%s", want, parts["crashes.json"])
				}
			}
		},
	}
	if code := report(p, h.run()); code != exitOK {
		t.Fatalf("ended with %d: %s", code, log)
	}
}

// everybodyBadges holds every card to some reader and waits for what comes of it.
func everybodyBadges(t *testing.T, s *site.Site, rig *virtual.Rig, d *daemon.Daemon) {
	t.Helper()
	format, err := access.ParseFormat("H10302")
	if err != nil {
		t.Error(err)
		return
	}
	decided := func() (n uint64) {
		kinds, _ := d.Building.Counts()
		for _, k := range kinds {
			if k.Name == access.KindGranted.String() || k.Name == access.KindDenied.String() || k.Name == access.KindReadsRefused.String() {
				n += k.Value
			}
		}
		return n
	}
	const doors = 11 // that are entered by a card
	for some := range slices.Chunk(s.Credentials, doors) {
		before := decided()
		for i, c := range some {
			bits, raw, err := format.Encode(c.Card)
			if err != nil {
				t.Error(err)
				return
			}
			rig.Present(fmt.Sprintf("d-%02d/in", i+1), devices.CardRead{Bits: bits, Raw: raw})
		}
		if !eventually(func() bool { return decided() >= before+uint64(len(some)) }) {
			t.Errorf("%d of %d cards were decided about", decided()-before, len(some))
			return
		}
	}
}

// backAgain says whether an actor crashed and runs again.
func backAgain(d *daemon.Daemon, id string) bool {
	tree := d.Building.Tree()
	at := tree.Find("building/edge/" + id)
	return at != nil && at.LastReason != "" && at.State == supervisor.StateRunning
}

func wantFound(t *testing.T, where, text, secret string) {
	t.Helper()
	if len(found(map[string][]byte{where: []byte(text)}, []string{secret})) == 0 {
		t.Errorf("the control: %q is not found in %s:\n%.2000s", secret, where, text)
	}
}

func profileOf(t *testing.T) string {
	t.Helper()
	var text bytes.Buffer
	if err := pprof.Lookup("goroutine").WriteTo(&text, 1); err != nil {
		t.Error(err)
	}
	return text.String()
}

func stacks() string {
	buf := make([]byte, 8<<20)
	return string(buf[:runtime.Stack(buf, true)])
}

// diagnose asks for a bundle.
func diagnose(t *testing.T, addr, token string) []byte {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+addr+"/api/diag?seconds=1", nil)
	if err != nil {
		t.Error(err)
		return nil
	}
	r.Header.Set("Authorization", "Bearer "+token)
	client := http.Client{Timeout: 2 * patience, Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(r)
	if err != nil {
		t.Error(err)
		return nil
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Errorf("%v %s %v", resp.Status, text, err)
	}
	return text
}

// The search sees a secret in every part, packed twice or not.
func TestTheSearchForSecretsFindsThem(t *testing.T) {
	const secret = "20000004711"
	var file, packed bytes.Buffer
	g := gzip.NewWriter(&packed)
	_, err := io.WriteString(g, "a profile with "+secret+" in it")
	if err = errors.Join(err, g.Close()); err != nil {
		t.Fatal(err)
	}
	z := zip.NewWriter(&file)
	for name, text := range map[string]string{"log.txt": "card " + secret + " denied", "heap.pb.gz": packed.String(), "good.txt": "nothing"} {
		w, err := z.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, text); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	got := found(unpacked(t, file.Bytes()), []string{secret, "Ada Adler"})
	if want := []string{"heap.pb.gz unpacked: " + secret, "log.txt: " + secret}; !slices.Equal(want, got) {
		t.Errorf("found %v, want %v", got, want)
	}
}
