package index

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"testing"
	"time"

	"gatehouse/access"
	"gatehouse/persistence/journal"
)

// BenchmarkQuery prints how long searches in a real journal take, and the memory
// that they need. EVENTS is how many events it has; default 100,000.
func BenchmarkQuery(b *testing.B) {
	n := 100_000
	if s := os.Getenv("EVENTS"); s != "" {
		var err error
		if n, err = strconv.Atoi(s); err != nil {
			b.Fatal(err)
		}
	}
	dir := b.TempDir()
	begin := time.Now()
	write(b, filepath.Join(dir, "journal"), n)
	fmt.Printf("%-40s %10d in %v\n", "events written", n, time.Since(begin).Round(time.Millisecond))
	begin = time.Now()
	j, err := journal.Open(journal.Options{Dir: filepath.Join(dir, "journal"), Building: "b"})
	if err != nil {
		b.Fatal(err)
	}
	defer j.Close()
	fmt.Printf("%-40s %21v\n", "journal opened", time.Since(begin).Round(time.Microsecond))
	rss("before the index")
	x := New(filepath.Join(dir, "index"), j)
	begin = time.Now()
	advance(b, x)
	fmt.Printf("%-40s %21v %d bytes of files\n", "indexed", time.Since(begin).Round(time.Millisecond), size(b, filepath.Join(dir, "index")))
	rss("after it")
	begin = time.Now()
	x = New(filepath.Join(dir, "index"), j)
	advance(b, x)
	fmt.Printf("%-40s %21v\n", "opened again", time.Since(begin).Round(time.Microsecond))
	queries(b, x, j)
	rss("after the searches")
}

// pace makes 10,000,000 events fill 8 years.
const pace = 25 * time.Second

// queries prints a line for each search: its first page, the best of 5.
func queries(b *testing.B, x *Index, j *journal.Journal) {
	last := j.Last()
	at := func(share uint64) time.Time { return epoch.Add(time.Duration(last/8*share) * pace) }
	for _, c := range []struct {
		name string
		f    access.Filter
	}{
		{"the newest", access.Filter{}},
		{"a rare person", access.Filter{Cardholder: "rare"}},
		{"nobody", access.Filter{Cardholder: "nobody"}},
		{"one of 5,000 people", access.Filter{Cardholder: "p-1000"}},
		{"a door", access.Filter{Door: "door-7"}},
		{"a door's rare kind", access.Filter{Door: "door-7", Kind: access.KindTamper}},
		{"a rare person at a door", access.Filter{Cardholder: "rare", Door: "door-7"}},
		{"an hour, 4 years ago", access.Filter{From: at(4), Until: at(4).Add(time.Hour)}},
		{"a person's month", access.Filter{Cardholder: "p-1000", From: at(4), Until: at(4).Add(30 * 24 * time.Hour)}},
		{"before all", access.Filter{Until: epoch.Add(-time.Hour * 1000)}},
	} {
		best, found, pages := time.Hour, 0, 0
		for range 5 {
			s := access.Search{Filter: c.f, Newest: true, At: 1<<64 - 1, Limit: 100}
			found, pages = 0, 0
			begin := time.Now()
			for more := true; more && found < 100; pages++ {
				p, err := x.Find(b.Context(), s)
				if err != nil {
					b.Fatal(err)
				}
				found += len(p.Events)
				s.At, more = p.Next, p.More
			}
			best = min(best, time.Since(begin))
		}
		fmt.Printf("  %-38s %21v %d events in %d pages\n", c.name, best.Round(time.Microsecond), found, pages)
	}
}

// write makes a journal of n events.
func write(b *testing.B, dir string, n int) {
	j, err := journal.Open(journal.Options{Dir: dir, Building: "b"})
	if err != nil {
		b.Fatal(err)
	}
	r := rand.New(rand.NewPCG(1, 1))
	batch := make([]access.Event, 0, journal.MaxBatch)
	for seq := range uint64(n) {
		e := event(r, seq+1)
		e.Time = epoch.Add(time.Duration(seq) * pace) // clocks jump, but not each hour
		if seq%100_003 == 0 {
			e.Cardholder, e.Kind = "rare", access.KindTamper
		}
		if batch = append(batch, e); len(batch) == cap(batch) || int(seq)+1 == n {
			if err := j.Commit(batch); err != nil {
				b.Fatal(err)
			}
			batch = batch[:0]
		}
	}
	if err := j.Close(); err != nil {
		b.Fatal(err)
	}
}

func size(b *testing.B, dir string) (total int64) {
	list, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		b.Fatal(err)
	}
	for _, path := range list {
		info, err := os.Stat(path)
		if err != nil {
			b.Fatal(err)
		}
		total += info.Size()
	}
	return total
}

// rss prints what the process holds in memory of its own.
func rss(when string) {
	runtime.GC()
	text, _ := os.ReadFile("/proc/self/status") // elsewhere nothing is printed
	for line := range bytes.Lines(text) {
		if f := bytes.Fields(line); len(f) == 3 && slices.Equal(f[0], []byte("RssAnon:")) {
			fmt.Printf("%-40s %18s kB\n", "RssAnon "+when, f[1])
		}
	}
}
