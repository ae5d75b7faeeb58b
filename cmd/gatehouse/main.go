// Command gatehouse is the daemon of a building and the tool to check, try and
// replay one. `gatehouse --help` lists what it can do.
package main

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"syscall"
	"time"

	"github.com/alecthomas/kong"
)

// Exit codes, as documented in --help.
const (
	exitOK       = 0
	exitMistakes = 1 // the site file or the input has mistakes, or an archive is damaged
	exitRefused  = 2 // the start was refused: data directory, port, journal or store; or another command
	exitGaveUp   = 3 // the building gave up: outputs are at rest; start it again
	exitCutShort = 4 // a second signal, or something did not stop in time
	exitUsage    = 64
)

// version is set by the linker for releases.
var version = "development"

// process is what the commands may use of the world outside.
type process struct {
	out, err io.Writer
	tty      bool             // err is a terminal
	ctx      context.Context  // ends with the first signal
	cancel   func()           // as a first signal
	show     <-chan os.Signal // asks for the tree of actors; nil: nobody does
	now      func() time.Time
	boot     uint64
}

func main() {
	ctx, stop := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go onSignals(signals, stop)
	show := make(chan os.Signal, 1)
	signal.Notify(show, syscall.SIGUSR1)
	p := &process{
		out: os.Stdout, err: os.Stderr, tty: isTerminal(os.Stderr),
		ctx: ctx, cancel: stop, show: show, now: time.Now, boot: randomBoot(),
	}
	os.Exit(run(p, os.Args[1:]))
}

// onSignals stops in order at the first signal and at once at the second. It
// lives as long as the process.
func onSignals(signals <-chan os.Signal, stop func()) {
	<-signals
	stop()
	<-signals
	fmt.Fprintln(os.Stderr, "gatehouse: stopped at once by a second signal")
	os.Exit(exitCutShort)
}

// run is main without the process: the tests call it.
func run(p *process, args []string) (code int) {
	var c commands
	parser, err := kong.New(
		&c, kong.Name("gatehouse"), kong.Description(description), kong.UsageOnError(),
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
		fmt.Fprintf(p.err, "gatehouse: %v\n%s\n", err, usageHint(err, args))
		return exitUsage
	}
	return report(p, ctx.Run(p))
}

// usageHint says where to read on.
func usageHint(err error, args []string) string {
	if slices.Contains(args, "--version") {
		return "Use gatehouse version"
	}
	if wrong, ok := errors.AsType[*kong.ParseError](err); ok && wrong.Context.Selected() != nil {
		return "Try " + wrong.Context.Selected().FullPath() + " --help"
	}
	return "Try gatehouse --help"
}

// exit is how kong's --help ends the run.
type exit int

// randomBoot tells the lives of a daemon apart. 32 bits keep events small.
func randomBoot() uint64 {
	var b [4]byte
	if _, err := rand.Read(b[:]); err != nil {
		return 1
	}
	return uint64(binary.LittleEndian.Uint32(b[:])) + 1
}

func isTerminal(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
