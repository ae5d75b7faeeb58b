package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"gatehouse/access"
	"gatehouse/cmd/gatehouse/daemon"
	"gatehouse/cmd/gatehouse/site"
	"gatehouse/devices"
	"gatehouse/devices/virtual"
	"gatehouse/persistence/archive"
	"gatehouse/persistence/journal"
	"gatehouse/supervisor"
)

// The night of the tests: its events are of the evening before.
var (
	evening = time.Date(2026, 3, 3, 22, 0, 0, 0, time.UTC)
	two     = time.Date(2026, 3, 4, 2, 0, 0, 0, time.UTC)
)

func init() { programs["gatehouse-night"] = nightMain }

// nightOrder is what the daemon under test is told, nightReport what it answers.
type nightOrder struct {
	Data, Archive, Recipient string
	SegmentMB                uint32
	Early                    time.Duration // before two, at the start
}

type nightReport struct {
	Segments                          int
	Bytes                             uint64
	RSSBefore, RSSPeak, RSSAfter      int64 // anonymous memory in bytes
	GoroutinesBefore, GoroutinesAfter int
	GrantsBefore, GrantsDuring        int
	P50Before, P50During              time.Duration // from card to lock
	MaxBefore, MaxDuring              time.Duration
	Took                              time.Duration
}

// shifted is the machine with another time on its clock.
type shifted struct {
	*supervisor.Real
	by time.Duration
}

// Now keeps the monotonic reading.
func (s shifted) Now() time.Time { return s.Real.Now().Add(s.by) }

// A night in a daemon of its own process, under traffic: everything is archived, the
// doors go on, and afterwards there are as many goroutines as before. NIGHT_MB is how
// many megabytes of events there are; with it (make night) memory is judged, too.
func TestNight(t *testing.T) {
	megabytes, segment, judged := 12, uint32(4), false
	if text := os.Getenv("NIGHT_MB"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil {
			t.Fatal(err)
		}
		megabytes, judged = n, true
		segment = uint32(min(64, max(1, n/4)))
	}
	identity, recipient, err := archive.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	order := nightOrder{
		Data: filepath.Join(dir, "data"), Archive: dir, Recipient: recipient, SegmentMB: segment,
		Early: 5*time.Second + time.Duration(megabytes)*80*time.Millisecond, // what a start reads of the journal comes first
	}
	events := fillJournal(t, order, int64(megabytes)<<20)
	r := nightIn(t, order)
	if r.GrantsBefore < 10 {
		if judged {
			t.Fatal("the night came before it was quiet; try again on a machine that is less busy")
		}
		t.Skip("NOT TESTED: the machine is so busy that the night came before it was quiet")
	}
	const mb = 1 << 20
	t.Logf("%d events, %d segments, %d MB written and read back in %.1f s", events, r.Segments, r.Bytes/mb, r.Took.Seconds())
	t.Logf("RssAnon: %.1f MB before, %.1f MB at most, %.1f MB after: %.1f MB above", float64(r.RSSBefore)/mb, float64(r.RSSPeak)/mb, float64(r.RSSAfter)/mb, float64(r.RSSPeak-r.RSSBefore)/mb)
	t.Logf("goroutines: %d before, %d after", r.GoroutinesBefore, r.GoroutinesAfter)
	t.Logf("card to lock, record on disk first: p50 %v before, %v during, longest %v and %v; %d and %d grants",
		r.P50Before, r.P50During, r.MaxBefore, r.MaxDuring, r.GrantsBefore, r.GrantsDuring)
	if r.GoroutinesAfter > r.GoroutinesBefore { // fewer: what the start began was at work still
		t.Error("goroutines are left behind")
	}
	if r.GrantsDuring == 0 || r.Segments == 0 {
		t.Error("nothing happened")
	}
	if judged && r.RSSPeak-r.RSSBefore > 16*mb {
		t.Error("aim: at most 16 MB above")
	}
	ids, err := archive.ReadIdentities(strings.NewReader(identity))
	if err != nil {
		t.Fatal(err)
	}
	if h, err := archive.Verify(t.Context(), filepath.Join(dir, "epoch-1"), ids, nil, func(_ archive.Entry, err error) error { return err }); err != nil || h.Segments != r.Segments {
		t.Errorf("%d segments verified, %v", h.Segments, err)
	}
}

