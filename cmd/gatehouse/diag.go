package main

import (
	"archive/zip"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"gatehouse/edge/httpapi"
	"gatehouse/persistence"
)

type diagCmd struct {
	Data    string `default:"data" placeholder:"DIR" help:"Data directory of the running daemon (default: ./data)."`
	Seconds int    `default:"30" help:"How long the daemon is watched, 1 to 300 (default: ${default})."`
	To      string `placeholder:"FILE" help:"New file (default: gatehouse-diag-TIME.zip, here)."`
}

// Run has a running daemon look into itself and keeps what it writes.
func (c *diagCmd) Run(p *process) (err error) {
	if c.Seconds < 1 || c.Seconds > httpapi.MaxDiagnosis {
		return withCode(exitUsage, fmt.Errorf("--seconds %d: give 1 to %d", c.Seconds, httpapi.MaxDiagnosis))
	}
	if c.To == "" {
		c.To = "gatehouse-diag-" + p.now().UTC().Format("20060102T150405Z") + ".zip"
	}
	asked, err := daemonOf(c.Data)
	if err != nil {
		return err
	}
	file, err := os.OpenFile(c.To, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, os.ErrExist) {
		err = fmt.Errorf("%w; move it away or name another file with --to", err)
	}
	if err != nil {
		return withCode(exitRefused, err)
	}
	err = asked.post(p.ctx, "/api/diag?seconds="+strconv.Itoa(c.Seconds), nil, file)
	if err = errors.Join(err, file.Sync(), file.Close()); err == nil {
		return c.done(p)
	}
	code := exitRefused
	if p.ctx.Err() != nil {
		code, err = exitCutShort, errors.New("interrupted; nothing is left of the diagnosis")
	}
	return withCode(code, errors.Join(err, os.Remove(c.To)))
}

// done looks whether the file is whole.
func (c *diagCmd) done(p *process) error {
	z, err := zip.OpenReader(c.To)
	if err != nil {
		return withCode(exitRefused, errors.Join(fmt.Errorf("what the daemon sent is damaged: %w", err), os.Remove(c.To)))
	}
	parts := len(z.File)
	if err := z.Close(); err != nil {
		return withCode(exitRefused, err)
	}
	path, err := filepath.Abs(c.To)
	if err != nil {
		return withCode(exitRefused, err)
	}
	if err := persistence.SyncDir(filepath.Dir(path)); err != nil {
		return withCode(exitRefused, err)
	}
	fmt.Fprintf(p.out, "%s: %s; no name, card number, PIN or token is in it, README.txt says what is\n", c.To, count(parts, "part", "parts"))
	return nil
}
