package main

import (
	"errors"
	"fmt"
	"io/fs"

	"gatehouse/cmd/gatehouse/daemon"
	"gatehouse/edge/httpapi"
	"gatehouse/persistence"
	"gatehouse/persistence/index"
	"gatehouse/persistence/journal"
	"gatehouse/supervisor"
)

type reindexCmd struct {
	Data string `default:"data" placeholder:"DIR" help:"Data directory (default: ./data)."`
}

// Run throws the index away and makes it again, or has the daemon do so that runs on
// the data directory. The journal is only read.
func (c *reindexCmd) Run(p *process) error {
	data, err := dataDir(c.Data)
	if err != nil {
		return err
	}
	unlock, err := persistence.Lock(data)
	if errors.Is(err, persistence.ErrLocked) {
		return c.ask(p, data)
	}
	if err != nil {
		return withCode(exitRefused, fmt.Errorf("data directory: %w", err))
	}
	defer func() { _ = unlock() }() // the process ends
	j, err := journal.OpenReadOnly(daemon.JournalDir(data), "")
	if errors.Is(err, fs.ErrNotExist) {
		err = fmt.Errorf("%s holds no journal; name another data directory with --data", data)
	}
	if err != nil {
		return withCode(exitRefused, err)
	}
	defer func() { _ = j.Close() }() // opened for reading
	x := index.New(daemon.IndexDir(data), j)
	err = x.Rebuild(p.ctx, func(through uint64) {
		if p.tty {
			fmt.Fprintf(p.err, "\r%d of %d", through, j.Last())
		}
	})
	switch {
	case p.ctx.Err() != nil:
		return withCode(exitCutShort, errors.New("interrupted; the daemon, or another reindex, goes on with the index"))
	case err != nil:
		return withCode(exitRefused, err)
	}
	p.indexed(j.Last())
	return nil
}

func (p *process) indexed(last uint64) { fmt.Fprintf(p.out, "indexed all events up to %d\n", last) }

// standstill is how often in a row the daemon may say the same before that is a fault.
const standstill = 600

// ask has the daemon make the index anew and waits until it has all events that were
// there when it began.
func (c *reindexCmd) ask(p *process, data string) error {
	d, err := askDaemon(data)
	if err != nil {
		return err
	}
	var now httpapi.IndexStatus
	if err := d.post(p.ctx, "/api/reindex", nil, &now); err != nil {
		return withCode(exitRefused, err)
	}
	wait, last, still := supervisor.NewReal(p.boot), now.Last, 0
	for now.Through < last && still < standstill {
		if p.tty {
			fmt.Fprintf(p.err, "\r%d of %d", now.Through, last)
		}
		if wait.Wait(p.ctx.Done(), pollEvery) {
			return withCode(exitCutShort, errors.New("interrupted; the daemon goes on with the index"))
		}
		before := now.Through
		if err := d.get(p.ctx, "/api/reindex", &now); err != nil {
			return withCode(exitRefused, err)
		}
		if still++; now.Through != before {
			still = 0
		}
	}
	if now.Through < last {
		return withCode(exitRefused, errors.New("the daemon's index does not move; its log says why"))
	}
	p.indexed(last)
	return nil
}
