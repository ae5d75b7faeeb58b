package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"gatehouse/bench/soak"
)

type soakCmd struct {
	Virtual   string `placeholder:"187d" help:"Soak a building in virtual time for so many days."`
	Real      string `placeholder:"10m" help:"Soak the daemon, in a process of its own, for so long."`
	Seed      uint64 `default:"1" help:"Seed of people, traffic and faults."`
	JSON      string `placeholder:"FILE" help:"Write the record there as JSON lines."`
	Gatehouse string `placeholder:"PROGRAM" help:"The daemon to soak (default: gatehouse beside this program)."`
}

// finely is how many bytes lie between two samples of the heap profile, so that
// what leaks slowly has a name.
const finely = 32 << 10

// Run soaks and reports.
func (c *soakCmd) Run(p *process) (err error) {
	if (c.Virtual == "") == (c.Real == "") {
		return fmt.Errorf("%w: give --virtual 187d or --real 10m, one of them", errUsage)
	}
	record := io.Discard
	if c.JSON != "" {
		f, err := os.Create(c.JSON)
		if err != nil {
			return fmt.Errorf("the record: %w", err)
		}
		defer f.Close() //nolint:errcheck // what the report says was shown
		record = f
	}
	var r *soak.Report
	if c.Virtual != "" {
		r, err = c.virtual(p, record)
	} else {
		r, err = c.real(p, record)
	}
	if err != nil {
		return err
	}
	if err := r.WriteText(p.out); err != nil {
		return err
	}
	if !r.OK() {
		return errGate
	}
	return nil
}

func (c *soakCmd) virtual(p *process, record io.Writer) (*soak.Report, error) {
	span, err := length(c.Virtual)
	if err != nil {
		return nil, err
	}
	runtime.MemProfileRate = finely
	return soak.RunVirtual(p.ctx, soak.Virtual{
		Span: span, Seed: c.Seed, Lines: record,
		Known: []string{"os/signal.NotifyContext.func1"}, // main's
	})
}

func (c *soakCmd) real(p *process, record io.Writer) (r *soak.Report, err error) {
	span, err := length(c.Real)
	if err != nil {
		return nil, err
	}
	if c.Gatehouse == "" {
		self, err := os.Executable()
		if err != nil {
			return nil, err
		}
		c.Gatehouse = filepath.Join(filepath.Dir(self), "gatehouse")
	}
	dir, err := os.MkdirTemp("", "gatehouse-soak-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	return soak.RunReal(p.ctx, soak.Real{Span: span, Seed: c.Seed, Program: c.Gatehouse, Dir: dir, Lines: record})
}

// length reads a time such as 187d or 10m.
func length(text string) (time.Duration, error) {
	if days, ok := strings.CutSuffix(text, "d"); ok {
		n, err := strconv.ParseUint(days, 10, 16)
		if err != nil {
			return 0, fmt.Errorf("%w: %q is no number of days, such as 187d", errUsage, text)
		}
		return time.Duration(n) * 24 * time.Hour, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil || d <= 0 {
		return 0, fmt.Errorf("%w: %q is no time, such as 187d, 10m or 60s", errUsage, text)
	}
	return d, nil
}
