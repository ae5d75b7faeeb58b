package journal

import (
	"bytes"
	"encoding/json"
	"math"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gatehouse/access"
)

// python runs the reader that docs/JOURNAL.md comes with.
func python(t *testing.T, dir string) (events []map[string]any, stderr string, err error) {
	t.Helper()
	const name = "python3"
	path, err := exec.LookPath(name)
	if err != nil && os.Getenv("CI") == "true" {
		t.Fatal("CI needs python3: the format's second reader was not run")
	}
	if err != nil {
		t.Skip("NOT RUN: python3 is missing, so the format's second reader was not compared")
	}
	var out, said bytes.Buffer
	cmd := exec.Command(path, "../../docs/read_journal.py", dir)
	cmd.Stdout, cmd.Stderr = &out, &said
	err = cmd.Run()
	for line := range strings.Lines(out.String()) {
		d := json.NewDecoder(strings.NewReader(line))
		d.UseNumber()
		var e map[string]any
		if err := d.Decode(&e); err != nil {
			t.Fatalf("%v in %q", err, line)
		}
		events = append(events, e)
	}
	return events, said.String(), err
}

// pythonLife is of the journal that both read.
var pythonLife = Life([]byte("0123456789abcdef"))

// unusual are events at the edges of the format.
func unusual() []access.Event {
	huge := strings.Repeat("ü", 3000)
	return []access.Event{
		{Kind: access.KindStarted},
		{Kind: access.KindTamper, Detail: huge, Source: access.Source{Number: 1}},
		{Kind: access.KindGap, Count: math.MaxUint64, Mono: math.MinInt64, Clock: 255, Reason: math.MaxUint16, Mode: 255},
		{Kind: reservedKinds - 1, Door: "tür \"7\"\n", Source: access.Source{Name: "x", Boot: math.MaxUint64, Run: 1, Number: 2}},
		{Kind: access.KindNone, Door: "d", Source: access.Source{Name: ""}, Origin: access.Origin{File: "a,b.csv", Row: 1, Order: 1 << 63}},
		{
			Kind: access.KindDenied, Door: "d", Reader: "r", Cardholder: "\u0000", Credential: "c", Operator: "o",
			From: "f", To: "t", Held: "h", Cause: 7, Detail: "\u2028", Source: access.Source{Name: "door/d", Number: 3},
		},
	}
}

// A reader in another language, written after docs/JOURNAL.md alone, sees the same
// events, and finds what is wrong.
func TestPythonReadsTheSame(t *testing.T) {
	dir := t.TempDir()
	j, err := Open(Options{Dir: dir, Building: "b", Boot: 7, Epoch: 9, SegmentBytes: 8000, life: pythonLife})
	if err != nil {
		t.Fatal(err)
	}
	number := uint64(10)
	for len(j.Segments()) < 4 {
		batch := unusual()
		for i := range batch {
			batch[i].Source.Boot = number // so that none is a repeat
			batch[i].Origin.Order = 0
		}
		number++
		commit(t, j, append(batch, grant(number)))
	}
	var want []map[string]any
	err = j.Scan(func(e access.Event) error { want = append(want, asPython(&e)); return nil })
	if err != nil {
		t.Fatal(err)
	}
	second := j.Segments()[1].Path
	_ = j.Close()
	got, said, err := python(t, dir)
	if err != nil || said != "" {
		t.Fatalf("%v: %s", err, said)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-gatehouse +python):\n%s", diff)
	}
	raw, err := os.ReadFile(second)
	if err != nil {
		t.Fatal(err)
	}
	for at := 5; at < len(raw); at += len(raw) / 4 {
		raw[at] ^= 16
		if err := os.WriteFile(second, raw, 0o600); err != nil {
			t.Fatal(err)
		}
		raw[at] ^= 16
		if _, said, err := python(t, dir); err == nil || !strings.Contains(said, "damaged at byte") {
			t.Errorf("a flipped bit in byte %d was not found: %v, %s", at, err, said)
		}
	}
}

// asPython is an event in the words of read_journal.py.
func asPython(e *access.Event) map[string]any {
	m := map[string]any{"source": e.Source.Name}
	number := func(name string, v uint64, always bool) {
		if v != 0 || always {
			m[name] = json.Number(strconv.FormatUint(v, 10))
		}
	}
	signed := func(name string, v int64) { m[name] = json.Number(strconv.FormatInt(v, 10)) }
	text := func(name, v string) {
		if v != "" {
			m[name] = v
		}
	}
	number("seq", e.Seq, true)
	number("epoch", 9, true)
	text("life", pythonLife.String())
	number("kind", uint64(e.Kind), true)
	signed("wall", toWall(e.Time))
	signed("mono", int64(e.Mono))
	number("clock", uint64(e.Clock), false)
	number("boot", e.Source.Boot, false)
	number("run", e.Source.Run, false)
	number("number", e.Source.Number, false)
	number("reason", uint64(e.Reason), false)
	number("mode", uint64(e.Mode), false)
	number("cause", e.Cause, false)
	number("row", e.Origin.Row, false)
	number("order", e.Origin.Order, false)
	number("count", e.Count, false)
	text("door", string(e.Door))
	text("reader", string(e.Reader))
	text("cardholder", string(e.Cardholder))
	text("credential", string(e.Credential))
	text("operator", string(e.Operator))
	text("from", string(e.From))
	text("to", string(e.To))
	text("held", string(e.Held))
	text("file", e.Origin.File)
	text("detail", e.Detail)
	return m
}