// fillJournal makes a journal of at least that many bytes.
func fillJournal(t *testing.T, o nightOrder, bytes int64) uint64 {
	t.Helper()
	if err := os.Mkdir(o.Data, 0o700); err != nil {
		t.Fatal(err)
	}
	j, err := journal.Open(journal.Options{
		Dir: daemon.JournalDir(o.Data), Building: "house", Boot: 1, SegmentBytes: int64(o.SegmentMB) << 20,
	})
	if err != nil {
		t.Fatal(err)
	}
	batch := make([]access.Event, journal.MaxBatch)
	size := int64(0)
	for n := uint64(0); size < bytes; {
		for i := range batch {
			n++
			batch[i] = access.Event{
				Time: evening.Add(time.Duration(n) * time.Millisecond), Kind: access.KindGranted, Door: "front", Reader: "in",
				Source:     access.Source{Name: "door/front", Boot: 1, Run: 1, Number: n},
				Cardholder: access.CardholderID(fmt.Sprintf("p-%d", n*7919%100_003)), Credential: access.CredentialID(fmt.Sprintf("c-%d", n*104_729%100_003)),
				Reason: access.ReasonCredential, From: access.Outside, To: "hall",
			}
		}
		if err := j.Commit(batch); err != nil {
			t.Fatal(err)
		}
		size = 0
		for _, s := range j.Segments() {
			size += s.Bytes
		}
	}
	last := j.Last()
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	return last
}

// nightIn runs the daemon in a process of its own.
func nightIn(t *testing.T, order nightOrder) (r nightReport) {
	t.Helper()
	text, err := json.Marshal(order)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("gatehouse-night", string(text))
	var log strings.Builder
	cmd.Stderr = &log
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, log.String())
	}
	if err := json.Unmarshal(out, &r); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return r
}

