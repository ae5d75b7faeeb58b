package main

import (
	"errors"
	"fmt"
	"io/fs"

	"gatehouse/cmd/gatehouse/daemon"
	"gatehouse/persistence"
	"gatehouse/persistence/index"
	"gatehouse/persistence/journal"
)

type reindexCmd struct {
	Data string `default:"data" placeholder:"DIR" help:"Data directory (default: ./data)."`
}

// Run throws the index away and makes it again. The journal is only read.
func (c *reindexCmd) Run(p *process) error {
	data, err := dataDir(c.Data)
	if err != nil {
		return err
	}
	unlock, err := persistence.Lock(data)
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
	fmt.Fprintf(p.out, "indexed all events up to %d\n", j.Last())
	return nil
}
