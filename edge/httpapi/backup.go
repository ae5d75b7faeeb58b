package httpapi

import (
	"errors"
	"net/http"
	"net/url"
	"time"
)

// Errors of Backups.
var (
	ErrBackupRuns = errors.New("a backup is being made")
	ErrBadBackup  = errors.New("no backup can be made like this")
)

// Backups makes backups of the building, one at a time. Its methods are safe for
// concurrent use and return at once. Errors of Begin besides ErrBackupRuns and
// ErrBadBackup are a building that cannot do it now.
type Backups interface {
	Begin(to string, recipients []string) error
	Status() BackupStatus
}

// BackupStatus is the backup under way, or the last one of this process; the zero
// value is none.
type BackupStatus struct {
	Running     bool      `json:"running"`
	File        string    `json:"file,omitempty"`
	Began       time.Time `json:"began,omitzero"`
	Bytes       int64     `json:"bytes,omitempty"`       // of the file
	Last        uint64    `json:"last,omitempty"`        // event that was recorded then
	Fingerprint string    `json:"fingerprint,omitempty"` // of rules and people
	Signer      string    `json:"signer,omitempty"`      // public key of who signed it
	Error       string    `json:"error,omitempty"`
}

func (a *API) backupStatus(w http.ResponseWriter, _ *http.Request) {
	if a.o.Backups == nil {
		noBackups(w)
		return
	}
	answer(w, http.StatusOK, a.o.Backups.Status())
}

func noBackups(w http.ResponseWriter) {
	fail(w, http.StatusNotFound, problem{Code: "no_backups", Message: "This building makes no backups.", Hint: "Ask the daemon that gatehouse serve runs."})
}

// backup begins one; what becomes of it, a GET says.
func (a *API) backup(w http.ResponseWriter, r *http.Request) {
	if a.o.Backups == nil {
		noBackups(w)
		return
	}
	q, err := url.ParseQuery(r.URL.RawQuery)
	for name, values := range q {
		if name != "recipient" && (name != "to" || len(values) > 1) {
			err = errors.New("the parameter \"" + clip(name) + "\" is unknown, or there twice")
		}
	}
	if err == nil {
		err = a.o.Backups.Begin(q.Get("to"), q["recipient"])
	} else {
		err = errors.Join(ErrBadBackup, err)
	}
	switch {
	case err == nil:
		answer(w, http.StatusAccepted, a.o.Backups.Status())
	case errors.Is(err, ErrBackupRuns):
		fail(w, http.StatusConflict, problem{
			Code: "backup_runs", Message: "A backup is being made already.", Hint: "GET /api/backup says when it is done.",
		})
	case errors.Is(err, ErrBadBackup):
		fail(w, http.StatusBadRequest, problem{
			Code: "bad_backup", Message: clipLong(err.Error()) + ".",
			Hint: "Give to=FILE, absolute and on the daemon's machine, and recipient=age1... once for each key (gatehouse backup: --to and --recipient), or name recipients in the site file.",
		})
	default:
		fail(w, http.StatusServiceUnavailable, problem{
			Code: "backup_refused", Message: clipLong(err.Error()) + ".", Hint: "Try again in a moment; /readyz says what does not work.",
		})
	}
}

// clipLong shortens a message that quotes what a client sent.
func clipLong(s string) string {
	const most = 400
	return s[:min(len(s), most)]
}
