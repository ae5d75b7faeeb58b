package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"
)

// killed is a daemon under load that is killed again and again, and what it
// acknowledged in all its lives.
type killed struct {
	t    *testing.T
	dir  string
	rnd  *rand.Rand
	cmd  *exec.Cmd
	said chan string // the line that says where it serves; closed at its end

	api, token string
	events     map[uint64]string // read from the stream, by number
	last       uint64
	mode       string // of the door that is commanded, as acknowledged; "": not known
	commands   int
}

// commanded is a door of the demo.
const commanded = "d-08"

// start starts the demo, whose people come and go so fast that the disk is never
// idle.
func (k *killed) start() {
	k.t.Helper()
	k.cmd = exec.Command("gatehouse", "demo", "--data", k.dir, "--http", "127.0.0.1:0", "--speed", "100000")
	k.cmd.Env = append(os.Environ(), "GORACE=atexit_sleep_ms=0")
	log, err := k.cmd.StderrPipe()
	if err != nil {
		k.t.Fatal(err)
	}
	if err := k.cmd.Start(); err != nil {
		k.t.Fatal(err)
	}
	said := make(chan string, 1)
	k.said = said
	go func() {
		defer close(said)
		for lines := bufio.NewScanner(log); lines.Scan(); {
			if strings.Contains(lines.Text(), `"building runs"`) {
				said <- lines.Text()
			}
		}
	}()
}

// kill kills the process by its own handle and waits for its end.
func (k *killed) kill() {
	_ = k.cmd.Process.Kill() // it may have ended
	for range k.said {
	}
	_ = k.cmd.Wait() // a signal ended it
}

// ready waits until the building runs and says that it is ready.
func (k *killed) ready() {
	k.t.Helper()
	line, ok := <-k.said
	if !ok {
		k.t.Fatal("it ended before it was ready: ", k.cmd.Wait())
	}
	var entry struct{ API, Token string }
	if err := json.Unmarshal([]byte(line), &entry); err != nil {
		k.t.Fatal(err)
	}
	token, err := os.ReadFile(entry.Token)
	if err != nil {
		k.t.Fatal(err)
	}
	k.api, k.token = entry.API, strings.TrimSpace(string(token))
	if code, text, err := k.ask("GET", "/readyz", 0); err != nil || code != http.StatusOK {
		k.t.Fatalf("not ready: %d, %v, %s", code, err, text)
	}
}

// ask asks the API; an error is a process that was killed meanwhile.
func (k *killed) ask(method, path string, after uint64) (code int, text string, err error) {
	r, err := k.open(method, path, after)
	if err != nil {
		return 0, "", err
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	return r.StatusCode, string(b), err
}

func (k *killed) open(method, path string, after uint64) (*http.Response, error) {
	r, err := http.NewRequest(method, k.api+path, nil)
	if err != nil {
		return nil, err
	}
	r.Header.Set("Authorization", "Bearer "+k.token)
	if strings.HasSuffix(path, "/stream") {
		r.Header.Set("Last-Event-ID", strconv.FormatUint(after, 10))
	}
	client := http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true}}
	return client.Do(r)
}

// follow goes on with the stream of events after the last one that it saw, until
// the process is killed. No number may be missing or come again.
func (k *killed) follow() error {
	r, err := k.open("GET", "/api/events/stream", k.last)
	if err != nil {
		return nil // killed
	}
	defer r.Body.Close()
	if r.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(r.Body)
		return fmt.Errorf("the stream does not go on after event %d: %s", k.last, text)
	}
	var id uint64
	for lines := bufio.NewScanner(r.Body); lines.Scan(); {
		if text, ok := strings.CutPrefix(lines.Text(), "id: "); ok {
			if id, err = strconv.ParseUint(text, 10, 64); err != nil {
				return err
			}
		}
		data, ok := strings.CutPrefix(lines.Text(), "data: ")
		if !ok || !strings.HasSuffix(data, "}") { // cut short by the kill
			continue
		}
		if id != k.last+1 {
			return fmt.Errorf("after event %d comes event %d", k.last, id)
		}
		k.last, k.events[id] = id, data
	}
	return nil
}

