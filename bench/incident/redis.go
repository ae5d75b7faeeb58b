package incident

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// server is a Redis that can be lost, can hang, and comes back.
type server interface {
	addr() string
	kill() error
	hang() error
	back() error
	close()
}

func (o *outside) answerRedis(what string, r *reply) (err error) {
	if what == "redis" {
		if o.redis, err = newServer(); err != nil {
			return err
		}
		o.closes = append(o.closes, o.redis.close)
		r.Text = o.redis.addr()
		return nil
	}
	if o.redis == nil {
		return errUnknownAsk
	}
	switch what {
	case "redis-kill":
		return o.redis.kill()
	case "redis-hang":
		return o.redis.hang()
	case "redis-back":
		return o.redis.back()
	case "redis-publish":
		return publish(o.redis.addr())
	}
	return errUnknownAsk
}

// newServer is a real redis-server, or ours where none is installed.
func newServer() (server, error) {
	program, err := exec.LookPath("redis-server")
	if err != nil || !canFreeze {
		return newResp()
	}
	return newRealRedis(program)
}

// redisKind says what newServer uses, for the report.
func redisKind() string {
	program, err := exec.LookPath("redis-server")
	if err != nil || !canFreeze {
		return "the bench's own RESP server (there is no redis-server here)"
	}
	out, err := exec.Command(program, "--version").Output()
	if err != nil {
		return "redis-server"
	}
	for _, word := range strings.Fields(string(out)) {
		if v, ok := strings.CutPrefix(word, "v="); ok {
			return "redis-server " + v
		}
	}
	return "redis-server"
}

// realRedis is a process of the real thing.
type realRedis struct {
	program, where string
	cmd            *exec.Cmd
}

func newRealRedis(program string) (*realRedis, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0") // a free port
	if err != nil {
		return nil, err
	}
	r := &realRedis{program: program, where: l.Addr().String()}
	if err := l.Close(); err != nil {
		return nil, err
	}
	return r, r.start()
}

func (r *realRedis) start() error {
	_, port, _ := net.SplitHostPort(r.where)
	r.cmd = exec.Command(r.program, "--bind", "127.0.0.1", "--port", port, "--save", "", "--appendonly", "no")
	if err := r.cmd.Start(); err != nil {
		return err
	}
	if !until(10*time.Second, func() bool { return command(r.where, "PING") == nil }) {
		r.close()
		return errors.New("redis-server does not answer")
	}
	return nil
}

func (r *realRedis) addr() string { return r.where }

func (r *realRedis) kill() error {
	if err := r.cmd.Process.Kill(); err != nil {
		return err
	}
	_ = r.cmd.Wait() // it was killed
	r.cmd = nil
	return nil
}

func (r *realRedis) hang() error { return freeze(r.cmd.Process) }

func (r *realRedis) back() error {
	if r.cmd == nil {
		return r.start()
	}
	return thaw(r.cmd.Process)
}

func (r *realRedis) close() {
	if r.cmd != nil {
		_ = r.kill()
	}
}

func publish(addr string) error { return command(addr, "PUBLISH event:sync hello") }

// command sends one command inline and reads one line of the answer.
func command(addr, text string) error {
	c, err := net.DialTimeout("tcp", addr, time.Second)
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }() // the answer was read
	if err := c.SetDeadline(now().Add(2 * time.Second)); err != nil {
		return err
	}
	if _, err := io.WriteString(c, text+"\r\n"); err != nil {
		return err
	}
	answer, err := bufio.NewReader(c).ReadString('\n')
	if err != nil {
		return err
	}
	if strings.HasPrefix(answer, "-") {
		return fmt.Errorf("redis: %s", strings.TrimSpace(answer))
	}
	return nil
}

// readCommand reads a command of the protocol, inline or as an array.
func readCommand(in *bufio.Reader) (words []string, err error) {
	head, err := in.ReadString('\n')
	if err != nil {
		return nil, err
	}
	count, isArray := strings.CutPrefix(strings.TrimSpace(head), "*")
	if !isArray {
		return strings.Fields(head), nil
	}
	n, err := strconv.Atoi(count)
	if err != nil || n < 0 || n > 64 {
		return nil, fmt.Errorf("an array of %q", count)
	}
	for range n {
		size, err := in.ReadString('\n')
		if err != nil {
			return nil, err
		}
		bytes, err := strconv.Atoi(strings.TrimSpace(strings.TrimPrefix(size, "$")))
		if err != nil || bytes < 0 || bytes > 1<<20 {
			return nil, fmt.Errorf("a text of %q", size)
		}
		text := make([]byte, bytes+2)
		if _, err := io.ReadFull(in, text); err != nil {
			return nil, err
		}
		words = append(words, string(text[:bytes]))
	}
	return words, nil
}
