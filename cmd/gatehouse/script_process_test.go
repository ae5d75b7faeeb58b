package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"gatehouse/supervisor"
)

// patience is how long anything may take on a busy machine; nothing that passes
// waits for it.
const patience = 30 * time.Second

// clock is what waits for other processes.
var clock = supervisor.NewReal(1)

// eventually asks again and again until done, for at most patience.
func eventually(done func() bool) bool {
	for range patience / (10 * time.Millisecond) {
		if done() {
			return true
		}
		clock.Wait(nil, 10*time.Millisecond)
	}
	return false
}

// running is a process that a script started. Its output goes to the files
// NAME.out and NAME.log.
type running struct {
	cmd      *exec.Cmd
	out, log string
	done     chan struct{} // closed when it ended
}

func (s *script) launch(ts *testscript.TestScript, name string, args []string) *running {
	if p := s.processes[name]; p != nil && !p.over() {
		ts.Fatalf("%s runs already", name)
	}
	p := &running{
		cmd: exec.Command(args[0], args[1:]...), done: make(chan struct{}),
		out: filepath.Join(s.env.WorkDir, name+".out"), log: filepath.Join(s.env.WorkDir, name+".log"),
	}
	out, err := os.Create(p.out)
	ts.Check(err)
	defer out.Close()
	log, err := os.Create(p.log)
	ts.Check(err)
	defer log.Close()
	p.cmd.Stdout, p.cmd.Stderr, p.cmd.Dir, p.cmd.Env = out, log, ts.MkAbs("."), s.env.Vars
	ts.Check(p.cmd.Start())
	s.processes[name] = p
	go func() {
		defer close(p.done)
		_ = p.cmd.Wait() // the exit code says it
	}()
	return p
}

func (p *running) over() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

func (p *running) kill() {
	_ = p.cmd.Process.Kill() // it may have ended
	<-p.done
}

// code N PROGRAM ARGS...: runs a program to its end and fails unless its exit
// code is N. What it wrote is there for stdout and stderr.
func (s *script) code(ts *testscript.TestScript, args []string) {
	want(ts, args, 2, "code N PROGRAM ARGS...")
	p := s.launch(ts, "code", args[1:])
	if !clock.Wait(p.done, patience) {
		ts.Fatalf("it does not end; it wrote\n%s", ts.ReadFile(p.log))
	}
	for path, to := range map[string]io.Writer{p.out: ts.Stdout(), p.log: ts.Stderr()} {
		_, err := io.WriteString(to, ts.ReadFile(path))
		ts.Check(err)
	}
	expectCode(ts, p, args[0])
}

func expectCode(ts *testscript.TestScript, p *running, code string) {
	if got := p.cmd.ProcessState.ExitCode(); strconv.Itoa(got) != code {
		ts.Fatalf("exit code %d, want %s; it wrote\n%s", got, code, ts.ReadFile(p.log))
	}
}

// start NAME PROGRAM ARGS...: runs a program in the background.
func (s *script) start(ts *testscript.TestScript, args []string) {
	want(ts, args, 2, "start NAME PROGRAM ARGS...")
	s.launch(ts, args[0], args[1:])
}

func (s *script) named(ts *testscript.TestScript, name string) *running {
	p := s.processes[name]
	if p == nil {
		ts.Fatalf("nothing of the name %s was started", name)
	}
	return p
}

// says NAME PATTERN: waits until the log or the output of NAME has a match.
func (s *script) says(ts *testscript.TestScript, args []string) {
	want(ts, args, 2, "says NAME PATTERN")
	p := s.named(ts, args[0])
	said := func() string { return ts.ReadFile(p.log) + ts.ReadFile(p.out) }
	pattern, err := regexp.Compile("(?m)" + args[1])
	ts.Check(err)
	found := eventually(func() bool {
		over := p.over() // before the look: what it wrote last counts
		return pattern.MatchString(said()) || over
	})
	if !found || !pattern.MatchString(said()) {
		ts.Fatalf("%s never said %s, but\n%s", args[0], args[1], said())
	}
}

// ready NAME [STATUS]: waits until NAME serves, puts its address into API and its
// token into TOKEN, and fails unless /readyz answers with STATUS (200).
func (s *script) ready(ts *testscript.TestScript, args []string) {
	want(ts, args, 1, "ready NAME [STATUS]")
	s.says(ts, []string{args[0], `"message":"building runs"`})
	for line := range strings.Lines(ts.ReadFile(s.named(ts, args[0]).log)) {
		var entry struct{ Message, API, Token string }
		ts.Check(json.Unmarshal([]byte(line), &entry))
		if entry.Message != "building runs" {
			continue
		}
		ts.Setenv("API", strings.TrimPrefix(entry.API, "http://"))
		token, err := os.ReadFile(entry.Token)
		ts.Check(err)
		ts.Setenv("TOKEN", strings.TrimSpace(string(token)))
	}
	status := "200"
	if len(args) > 1 {
		status = args[1]
	}
	s.api(ts, []string{status, "GET", "/readyz"})
}

