// Command journal measures the journal beside bbolt used as one, and beside a bare
// file that is appended to and synced. It prints a line for each row. The three
// take turns in one run, each with the same writer, which commits whatever queued
// during its last commit; the best of five counts. It must not be used as a test:
// what it prints depends on the machine and its disk.
package main

import (
	"flag"
	"fmt"
	"os"
	"strings"
)

func main() {
	only := flag.String("row", "", "run only rows whose name contains this")
	dir := flag.String("dir", ".", "directory on the disk to measure; what is made in it is removed")
	flag.Parse()
	found := false
	fmt.Printf("%-46s %12s %12s %7s  %-14s %s\n", "row", "ours", "peer", "ratio", "aim", "")
	for _, c := range contests() {
		if strings.Contains(c.name, *only) {
			found = true
			c.play(*dir)
		}
	}
	if !found {
		fmt.Fprintf(os.Stderr, "bench: no row's name contains %q\n", *only)
		os.Exit(2)
	}
}

// contests lists all that is measured.
func contests() (all []contest) {
	for _, n := range []int{1, 8, 64} {
		all = append(all, producers(n))
	}
	for _, n := range []int{1, 10, 100, 1000} {
		all = append(all, groups(n))
	}
	return append(all, written(1), written(64), allocations())
}
