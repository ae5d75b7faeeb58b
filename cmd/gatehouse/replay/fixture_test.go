package replay

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"gatehouse/access"
	"gatehouse/cmd/gatehouse/site"
	"gatehouse/persistence/journal"
	"gatehouse/supervisor/supervisortest"
)

const (
	moduleRoot = "../../.."
	sitePath   = moduleRoot + "/examples/embassy/site.yaml"
	// raceRows is how much of the recording the heavy tests play under the race
	// detector: a replay is single-threaded, so it finds nothing there.
	raceRows = 1000
)

// TestMain plays the part of the process that is killed.
func TestMain(m *testing.M) {
	if spec := os.Getenv(childEnv); spec != "" {
		os.Exit(child(spec))
	}
	dir, err := os.MkdirTemp("", "gatehouse-replay-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	scratch = dir
	code := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

// scratch is a directory that outlives every single test.
var scratch string

func embassy(t testing.TB) *site.Site {
	t.Helper()
	s, err := site.Load(sitePath)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// options of a replay whose report goes to the returned buffer.
func options(t testing.TB, data, file string) (Options, *bytes.Buffer) {
	t.Helper()
	var out bytes.Buffer
	return Options{
		Site: embassy(t), Data: data, Format: Vast2009, File: file, Report: formJSON,
		Out: &out, Err: t.Output(), Clock: func() time.Time { return time.Time{} },
	}, &out
}

func mustRun(t testing.TB, o Options) {
	t.Helper()
	if err := Run(context.Background(), o); err != nil {
		t.Fatal(err)
	}
}

// memDir is a directory in memory where there is one: who is killed or compared
// needs no slow disk.
func memDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "gatehouse-replay-")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// recordingFile is the real recording, or a made one where it is not.
func recordingFile(t testing.TB) string {
	t.Helper()
	shared := os.Getenv("GATEHOUSE_SHARED")
	if shared == "" {
		shared = moduleRoot + "/../shared"
	}
	path := filepath.Join(shared, "data", "vast2009", "proxLog.csv")
	if _, err := os.Stat(path); err == nil {
		return path
	}
	if os.Getenv("CI") == "true" {
		t.Fatalf("the recording vast2009/proxLog.csv is required in CI: put the folder shared beside the module root or name it by GATEHOUSE_SHARED")
	}
	t.Log("vast2009/proxLog.csv is not there: a made recording of the same format takes its place")
	path = filepath.Join(scratch, "proxLog.csv")
	writeFile(t, path, madeRecording(2009, 60, 31))
	return path
}

func writeFile(t testing.TB, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// madeRecording is a month like the real one: people forget to badge in, tailgate
// into and out of the classified area, and share minutes.
func madeRecording(seed uint64, people, days int) string {
	r := rand.New(rand.NewPCG(seed, 0))
	var b strings.Builder
	b.WriteString(vastHeader + "\n")
	for who := range people {
		for day := 1; day <= days; day++ {
			minute := 7*60 + r.IntN(90)
			tailgates := r.IntN(20) == 0
			badge := func(kind string) {
				if minute++; r.IntN(50) > 0 && !(tailgates && kind == "prox-in-building") {
					fmt.Fprintf(&b, "2008-01-%02dT%02d:%02d,%d,%s\n", day, minute/60, minute%60, who, kind)
				}
				minute += r.IntN(40)
			}
			for range 2 {
				badge("prox-in-building")
				badge("prox-in-classified")
				badge("prox-out-classified")
			}
		}
	}
	return b.String()
}

// beginning is the first rows of the recording, about as many as asked for.
func beginning(t testing.TB, file string, rows int) string {
	t.Helper()
	o, _ := options(t, "", file)
	rec, err := load(o)
	if err != nil {
		t.Fatal(err)
	}
	last := rec.rows[min(rows, len(rec.rows))-1].at.Format(vastTime)
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	kept := []string{vastHeader}
	for _, line := range strings.Split(strings.TrimSpace(string(text)), "\n")[1:] {
		if line[:len(vastTime)] <= last {
			kept = append(kept, line)
		}
	}
	path := filepath.Join(scratch, "beginning.csv")
	writeFile(t, path, strings.Join(kept, "\n"))
	return path
}

// outcome is what of an event must not depend on interruptions.
type outcome struct {
	File       string
	Row, Order uint64
	Time       time.Time
	Kind       access.Kind
	Reason     access.Reason
	Door       access.DoorID
	Reader     access.ReaderID
	Person     access.CardholderID
	From, To   access.AreaID
	Held       access.AreaID
}

// outcomes are the decisions and passages in a data directory, in their order.
func outcomes(t testing.TB, data string) (list []outcome) {
	t.Helper()
	j, err := journal.OpenReadOnly(filepath.Join(data, journalDir), "")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = j.Close() }()
	err = j.Scan(func(e access.Event) error {
		switch e.Kind {
		case access.KindGranted, access.KindDenied, access.KindPassage:
			list = append(list, outcome{
				e.Origin.File, e.Origin.Row, e.Origin.Order, e.Time, e.Kind, e.Reason,
				e.Door, e.Reader, e.Cardholder, e.From, e.To, e.Held,
			})
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// played is an uninterrupted replay.
type played struct {
	file     string
	report   []byte
	outcomes []outcome
}

func play(t testing.TB, data, file string) played {
	t.Helper()
	o, out := options(t, data, file)
	mustRun(t, o)
	return played{file, out.Bytes(), outcomes(t, data)}
}

func (p played) decoded(t testing.TB) (r Report) {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(p.report))
	d.DisallowUnknownFields()
	if err := d.Decode(&r); err != nil {
		t.Fatal(err)
	}
	return r
}

// once is an uninterrupted replay that is made once for all tests.
type once struct {
	sync.Once
	played
}

func (o *once) get(t testing.TB, make func() played) played {
	t.Helper()
	o.Do(func() { o.played = make() })
	if o.report == nil {
		t.Fatal("this replay failed in another test")
	}
	return o.played
}

var whole, part once

func wholeRecording(t testing.TB) played {
	t.Helper()
	return whole.get(t, func() played { return play(t, memDir(t), recordingFile(t)) })
}

// heavyRecording is the whole recording, its beginning under the race detector.
func heavyRecording(t testing.TB) played {
	t.Helper()
	if !supervisortest.RaceEnabled {
		return wholeRecording(t)
	}
	return part.get(t, func() played { return play(t, memDir(t), beginning(t, recordingFile(t), raceRows)) })
}
