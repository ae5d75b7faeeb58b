// Command gatehouse-bench runs what measures the house against what it replaces
// and against time. `gatehouse-bench --help` lists what it can do. Whatever it
// measures stays on this machine's loopback and ends by itself.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"
)

// Exit codes, as documented in --help.
const (
	exitOK     = 0
	exitBroken = 1 // it was measured, and a gate does not hold
	exitFailed = 2 // it could not be measured
	exitUsage  = 64
)

const description = `Measures gatehouse against the system that it replaces and against time.

Exit codes: 0 every gate holds; 1 a gate is broken; 2 it could not be measured; 64 wrong usage.`

// commands has one line for each thing that can be run.
type commands struct {
	Incident incidentCmd `cmd:"" help:"The seven duties of the night: as they were, as fixes were published, and in this house."`
	Soak     soakCmd     `cmd:"" help:"A building for months of virtual time, or the daemon for minutes of real time, under traffic and faults: does it still own what it owned at the start?"`
	Column   columnCmd   `cmd:"" hidden:"" help:"One duty in one column, as incident runs it in a process of its own: JSON lines on standard output."`
}

// errGate is what a command returns when it measured and a gate does not hold.
// What it wraps was already shown.
var errGate = errors.New("a gate is broken")

// errUsage is what a command returns that was asked for what cannot be.
var errUsage = errors.New("wrong usage")

// process is what the commands may use of the world outside.
type process struct {
	out, err io.Writer
	ctx      context.Context // ends with a signal
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(&process{out: os.Stdout, err: os.Stderr, ctx: ctx}, os.Args[1:])
	stop()
	os.Exit(code)
}

// run is main without the process: the tests call it.
func run(p *process, args []string) (code int) {
	var c commands
	parser, err := kong.New(
		&c, kong.Name("gatehouse-bench"), kong.Description(description), kong.UsageOnError(),
		kong.Writers(p.out, p.err), kong.Exit(func(status int) { panic(exit(status)) }),
	)
	if err != nil {
		panic(err) // a mistake in the declaration of commands
	}
	defer func() {
		switch r := recover().(type) {
		case nil:
		case exit:
			code = int(r)
		default:
			panic(r) // a fault of ours
		}
	}()
	ctx, err := parser.Parse(args)
	if err != nil {
		fmt.Fprintf(p.err, "gatehouse-bench: %v\nTry gatehouse-bench --help\n", err)
		return exitUsage
	}
	return report(p, ctx.Run(p))
}

// exit is how kong's --help ends the run.
type exit int

// report says what went wrong and turns it into the exit code.
func report(p *process, err error) int {
	switch {
	case err == nil:
		return exitOK
	case errors.Is(err, errGate):
		fmt.Fprintf(p.err, "gatehouse-bench: %v\n", err)
		return exitBroken
	case errors.Is(err, errUsage):
		fmt.Fprintf(p.err, "gatehouse-bench: %v\nTry gatehouse-bench --help\n", err)
		return exitUsage
	default:
		fmt.Fprintf(p.err, "gatehouse-bench: it could not be measured: %v\n", err)
		return exitFailed
	}
}
