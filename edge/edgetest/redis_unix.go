//go:build unix

package edgetest

import (
	"bytes"
	"net"
	"os"
	"os/exec"
	"syscall"
	"testing"
)

// RedisServer is a real redis-server, a child of the test.
type RedisServer struct {
	Addr string

	t    testing.TB
	args []string
	cmd  *exec.Cmd
}

// Redis starts a redis-server on a free port of loopback, which keeps nothing on
// disk; it ends with the test. Without the program the test is skipped, in CI it
// fails.
func Redis(t testing.TB, args ...string) *RedisServer {
	t.Helper()
	if _, err := exec.LookPath("redis-server"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("redis-server is not installed: make ci-deps installs it")
		}
		t.Skip("NOT TESTED AGAINST A REAL REDIS: redis-server is not installed; make ci-deps installs it")
	}
	s := &RedisServer{Addr: RefusedAddr(t), t: t}
	_, port, err := net.SplitHostPort(s.Addr)
	if err != nil {
		t.Fatal(err)
	}
	s.args = append([]string{"--bind", "127.0.0.1", "--port", port, "--save", "", "--appendonly", "no", "--dir", t.TempDir()}, args...)
	s.Start()
	t.Cleanup(s.Kill)
	return s
}

// Port is the server's port.
func (s *RedisServer) Port() string {
	_, port, _ := net.SplitHostPort(s.Addr)
	return port
}

// Start starts it again, at the same address, and waits until it answers.
func (s *RedisServer) Start() {
	s.t.Helper()
	s.cmd = exec.Command("redis-server", s.args...)
	log, err := s.cmd.StdoutPipe() // has room for the rest, which nobody reads
	if err == nil {
		err = s.cmd.Start()
	}
	if err != nil {
		s.cmd = nil
		s.t.Fatal(err)
	}
	var text []byte
	for !bytes.Contains(text, []byte("eady to accept connections")) {
		b := make([]byte, 4096)
		n, err := log.Read(b)
		if text = append(text, b[:n]...); err != nil {
			s.t.Fatalf("redis-server ended: %v\n%s", err, text)
		}
	}
}

// Kill ends it at once.
func (s *RedisServer) Kill() {
	if s.cmd == nil {
		return
	}
	_ = s.cmd.Process.Kill() // it may have ended
	_ = s.cmd.Wait()         // killed: that is no success
	s.cmd = nil
}

// Pause has it hang: connections are accepted and nothing is answered.
func (s *RedisServer) Pause() { s.signal(syscall.SIGSTOP) }

// Resume ends the pause.
func (s *RedisServer) Resume() { s.signal(syscall.SIGCONT) }

func (s *RedisServer) signal(sig os.Signal) {
	s.t.Helper()
	if err := s.cmd.Process.Signal(sig); err != nil {
		s.t.Fatal(err)
	}
}