// signal NAME TERM|INT|KILL: sends a signal to a process of this script.
func (s *script) signal(ts *testscript.TestScript, args []string) {
	want(ts, args, 2, "signal NAME TERM|INT|KILL|USR1")
	number := map[string]syscall.Signal{"TERM": syscall.SIGTERM, "INT": syscall.SIGINT, "KILL": syscall.SIGKILL, "USR1": syscall.SIGUSR1}[args[1]]
	ts.Check(s.named(ts, args[0]).cmd.Process.Signal(number))
}

// exited NAME N: waits until NAME ended and fails unless its exit code is N; -1
// is an end by a signal.
func (s *script) exited(ts *testscript.TestScript, args []string) {
	want(ts, args, 2, "exited NAME N")
	p := s.named(ts, args[0])
	if !clock.Wait(p.done, patience) {
		ts.Fatalf("%s does not end; it wrote\n%s", args[0], ts.ReadFile(p.log))
	}
	expectCode(ts, p, args[1])
}

// api STATUS METHOD PATH [HEADER: VALUE]...: asks the API and fails unless it
// answers with STATUS. The body is there for stdout.
func (s *script) api(ts *testscript.TestScript, args []string) {
	want(ts, args, 3, "api STATUS METHOD PATH [HEADER: VALUE]...")
	r, err := http.NewRequest(args[1], "http://"+ts.Getenv("API")+args[2], nil)
	ts.Check(err)
	for _, h := range args[3:] {
		name, value, _ := strings.Cut(h, ":")
		r.Header.Set(name, strings.TrimSpace(value))
	}
	r.Host = r.Header.Get("Host") // "" is the address
	client := http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(r)
	ts.Check(err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	ts.Check(err)
	_, err = ts.Stdout().Write(body)
	ts.Check(err)
	if strconv.Itoa(resp.StatusCode) != args[0] {
		ts.Fatalf("%s %s: %s\n%s", args[1], args[2], resp.Status, body)
	}
}

// until: reads a page again until it has a text so many times; what the building
// writes by itself may not be on the disk yet.
func (s *script) until(ts *testscript.TestScript, args []string) {
	want(ts, args, 3, "until COUNT TEXT PATH")
	n, err := strconv.Atoi(args[0])
	ts.Check(err)
	var body []byte
	for range patience / (20 * time.Millisecond) {
		client := http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true}}
		resp, err := client.Get("http://" + ts.Getenv("API") + args[2])
		ts.Check(err)
		body, err = io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		ts.Check(err)
		if bytes.Count(body, []byte(args[1])) == n {
			return
		}
		clock.Wait(nil, 20*time.Millisecond)
	}
	ts.Fatalf("never %d times %q at %s:\n%s", n, args[1], args[2], body)
}

// hang: begins a command over the API and never sends the rest of its body.
// Returns once the daemon waits for it.
func (s *script) hang(ts *testscript.TestScript, _ []string) {
	s.ask(ts, "POST /api/doors/front/lock", "HTTP/1.1 100 Continue",
		"Authorization: Bearer "+ts.Getenv("TOKEN"), "Expect: 100-continue", "Content-Length: 9")
}

// stream: opens a stream of events and leaves it open.
func (s *script) stream(ts *testscript.TestScript, _ []string) {
	s.ask(ts, "GET /api/events/stream", "HTTP/1.1 200 OK")
}

func (s *script) ask(ts *testscript.TestScript, what, answer string, headers ...string) {
	c, err := net.DialTimeout("tcp", ts.Getenv("API"), patience)
	ts.Check(err)
	s.ends = append(s.ends, func() { _ = c.Close() })
	_, err = fmt.Fprintf(c, "%s HTTP/1.1\r\nHost: %s\r\n%s\r\n\r\n", what, ts.Getenv("API"), strings.Join(headers, "\r\n"))
	ts.Check(err)
	ts.Check(c.SetReadDeadline(clock.Now().Add(patience)))
	line, err := bufio.NewReader(c).ReadString('\n')
	ts.Check(err)
	if strings.TrimSpace(line) != answer {
		ts.Fatalf("%s: %s", what, line)
	}
}