// command locks a door down and gives it back, until the process is killed. What
// was answered as saved is in force in the next life.
func (k *killed) command() error {
	_, text, err := k.ask("GET", "/api/doors/"+commanded, 0)
	if err != nil {
		return nil // killed
	}
	var is struct{ Standing string }
	if err := json.Unmarshal([]byte(text), &is); err != nil {
		return err
	}
	if k.mode != "" && is.Standing != k.mode {
		return fmt.Errorf("the door is %s, saved was %s", is.Standing, k.mode)
	}
	for {
		action, mode := "lockdown", "locked_down"
		if k.mode == mode {
			action, mode = "normal", "locked"
		}
		k.mode = ""
		_, text, err := k.ask("POST", "/api/doors/"+commanded+"/"+action, 0)
		if err != nil {
			return nil
		}
		if strings.Contains(text, `"saved": true`) {
			k.mode = mode
			k.commands++
		}
	}
}

// live is one life: it is killed at a random point, sometimes before it runs.
func (k *killed) live() error {
	k.start()
	if k.rnd.IntN(5) == 0 {
		clock.Wait(nil, time.Duration(k.rnd.IntN(100))*time.Millisecond)
		k.kill()
		return nil
	}
	k.ready()
	results := make(chan error, 2)
	go func() { results <- k.follow() }()
	go func() { results <- k.command() }()
	clock.Wait(nil, time.Duration(k.rnd.IntN(150_000))*time.Microsecond)
	k.kill()
	first, second := <-results, <-results
	if first == nil {
		first = second
	}
	return first
}

// readBack reads the whole journal over the API: what was acknowledged is there
// unchanged, and nothing is there twice.
func (k *killed) readBack() {
	k.t.Helper()
	sources := map[string]uint64{}
	for after, more := uint64(0), true; more; {
		_, text, err := k.ask("GET", fmt.Sprintf("/api/events?limit=1000&after=%d", after), 0)
		var page struct {
			Events []json.RawMessage
			Next   uint64
			More   bool
		}
		if err == nil {
			err = json.Unmarshal([]byte(text), &page)
		}
		if err != nil {
			k.t.Fatal(err)
		}
		for _, raw := range page.Events {
			k.readOne(raw, sources)
		}
		after, more = page.Next, page.More && len(page.Events) > 0
	}
	if len(k.events) > 0 {
		k.t.Errorf("%d acknowledged events are lost", len(k.events))
	}
}

func (k *killed) readOne(raw json.RawMessage, sources map[string]uint64) {
	var e struct {
		Seq    uint64
		Source json.RawMessage
	}
	var text, source bytes.Buffer
	if err := json.Unmarshal(raw, &e); err != nil {
		k.t.Fatal(err)
	}
	if err := json.Compact(&text, raw); err != nil {
		k.t.Fatal(err)
	}
	if err := json.Compact(&source, e.Source); err != nil {
		k.t.Fatal(err)
	}
	if first, twice := sources[source.String()]; twice {
		k.t.Errorf("events %d and %d are the same: %s", first, e.Seq, source.String())
	}
	sources[source.String()] = e.Seq
	if was, ok := k.events[e.Seq]; ok && unescaped(was) != unescaped(text.String()) {
		k.t.Errorf("event %d was %s and is %s", e.Seq, was, text.String())
	}
	delete(k.events, e.Seq)
}

// unescaped is JSON without the escapes that a page may have and a stream not.
func unescaped(text string) string {
	return strings.NewReplacer(`\u003c`, "<", `\u003e`, ">", `\u0026`, "&").Replace(text)
}

// A daemon under load, killed at random points: nothing that it acknowledged is
// lost, nothing is there twice, streams go on where they were, and it is ready
// again each time.
func TestSweepKills(t *testing.T) {
	kills := defaultKills
	if text := os.Getenv("KILLS"); text != "" {
		var err error
		if kills, err = strconv.Atoi(text); err != nil {
			t.Fatal(err)
		}
	}
	k := &killed{t: t, dir: t.TempDir(), rnd: rand.New(rand.NewPCG(1, 1)), events: map[uint64]string{}}
	t.Cleanup(func() { _ = k.cmd.Process.Kill() })
	for n := range kills {
		if err := k.live(); err != nil {
			t.Fatalf("life %d: %v", n+1, err)
		}
	}
	acknowledged := len(k.events)
	k.start()
	k.ready()
	k.readBack()
	k.kill()
	t.Logf("%d kills: %d events and %d commands were acknowledged, 0 lost, 0 twice", kills, acknowledged, k.commands)
	if acknowledged < kills || k.commands < kills/4 {
		t.Error("hardly anything is acknowledged between two kills: this proves nothing")
	}
}
