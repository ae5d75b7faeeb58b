package daemon

import (
	"context"
	"fmt"
	"time"

	"gatehouse/actors"
	"gatehouse/cmd/gatehouse/site"
	"gatehouse/persistence/archive"
)

// chores are what the site file wants done with a journal that is open.
func (d *Daemon) chores() (c actors.Chores, err error) {
	in := d.opts.Site
	c.Checks = actors.Checks{Every: time.Duration(in.Health.EveryS) * time.Second, Limit: in.Health.Limit}
	c.Limits = d.opts.Limits
	if d.journal == nil {
		return c, nil
	}
	if in.Archive.Dir != "" {
		if c.Night, err = Night(in.Archive.At, in.Building.TimeZone); err != nil {
			return c, fmt.Errorf("archive: %w", err)
		}
		d.archive = d.newArchive(in.Archive)
		c.Archive = d.archive
	}
	if in.Journal.Retention != (site.Retention{}) {
		free := d.opts.FreeBytes
		if free == nil {
			free = FreeBytes
		}
		c.Retention = &liveRetention{
			conf: in.Journal.Retention, journal: d.journal, dir: d.journalDir(), free: free, archive: d.archive,
			clock: d.clock, began: d.opts.Executor.Now(),
		}
	}
	return c, nil
}

func (d *Daemon) newArchive(conf site.Archive) *liveArchive {
	const burst = 256 << 10
	await := d.opts.Await
	if await == nil {
		await = d.await
	}
	return &liveArchive{
		conf: conf, building: d.opts.Site.Building.ID, journal: d.journal, now: d.opts.Executor.Now, await: await,
		bucket: archive.Bucket{BytesPerSecond: int64(conf.RateMBPerS) << 20, BurstBytes: burst},
	}
}

// await blocks a worker on the executor's clock until ctx ends.
func (d *Daemon) await(ctx context.Context, wait time.Duration) error {
	d.opts.Executor.Wait(ctx.Done(), wait)
	return ctx.Err()
}
