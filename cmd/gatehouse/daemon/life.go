package daemon

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"time"

	"gatehouse/persistence"
)

// End is how a life of the daemon ended.
type End string

// The ends. A life that ended in one of the last three could not write so itself.
const (
	EndNone    End = "" // there was no life before
	EndInOrder End = "in_order"
	EndGaveUp  End = "gave_up" // the building was beyond its budget
	EndRefused End = "refused" // the tree could not be started
	EndKilled  End = "killed"  // nothing was written, and the machine has run on: killed, or it did not stop in time
	EndMachine End = "machine_down"
	EndUnknown End = "unknown" // what was written is damaged
)

const lifeName = "lives.json" // in the data directory

// Lives is how often the daemon was started on a data directory, this life included
// if it is counted, and how the last one before it that was ended.
type Lives struct {
	Starts  uint64
	LastEnd End
	LastAt  time.Time // when it did, if it could write so
}

// lifeNote is a life in the data directory, from its start on; End is added when
// it ends.
type lifeNote struct {
	Starts  uint64    `json:"starts"`
	Boot    uint64    `json:"boot,string"`
	Machine string    `json:"machine"`
	Began   time.Time `json:"began"`
	Ended   time.Time `json:"ended,omitzero"`
	End     End       `json:"end,omitempty"`
}

// readLives finds out how the life before ended. This one is counted unless the
// building is degraded: then the data directory stays as it is.
func (d *Daemon) readLives() {
	if d.opts.Machine == "" {
		return
	}
	var before lifeNote
	err := persistence.ReadNote(d.lifePath(), &before)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		d.opts.Log.Warn().Err(err).Msg("how often the building was started is not known any more: it is counted anew")
		d.lives.LastEnd = EndUnknown
	default:
		d.lives = Lives{before.Starts, before.ended(d.opts.Machine), before.Ended}
	}
	if d.Degraded() == nil {
		d.lives.Starts++
		d.life = &lifeNote{Starts: d.lives.Starts, Boot: d.opts.Boot, Machine: d.opts.Machine, Began: d.opts.Executor.Now().UTC()}
	}
}

// ended is how it ended, as seen on a machine of this boot.
func (n lifeNote) ended(machine string) End {
	switch {
	case n.End != EndNone:
		return n.End
	case n.Machine != machine:
		return EndMachine
	}
	return EndKilled
}

// ends notes how this life ends.
func (d *Daemon) ends(how End) {
	if d.life == nil {
		return
	}
	d.life.End, d.life.Ended = how, d.opts.Executor.Now().UTC()
	d.noteLife()
}

// noteLife keeps no door from working when the note cannot be written.
func (d *Daemon) noteLife() {
	if d.life == nil {
		return
	}
	if err := persistence.WriteNote(d.lifePath(), d.life); err != nil {
		d.opts.Log.Warn().Err(err).Msg("starts are not counted")
	}
}

func (d *Daemon) lifePath() string { return filepath.Join(d.opts.Data, lifeName) }

// Lives says how often the daemon was started on its data directory.
func (d *Daemon) Lives() Lives { return d.lives }

// started is the detail of the event that says that the building came up; "" when
// this start is not counted.
func (d *Daemon) started() string {
	switch {
	case d.life == nil:
		return ""
	case d.lives.LastEnd == EndNone:
		return fmt.Sprintf("start %d", d.lives.Starts)
	}
	return fmt.Sprintf("start %d; the life before: %s", d.lives.Starts, d.lives.LastEnd)
}
