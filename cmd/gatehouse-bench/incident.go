package main

import (
	"cmp"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"strconv"

	"gatehouse/bench/incident"
)

type incidentCmd struct {
	Out   string `help:"Directory for report.html and report.json." default:"bin/incident" placeholder:"DIR"`
	Short bool   `help:"A fraction of the time and traffic, as in CI."`
	Duty  int    `help:"Run only this duty, 1 to 7; 0 is all." default:"0" enum:"0,1,2,3,4,5,6,7" placeholder:"N"`
	// Commit is for builds that Go puts no commit into.
	Commit string `help:"What the report calls this build; default what Go knows of it." placeholder:"TEXT"`
}

// Run runs all columns, each in a process of this program.
func (c *incidentCmd) Run(p *process) error {
	report, err := incident.Run(p.ctx, incident.Options{
		Short: c.Short, Only: c.Duty, Log: p.err, Commit: cmp.Or(c.Commit, commit()), Command: columnProcess,
	})
	if err != nil {
		return err
	}
	if err := c.write(report); err != nil {
		return err
	}
	if err := report.Text(p.out); err != nil {
		return err
	}
	fmt.Fprintf(p.out, "\nreport: %s\n", filepath.Join(c.Out, "report.html"))
	if broken := report.Broken(); len(broken) > 0 {
		return fmt.Errorf("%w: %d of %d gates, the first: duty %d, %s: %s",
			errGate, len(broken), len(report.Gates), broken[0].Duty, broken[0].What, broken[0].Seen)
	}
	return nil
}

func (c *incidentCmd) write(r *incident.Report) error {
	if err := os.MkdirAll(c.Out, 0o755); err != nil {
		return err
	}
	page, err := r.HTML()
	if err != nil {
		return err
	}
	data, err := r.JSON()
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(c.Out, "report.json"), data, 0o644); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(c.Out, "report.html"), page, 0o644)
}

// columnProcess is this program again.
func columnProcess(s incident.Spec) (*exec.Cmd, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	args := []string{"column", "--duty", strconv.Itoa(s.Duty), "--column", string(s.Column)}
	if s.Variant {
		args = append(args, "--variant")
	}
	if s.Short {
		args = append(args, "--short")
	}
	return exec.Command(self, args...), nil
}

// commit is what this was built from.
func commit() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	revision, modified := "unknown", ""
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			revision = s.Value[:min(12, len(s.Value))]
		case "vcs.modified":
			if s.Value == "true" {
				modified = " with changes"
			}
		}
	}
	return revision + modified
}

type columnCmd struct {
	Duty    int    `required:"" help:"1 to 7."`
	Column  string `required:"" enum:"naive,published,house" help:"Which of the three."`
	Variant bool   `help:"The stated variant."`
	Short   bool   `help:"A fraction of the time and traffic."`
}

// Run plays the column.
func (c *columnCmd) Run(p *process) error {
	return incident.RunColumn(p.ctx, incident.Spec{
		Duty: c.Duty, Column: incident.Column(c.Column), Variant: c.Variant, Short: c.Short,
	}, os.Stdin, p.out)
}
