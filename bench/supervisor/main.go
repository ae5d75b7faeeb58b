// Command supervisor measures the runtime beside stock protoactor: messages,
// asks, restarts, crowds of actors and timers. It prints a line for each row.
// The two sides of a row take turns in one run, so that a busy machine slows
// both, and the best of five counts. It must not be used as a test: what it
// prints depends on the machine.
package main

import (
	"flag"
	"fmt"
	"os"
	"strings"
)

func main() {
	only := flag.String("row", "", "run only rows whose name contains this")
	flag.Parse()
	if !run(contests(), *only) {
		fmt.Fprintf(os.Stderr, "bench: no row's name contains %q\n", *only)
		os.Exit(2)
	}
}

// contests lists all that is measured. Crowds come first: the registry's maps
// never shrink, and what they need belongs to the bytes of a child.
func contests() []contest {
	return []contest{
		dynamicCrowd(), staticCrowd(),
		tell(1, bounded), tell(4, bounded), tell(1, unbounded), tell(4, unbounded),
		askOutside(), askInside(), fullMailbox(),
		restart(), lateRestart(), massExit(),
		tickCost(), drift(),
	}
}

// run measures the contests that have a row of that name; false: there is none.
func run(all []contest, only string) bool {
	found := false
	for _, c := range all {
		if !c.matches(only) {
			continue
		}
		if !found {
			fmt.Printf("%-50s %12s %12s %6s  %-15s %-7s %s\n", "row", "ours", "stock", "ratio", "aim", "", "stock is")
		}
		found = true
		c.play(only)
	}
	return found
}

func (c *contest) matches(only string) bool {
	for _, r := range c.rows {
		if strings.Contains(r.name, only) {
			return true
		}
	}
	return false
}
