package main

import (
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"gatehouse/cmd/gatehouse/limits"
	"gatehouse/edge/httpapi"
	"gatehouse/persistence"
	"gatehouse/supervisor"
)

type baselineCmd struct {
	Data    string `default:"data" placeholder:"DIR" help:"Data directory of the running daemon (default: ./data)."`
	Seconds uint   `default:"60" help:"How long the daemon is watched (default: ${default})."`
	Margin  uint   `default:"50" help:"Percent above the P95 at which an alarm begins (default: ${default})."`
}

// Run watches a running daemon and gives it the thresholds that it alarms by.
func (c *baselineCmd) Run(p *process) error {
	const longest, widest = 24 * 60 * 60, 10_000
	if c.Seconds < 1 || c.Seconds > longest || c.Margin > widest {
		return withCode(exitUsage, fmt.Errorf("--seconds %d --margin %d: give 1 to %d seconds and at most %d percent", c.Seconds, c.Margin, longest, widest))
	}
	asked, err := daemonOf(c.Data)
	if err != nil {
		return err
	}
	p95, n, err := c.sample(p, asked)
	if err != nil {
		return err
	}
	thresholds := limits.Thresholds(p95, uint64(c.Margin))
	query := url.Values{}
	for name, value := range thresholds {
		query.Set(name, strconv.FormatUint(value, 10))
	}
	var set httpapi.LimitsStatus
	if err := asked.post(p.ctx, "/api/limits?"+query.Encode(), nil, &set); err != nil {
		return withCode(exitRefused, err)
	}
	fmt.Fprintf(p.out, "%d samples in %s\n%-24s %12s %12s\n", n, count(int(c.Seconds), "second", "seconds"), "figure", "P95", "threshold")
	for _, name := range limits.Names {
		fmt.Fprintf(p.out, "%-24s %12d %12d\n", strings.ReplaceAll(name, "_", " "), p95[name], set.Thresholds[name])
	}
	return nil
}

// sample has the daemon collect its garbage, so that what its start left behind
// counts for nothing, and then reads its figures again and again.
func (c *baselineCmd) sample(p *process, asked daemonAPI) (p95 map[string]uint64, n int, err error) {
	const fewest = 20
	n = max(fewest, int(c.Seconds))
	every, wait := time.Duration(c.Seconds)*time.Second/time.Duration(n), supervisor.NewReal(p.boot)
	var now httpapi.LimitsStatus
	if err := asked.post(p.ctx, "/api/limits/warm-up", nil, &now); err != nil {
		return nil, 0, withCode(exitRefused, err)
	}
	values := map[string][]uint64{}
	for range n {
		if wait.Wait(p.ctx.Done(), every) {
			return nil, 0, withCode(exitCutShort, errors.New("interrupted; the thresholds are as they were"))
		}
		now = httpapi.LimitsStatus{}
		if err := asked.get(p.ctx, "/api/limits", &now); err != nil {
			return nil, 0, withCode(exitRefused, err)
		}
		for name, value := range now.Figures {
			values[name] = append(values[name], value)
		}
	}
	p95 = map[string]uint64{}
	for _, name := range limits.Names {
		if p95[name] = limits.P95(values[name]); p95[name] == 0 {
			return nil, 0, withCode(exitRefused, fmt.Errorf("the daemon does not know its %s: its log says why", strings.ReplaceAll(name, "_", " ")))
		}
	}
	return p95, n, nil
}

// daemonOf is the daemon that runs on a data directory.
func daemonOf(dir string) (daemonAPI, error) {
	data, err := dataDir(dir)
	if err != nil {
		return daemonAPI{}, err
	}
	unlock, err := persistence.Lock(data)
	switch {
	case errors.Is(err, persistence.ErrLocked):
		return askDaemon(data)
	case err != nil:
		return daemonAPI{}, withCode(exitRefused, err)
	}
	return daemonAPI{}, withCode(exitRefused, errors.Join(fmt.Errorf("no gatehouse runs on %s: start it, or name its data directory with --data", data), unlock()))
}
