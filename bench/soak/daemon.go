package soak

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"gatehouse/supervisor"
)

// patience is how long a busy machine may take for what is done in a blink.
const patience = time.Minute

// daemonProcess is a gatehouse in a process of its own, as its API and the soak's
// control show it.
type daemonProcess struct {
	clock   *supervisor.Real
	cmd     *exec.Cmd
	end     context.CancelFunc // as a signal
	logPath string
	client  *http.Client
	api     string
	token   string
	control string
}

// profileEnv has the daemon's heap profile name what leaks slowly.
const profileEnv = "GODEBUG=memprofilerate=4096"

// startDaemon starts the program and waits until its building runs. dir takes its
// log.
func startDaemon(clock *supervisor.Real, program, dir string, args ...string) (*daemonProcess, error) {
	ctx, end := context.WithCancel(context.Background())
	d := &daemonProcess{
		clock: clock, end: end, logPath: filepath.Join(dir, "daemon.log"),
		client: &http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true}},
	}
	log, err := os.Create(d.logPath)
	if err != nil {
		end()
		return nil, err
	}
	defer log.Close() //nolint:errcheck // the daemon has its own
	d.cmd = exec.CommandContext(ctx, program, append([]string{"demo", "--http", "127.0.0.1:0", "--control", "127.0.0.1:0"}, args...)...)
	d.cmd.Env, d.cmd.Stderr = append(os.Environ(), profileEnv), log
	d.cmd.Cancel = func() error { return d.cmd.Process.Signal(syscall.SIGTERM) }
	d.cmd.WaitDelay = patience
	if err := d.cmd.Start(); err != nil {
		end()
		return nil, fmt.Errorf("the daemon: %w; build it with make build, or name it with --gatehouse", err)
	}
	if !d.eventually(patience, d.running) {
		return nil, errors.Join(fmt.Errorf("the daemon did not start; its log:\n%s", d.log()), d.stop())
	}
	return d, nil
}

// eventually looks ten times a second until it is so.
func (d *daemonProcess) eventually(limit time.Duration, so func() bool) bool {
	for range limit / (100 * time.Millisecond) {
		if so() {
			return true
		}
		d.clock.Wait(nil, 100*time.Millisecond)
	}
	return so()
}

// running looks in the log for where it serves.
func (d *daemonProcess) running() bool {
	text, err := os.ReadFile(d.logPath)
	if err != nil {
		return false
	}
	for line := range bytes.Lines(text) {
		var entry struct{ API, Token, Control string }
		if json.Unmarshal(line, &entry) != nil {
			continue
		}
		d.control += entry.Control
		if entry.API == "" {
			continue
		}
		token, err := os.ReadFile(entry.Token)
		d.api, d.token = entry.API, strings.TrimSpace(string(token))
		return err == nil
	}
	d.control = ""
	return false
}

func (d *daemonProcess) log() string {
	text, _ := os.ReadFile(d.logPath) // it is for people
	return string(text[max(0, len(text)-8<<10):])
}

// stop stops it in order; an error says that this was not possible.
func (d *daemonProcess) stop() error {
	d.end()
	err := d.cmd.Wait()
	if d.cmd.ProcessState != nil && d.cmd.ProcessState.Success() {
		return nil // Wait tells that the context has ended
	}
	return fmt.Errorf("the daemon did not stop in order: %w; its log:\n%s", err, d.log())
}

// ask asks the API; from tells what to do when nobody answers.
func (d *daemonProcess) ask(ctx context.Context, method, url string) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, method, url, nil)
	if err != nil {
		return nil, err
	}
	r.Header.Set("Authorization", "Bearer "+d.token)
	answer, err := d.client.Do(r)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close() //nolint:errcheck // it was read
	text, err := io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode >= 400 {
		err = fmt.Errorf("%s: %s", answer.Status, text)
	}
	return text, err
}

// tell tells the control something; what gets lost shows in the report's counts.
func (d *daemonProcess) tell(path string) {
	_, _ = d.ask(context.Background(), http.MethodPost, d.control+path)
}

// ledger is what the process says that it owns.
type ledger struct {
	Ledger supervisor.Ledger
	Heap   uint64
	Panics int
}

func (d *daemonProcess) ledger(query string) (l ledger, err error) {
	text, err := d.ask(context.Background(), http.MethodGet, d.control+"/ledger"+query)
	if err != nil {
		return l, err
	}
	return l, json.Unmarshal(text, &l)
}

// tree is its actors.
func (d *daemonProcess) tree() (place, error) {
	text, err := d.ask(context.Background(), http.MethodGet, d.api+"/api/tree")
	if err != nil {
		return place{}, err
	}
	return parseTree(text)
}

// stock takes stock of it: first the tree, then what a connection of its own may
// not disturb.
func (d *daemonProcess) stock() (stock, error) {
	root, err := d.tree()
	if err != nil {
		return stock{}, err
	}
	d.clock.Wait(nil, 50*time.Millisecond) // that connection is closed by now, or the next look says so
	l, err := d.ledger("")
	if err != nil {
		return stock{}, err
	}
	d.clock.Wait(nil, 50*time.Millisecond)
	s := newStock(root, l.Ledger)
	s.files = openFiles(strconv.Itoa(d.cmd.Process.Pid))
	return s, nil
}

// heap is its heap profile.
func (d *daemonProcess) heap() heap {
	text, err := d.ask(context.Background(), http.MethodGet, d.control+"/debug/pprof/heap?debug=1&gc=1")
	if err != nil {
		return nil // what is found has no names then
	}
	all, _ := parseHeap(text)
	return all
}

// creators counts its goroutines by who started them.
func (d *daemonProcess) creators() map[string]int {
	text, err := d.ask(context.Background(), http.MethodGet, d.control+"/debug/pprof/goroutine?debug=2")
	if err != nil {
		return nil
	}
	all := map[string]int{}
	for stack := range strings.SplitSeq(string(text), "\n\n") {
		_, by, ok := strings.Cut(stack, "created by ")
		name, place, two := strings.Cut(by, "\n\t")
		if ok && two {
			name, _, _ = strings.Cut(name, " in goroutine ")
			place, _, _ = strings.Cut(strings.TrimSpace(place), " +0x")
			all[shortFrame(name+" "+place)]++
		}
	}
	return all
}
