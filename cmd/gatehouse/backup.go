package main

import (
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"time"

	"gatehouse/cmd/gatehouse/backup"
	"gatehouse/cmd/gatehouse/site"
	"gatehouse/edge/httpapi"
	"gatehouse/persistence"
	"gatehouse/persistence/archive"
	"gatehouse/supervisor"
)

type backupCmd struct {
	Data      string   `default:"data" placeholder:"DIR" help:"Data directory (default: ./data)."`
	To        string   `required:"" placeholder:"FILE" help:"New file, or a directory: then the file is named by the time."`
	Recipient []string `placeholder:"age1..." help:"Public key of gatehouse archive keygen, once for each (default: the site file's)."`
	Config    string   `short:"c" placeholder:"SITE.YAML" help:"Site file with the recipients; a running daemon has its own."`
}

// Run makes a backup, by way of the daemon if one runs on the data directory.
func (c *backupCmd) Run(p *process) (err error) {
	data, err := dataDir(c.Data)
	if err != nil {
		return err
	}
	if c.To, err = filepath.Abs(c.To); err != nil {
		return withCode(exitRefused, err)
	}
	if err := c.recipients(); err != nil {
		return err
	}
	unlock, err := persistence.Lock(data)
	if errors.Is(err, persistence.ErrLocked) {
		return c.ask(p, data)
	}
	if err != nil {
		return withCode(exitRefused, err)
	}
	defer func() { err = errors.Join(err, unlock()) }()
	return c.make(p, data)
}

// recipients takes the site file's, unless some are named, and looks at them early.
func (c *backupCmd) recipients() error {
	if len(c.Recipient) == 0 && c.Config != "" {
		s, err := site.Load(c.Config, drivers()...)
		if err != nil {
			return withCode(exitMistakes, err)
		}
		c.Recipient = s.Backup.Recipients
	}
	if len(c.Recipient) == 0 {
		return nil // a running daemon may know some
	}
	_, err := archive.ParseRecipients(c.Recipient)
	return archiveError(err)
}

// make makes a backup of a data directory that is ours.
func (c *backupCmd) make(p *process, data string) (err error) {
	recipients, err := archive.ParseRecipients(c.Recipient)
	if err != nil {
		return withCode(exitRefused, fmt.Errorf("%w; name it with --recipient, or the site file with --config", err))
	}
	source, err := backup.OpenStopped(data)
	if err != nil {
		return withCode(exitRefused, err)
	}
	defer func() { err = errors.Join(err, source.Close()) }()
	building, err := source.Building()
	if err != nil {
		return withCode(exitRefused, err)
	}
	done, err := backup.Make(p.ctx, backup.Job{
		Source: source, Building: building, Data: data, Address: addressOf(data), To: c.To,
		Sealing: archive.Sealing{Recipients: recipients}, Now: p.now(),
	})
	if err != nil {
		return archiveError(err)
	}
	c.done(p, httpapi.BackupStatus{File: done.File, Bytes: done.Bytes, Last: done.About.Last, Fingerprint: done.Store.Fingerprint, Signer: done.Signer})
	return nil
}

func (c *backupCmd) done(p *process, s httpapi.BackupStatus) {
	fmt.Fprintf(p.out, "%s: %s, up to event %d, fingerprint of rules and people %s\n", s.File, bytesOf(s.Bytes), s.Last, s.Fingerprint)
	fmt.Fprintf(p.out, "signed by %s; keep that with the recovery key, a restore asks for it\n", s.Signer)
}

// ask has the daemon make it and waits for the end.
func (c *backupCmd) ask(p *process, data string) error {
	asked, err := askDaemon(data)
	if err != nil {
		return err
	}
	query := url.Values{"to": {c.To}, "recipient": c.Recipient}
	var status httpapi.BackupStatus
	err = asked.post(p.ctx, "/api/backup?"+query.Encode(), nil, &status)
	wait := supervisor.NewReal(p.boot)
	for err == nil && status.Running {
		if wait.Wait(p.ctx.Done(), pollEvery) {
			return withCode(exitCutShort, errors.New("interrupted; the daemon goes on with the backup"))
		}
		status = httpapi.BackupStatus{}
		err = asked.get(p.ctx, "/api/backup", &status)
	}
	if err == nil && status.Error != "" {
		err = errors.New(status.Error)
	}
	if err != nil {
		return withCode(exitRefused, err)
	}
	c.done(p, status)
	return nil
}

type restoreCmd struct {
	File        string `arg:"" help:"The backup."`
	Data        string `required:"" placeholder:"DIR" help:"Data directory to make: empty or missing, and no mount point."`
	Identity    string `short:"i" required:"" placeholder:"KEY" help:"Identity file (private key) of the recovery key."`
	FromData    string `placeholder:"DIR" help:"Data directory of the old box, if it is here (default: what the backup says)."`
	FromAddress string `placeholder:"URL" help:"Address where the old box would answer, besides what the backup says."`
	SignedBy    string `placeholder:"KEY" help:"Who has to have signed the backup: the key that gatehouse backup named, or nobody."`
	OldBoxIsOff bool   `help:"You looked: the old box is off and stays off."`
}

// Run restores.
func (c *restoreCmd) Run(p *process) error {
	data, err := dataDir(c.Data)
	if err != nil {
		return err
	}
	ids, err := identities(c.Identity)
	if err != nil {
		return err
	}
	r := backup.Restore{
		File: c.File, Data: data, Identities: ids, OldData: c.FromData, OldAddress: c.FromAddress, OldBoxIsOff: c.OldBoxIsOff, SignedBy: c.SignedBy, Boot: p.boot,
	}
	done, err := r.Run(p.ctx)
	if err != nil {
		return archiveError(err)
	}
	fmt.Fprintf(p.out, "%s: building %q as of %s: %s, %s, fingerprint of rules and people %s\n", data, done.About.Building,
		done.About.Made.Format(time.RFC3339), count(done.Store.Holders, "person", "people"),
		count(done.Store.Credentials, "credential", "credentials"), done.Store.Fingerprint)
	fmt.Fprintf(p.out, "the journal goes on with event %d in epoch %d; its last event in the backup was %d\n", done.First, done.Epoch, done.About.Last)
	return nil
}
