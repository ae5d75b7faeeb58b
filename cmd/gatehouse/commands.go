package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"time"

	"github.com/rs/zerolog"

	"gatehouse/cmd/gatehouse/replay"
	"gatehouse/cmd/gatehouse/site"
	"gatehouse/devices"
	"gatehouse/devices/virtual"
)

const description = `Physical access control that stays up.

Every door, reader and lock of a building runs as a supervised actor. Try
"gatehouse demo" first: it runs a building on virtual devices.

Exit codes: 0 done; 1 the site file, the input or the journal has mistakes, or an
archive is damaged; 2 refused, nothing was done: a start (data directory locked or
of another building, port in use, store damaged) or another command; 3 the
building gave up, its outputs are at rest; 4 the stop, or a command, was cut short;
64 wrong usage.

Signals: SIGINT or SIGTERM stops in order, a second one at once; SIGUSR1 prints
the tree of actors on stdout.`

// commands is the command line.
type commands struct {
	Serve    serveCmd    `cmd:"" help:"Run the building that a site file describes."`
	Check    checkCmd    `cmd:"" help:"Check a site file: every mistake with its line and column."`
	Demo     demoCmd     `cmd:"" help:"Run a building on virtual devices, with people coming and going."`
	Replay   replayCmd   `cmd:"" help:"Push recorded badge events through a building in virtual time."`
	Archive  archiveCmd  `cmd:"" help:"List, verify and open archived segments of the journal; make keys."`
	Backup   backupCmd   `cmd:"" help:"Make the file that replaces a dead box: store, journal cursors, secrets."`
	Restore  restoreCmd  `cmd:"" help:"Make a data directory of a backup, on a new box."`
	Journal  journalCmd  `cmd:"" help:"Check the journal, or make its index anew."`
	People   peopleCmd   `cmd:"" help:"Import people from a file, or erase a person."`
	Baseline baselineCmd `cmd:"" help:"Watch a running daemon and set the thresholds that it alarms by."`
	Diag     diagCmd     `cmd:"" help:"Have a running daemon look into itself: a file without secrets."`
	Version  versionCmd  `cmd:"" help:"Print the version."`
}

type checkCmd struct {
	Site string `arg:"" help:"Path of the site file."`
}

// Run prints every mistake and warning.
func (c *checkCmd) Run(p *process) error {
	s, err := site.Load(c.Site, drivers()...)
	if err != nil {
		return withCode(exitMistakes, err)
	}
	for _, w := range s.Warnings {
		fmt.Fprintf(p.err, "warning: %v\n", w)
	}
	fmt.Fprintf(p.out, "%s: ok: %s, %s, %s, %s\n", c.Site,
		count(len(s.Rules.Doors), "door", "doors"), count(len(s.Rules.Areas), "area", "areas"),
		count(len(s.Holders), "person", "people"), count(len(s.Credentials), "credential", "credentials"))
	return nil
}

// count says how many there are of something.
func count(n int, one, more string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, more)
}

// drivers are those that this version has.
func drivers() []devices.Driver {
	return []devices.Driver{virtual.New(virtual.Options{}).Driver()}
}

type versionCmd struct{}

// Run prints the version.
func (versionCmd) Run(p *process) error {
	info, _ := debug.ReadBuildInfo()
	fmt.Fprintf(p.out, "gatehouse %s%s %s %s/%s\n", version, commit(info), runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return nil
}

// commit is the commit that the program was built from, "" if the build does not
// know.
func commit(info *debug.BuildInfo) string {
	if info == nil {
		return ""
	}
	settings := map[string]string{}
	for _, s := range info.Settings {
		settings[s.Key] = s.Value
	}
	revision := settings["vcs.revision"]
	if revision == "" {
		return ""
	}
	changed := ""
	if settings["vcs.modified"] == "true" {
		changed = "+changes"
	}
	return " (" + revision[:min(len(revision), 12)] + changed + ")"
}

type replayCmd struct {
	Config string `short:"c" required:"" placeholder:"SITE.YAML" help:"Site file of the building."`
	Format string `required:"" enum:"vast2009" help:"Format of the recording: vast2009."`
	Data   string `required:"" placeholder:"DIR" help:"Data directory for the journal."`
	Report string `default:"text" enum:"text,json" help:"Form of the report on stdout: text or json."`
	Resume bool   `help:"Go on with a replay that was interrupted."`
	File   string `arg:"" help:"The recording."`
}

// Run replays a recording.
func (c *replayCmd) Run(p *process) error {
	s, err := site.Load(c.Config, drivers()...)
	if err != nil {
		return withCode(exitMistakes, err)
	}
	err = replay.Run(p.ctx, replay.Options{
		Site: s, Data: c.Data, Format: c.Format, File: c.File, Report: c.Report, Resume: c.Resume,
		Out: p.out, Err: p.err, Clock: p.now,
	})
	var mistakes *replay.Mistakes
	switch {
	case errors.As(err, &mistakes):
		return withCode(exitMistakes, err)
	case errors.Is(err, context.Canceled):
		return withCode(exitCutShort, errors.New("interrupted; go on with --resume"))
	case err != nil:
		return withCode(exitRefused, err)
	}
	return nil
}

// codedError is an error with the exit code that it means.
type codedError struct {
	code int
	err  error
}

func (e *codedError) Error() string { return e.err.Error() }
func (e *codedError) Unwrap() error { return e.err }

func withCode(code int, err error) error { return &codedError{code, err} }

// report prints the one error that a command ended with.
func report(p *process, err error) int {
	if err == nil {
		return exitOK
	}
	var mistakes site.Mistakes
	if errors.As(err, &mistakes) {
		fmt.Fprintln(p.err, mistakes.Error())
		fmt.Fprintf(p.err, "gatehouse: %s; correct what is wrong and try again\n", count(len(mistakes), "mistake", "mistakes"))
		return exitMistakes
	}
	fmt.Fprintf(p.err, "gatehouse: %v\n", err)
	var coded *codedError
	if errors.As(err, &coded) {
		return coded.code
	}
	return exitRefused
}

// logger writes JSON for machines and plain lines for a terminal. Its times are
// UTC, as those of the API.
func (p *process) logger() zerolog.Logger {
	out := p.err
	if p.tty {
		_, noColour := os.LookupEnv("NO_COLOR")
		out = zerolog.ConsoleWriter{Out: p.err, NoColor: noColour, TimeFormat: "15:04:05Z", TimeLocation: time.UTC}
	}
	return zerolog.New(out).Hook(zerolog.HookFunc(func(e *zerolog.Event, _ zerolog.Level, _ string) {
		e.Time(zerolog.TimestampFieldName, p.now().UTC())
	}))
}

func dataDir(path string) (string, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return "", withCode(exitRefused, fmt.Errorf("--data %s: %w", path, err))
	}
	return abs, nil
}
