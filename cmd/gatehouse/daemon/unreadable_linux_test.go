package daemon

import (
	"context"
	"errors"
	"os"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"gatehouse/access"
	"gatehouse/cmd/gatehouse/site"
	"gatehouse/persistence/archive"
	"gatehouse/persistence/journal"
)

// A segment that the disk cannot read keeps no other out of the archive: the journal
// says what is lost, and the night goes on.
func TestAnUnreadableSegmentHoldsUpNoOther(t *testing.T) {
	j, err := journal.Open(journal.Options{Dir: t.TempDir(), Building: "b", SegmentBytes: 1})
	if err != nil {
		t.Fatal(err)
	}
	for range 4 {
		if err := j.Commit([]access.Event{{Kind: access.KindDoorOpened}}); err != nil {
			t.Fatal(err)
		}
	}
	bad := j.Segments()[1].Path
	if err := errors.Join(os.Remove(bad), os.Symlink("/proc/self/mem", bad)); err != nil { // at 0 it gives EIO
		t.Fatal(err)
	}
	_, recipient, err := archive.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	l := &liveJournal{Journal: j, stamp: func(*access.Event) {}, log: zerolog.Nop()}
	a := &liveArchive{
		conf: site.Archive{Dir: t.TempDir(), Recipients: []string{recipient}}, building: "b", journal: l,
		now: func() time.Time { return time.Time{} }, bucket: archive.Bucket{BytesPerSecond: 1 << 30, BurstBytes: 1 << 30},
		await: func(context.Context, time.Duration) error { return nil },
	}
	for n := uint64(1); n <= 3; n++ {
		if err := a.Add(t.Context()); err != nil || a.Status().Last != n {
			t.Fatalf("segment %d: archived up to %d, %v", n, a.Status().Last, err)
		}
	}
	events, err := l.Read(0, 10)
	if err != nil || len(events) != 4 || events[3].Kind != access.KindGap || events[3].Count != 1 {
		t.Errorf("%+v, %v", events, err)
	}
	if l.damage == nil {
		t.Error("no alarm")
	}
	if err := errors.Join(a.Close(), j.Close()); err != nil {
		t.Fatal(err)
	}
}
