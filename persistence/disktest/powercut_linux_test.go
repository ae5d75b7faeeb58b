package disktest_test

import (
	"os"
	"strconv"
	"testing"

	"gatehouse/persistence/disktest"
)

// number is an environment variable, as the Makefile sets it, or less.
func number(t *testing.T, name string, less int) int {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return less
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatalf("%s=%s: %v", name, text, err)
	}
	return n
}

// Hundreds of power cuts at any write, sync or rename, first creation included:
// not one acknowledged event or change is lost, and everything opens.
func TestSweepPowerCuts(t *testing.T) {
	d := disktest.Mount(t)
	first, lives := 0, (number(t, "CUTS", defaultCuts)+cutsPerLife-1)/cutsPerLife
	if seed := number(t, "SEED", -1); seed >= 0 {
		first, lives = seed, 1
	}
	cuts, events, changes := 0, uint64(0), 0
	for seed := first; seed < first+lives; seed++ {
		l := newLife(t, d, uint64(seed), disktest.Faults{})
		if err := l.run(); err != nil {
			t.Fatalf("life %d, after %d cuts: %v\nto see it again: make powercut SEED=%d", seed, l.cuts, err, seed)
		}
		cuts, events, changes = cuts+l.cuts, events+l.acked, changes+l.changes
	}
	t.Logf("%d power cuts in %d lives: %d events and %d changes were acknowledged, 0 lost", cuts, lives, events, changes)
	if lives > 5 && (events < uint64(cuts) || changes < cuts/4) {
		t.Error("hardly anything is acknowledged between two cuts: this proves nothing")
	}
}

// The controls: a disk that lies about its syncs, and a product that would leave
// out those of files or those of directories, must lose something, or the cuts
// prove nothing.
func TestPowerCutsWithoutSyncsLose(t *testing.T) {
	d := disktest.Mount(t)
	for name, lie := range map[string]disktest.Faults{
		"all syncs": {LieFiles: true, LieDirs: true}, "of files": {LieFiles: true}, "of directories": {LieDirs: true},
	} {
		lost := 0
		var last error
		const lives = 20
		for seed := range uint64(lives) {
			if err := newLife(t, d, seed, lie).run(); err != nil {
				lost, last = lost+1, err
			}
		}
		t.Logf("%s left out: %d of %d lives lost something, such as: %v", name, lost, lives, last)
		if lost < lives/2 {
			t.Errorf("%s left out, and only %d of %d lives lost anything", name, lost, lives)
		}
	}
}