// nightMain is the program of that process.
func nightMain() {
	var order nightOrder
	err := json.Unmarshal([]byte(os.Args[1]), &order)
	var r nightReport
	if err == nil {
		r, err = runNight(order)
	}
	if err == nil {
		err = json.NewEncoder(os.Stdout).Encode(r)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// visitor is somebody who comes and goes, and watches the memory.
type visitor struct {
	rig   *virtual.Rig
	moved chan bool
	card  devices.CardRead
	took  []time.Duration
	rss   []int64
}

func runNight(order nightOrder) (r nightReport, err error) {
	s, err := site.Load(filepath.Join("testdata", "site.yaml"))
	if err != nil {
		return r, err
	}
	s.Journal.SegmentMB = order.SegmentMB
	s.Archive = site.Archive{Dir: order.Archive, At: "0 2 * * *", Recipients: []string{order.Recipient}, RateMBPerS: 10_000}
	v := &visitor{rig: virtual.New(virtual.Options{}), moved: make(chan bool, 16)}
	v.rig.OnMove(func(_ string, release bool) { v.moved <- release })
	format, err := access.ParseFormat("H10302")
	if err != nil {
		return r, err
	}
	if v.card.Bits, v.card.Raw, err = format.Encode(access.Card{Number: 31415926535}); err != nil {
		return r, err
	}
	d, err := daemon.Open(daemon.Options{
		Site: s, Data: order.Data, Executor: shifted{clock, two.Sub(clock.Now().Add(order.Early))}, Boot: 2,
		Drivers: []devices.Driver{v.rig.Driver()}, Log: zerolog.New(io.Discard),
	})
	if err != nil {
		return r, err
	}
	if err := d.Start(); err != nil {
		return r, err
	}
	if err := v.night(d, &r); err != nil {
		return r, err
	}
	_, err = d.Stop()
	return r, err
}

// night lets people come and go before the archive runs, and while it does.
func (v *visitor) night(d *daemon.Daemon, r *nightReport) error {
	status, _ := d.Building.Archive()
	if status.Last != 0 || status.Waiting == 0 {
		return errors.New("there is nothing to archive")
	}
	r.Segments = status.Waiting
	if err := v.first(); err != nil {
		return err
	}
	r.GoroutinesBefore = quiet()
	for ; status.Bytes == 0; status, _ = d.Building.Archive() {
		r.GoroutinesBefore = min(r.GoroutinesBefore, runtime.NumGoroutine()) // what a start has to do may take a while
		if err := v.visit(); err != nil {
			return err
		}
	}
	begin := clock.Now()
	if r.GrantsBefore = len(v.took); r.GrantsBefore < 10 {
		return nil // the machine is too busy: there is no before
	}
	r.RSSBefore = v.rss[len(v.rss)-2] // the last one may be of the night
	r.P50Before, r.MaxBefore = v.figures()
	v.rss = v.rss[len(v.rss)-1:]
	for status.Waiting > 0 {
		if err := v.visit(); err != nil {
			return err
		}
		status, _ = d.Building.Archive()
	}
	r.Took, r.Bytes, r.GrantsDuring = clock.Now().Sub(begin), status.Bytes, len(v.took)
	r.P50During, r.MaxDuring = v.figures()
	// On a busy machine the last turns may take longer than one look.
	for end := clock.Now(); ; {
		r.GoroutinesAfter = quiet()
		if r.GoroutinesAfter <= r.GoroutinesBefore || clock.Now().Sub(end) > patience {
			break
		}
	}
	r.RSSPeak, r.RSSAfter = slices.Max(v.rss), rssAnon()
	return nil
}

// first waits until the building knows where people are.
func (v *visitor) first() error {
	for begin := clock.Now(); clock.Now().Sub(begin) < 2*time.Minute; {
		v.rig.Present("front/in", v.card)
		if v.wait(true, 250*time.Millisecond) == nil {
			return v.passThrough()
		}
	}
	return errors.New("nobody is let in")
}

// visit is a card, and somebody who goes in.
func (v *visitor) visit() error {
	begin := clock.Now()
	v.rig.Present("front/in", v.card)
	if err := v.wait(true, patience); err != nil {
		return err
	}
	v.took = append(v.took, clock.Now().Sub(begin))
	return v.passThrough()
}

func (v *visitor) passThrough() error {
	v.rig.Input("front/contact").Set(true)
	clock.Wait(nil, 5*time.Millisecond)
	v.rig.Input("front/contact").Set(false)
	if err := v.wait(false, patience); err != nil {
		return err
	}
	v.rss = append(v.rss, rssAnon())
	clock.Wait(nil, 10*time.Millisecond)
	return nil
}

func (v *visitor) wait(release bool, limit time.Duration) error {
	for {
		select {
		case now := <-v.moved:
			if now == release {
				return nil
			}
		case <-after(limit):
			return fmt.Errorf("the lock is not released: %v", release)
		}
	}
}

func after(d time.Duration) <-chan struct{} {
	c := make(chan struct{})
	clock.AfterFunc(d, func() { close(c) })
	return c
}

// figures are p50 and the longest of the times so far, which begin anew.
func (v *visitor) figures() (p50, longest time.Duration) {
	slices.Sort(v.took)
	p50, longest = v.took[len(v.took)/2], v.took[len(v.took)-1]
	v.took = nil
	return p50, longest
}

// quiet is the number of goroutines once turns are over and none waits for another.
func quiet() int {
	least := runtime.NumGoroutine()
	for range 50 {
		clock.Wait(nil, 10*time.Millisecond)
		least = min(least, runtime.NumGoroutine())
	}
	return least
}

// rssAnon is the anonymous memory of this process in bytes.
func rssAnon() int64 {
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		panic(err)
	}
	_, rest, _ := strings.Cut(string(text), "RssAnon:")
	kib, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
	if err != nil {
		panic(err)
	}
	return kib << 10
}
