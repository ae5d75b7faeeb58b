package devicetest_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gatehouse/devices"
	"gatehouse/devices/devicetest"
	"gatehouse/devices/virtual"
)

func openDoor(t *testing.T, rig *virtual.Rig) devices.Bundle {
	t.Helper()
	b, err := rig.Driver().Open(devices.Config{ID: "door 1"})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// record has a recorder listen to a rig while play moves it; the recorder's
// clock goes 250 ms further each time it is looked at.
func record(t *testing.T, play func(*virtual.Rig)) string {
	t.Helper()
	rig := virtual.New(virtual.Options{})
	rig.Move("door 1/tamper", true)
	var trace bytes.Buffer
	var now time.Duration
	rec := devicetest.NewRecorder(&trace, func() time.Duration { now += 250 * time.Millisecond; return now })
	rec.Device("door 1", openDoor(t, rig))
	play(rig)
	if err := rec.Close(); err != nil {
		t.Error(err)
	}
	play(rig) // after Close nothing is recorded
	return trace.String()
}

func TestRecordAndPlayBack(t *testing.T) {
	origin := devices.Origin{File: `prox "log".csv`, Row: 7, Order: 3}
	full := devices.CardRead{Bits: 128}
	for i := range full.Raw {
		full.Raw[i] = byte(0xf0 + i)
	}
	trace := record(t, func(rig *virtual.Rig) {
		rig.Present("door 1/in", devices.CardRead{Bits: 26, Raw: [16]byte{0x01, 0xf3, 0xa9, 0xc0}, Origin: origin})
		rig.Move("door 1/contact", true)
		rig.Present("door 1/out", full)
		rig.Present("door 1/out", devices.CardRead{})
		rig.Present("door 1/out", devices.CardRead{Bits: 8, Raw: [16]byte{0x10}})
		rig.Move("door 1/contact", false)
	})
	want := strings.Join([]string{
		`gatehouse trace 1`,
		`250ms input "door 1/tamper" true`,
		`500ms read "door 1/in" 26 01f3a9c0 "prox \"log\".csv" 7 3`,
		`750ms input "door 1/contact" true`,
		`1s read "door 1/out" 128 f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff "" 0 0`,
		`1.25s read "door 1/out" 0 00 "" 0 0`,
		`1.5s read "door 1/out" 8 10 "" 0 0`,
		`1.75s input "door 1/contact" false`,
		``,
	}, "\n")
	if diff := cmp.Diff(want, trace); diff != "" {
		t.Fatal(diff)
	}

	rig := virtual.New(virtual.Options{})
	var again bytes.Buffer
	var now time.Duration
	rec := devicetest.NewRecorder(&again, func() time.Duration { return now })
	rec.Device("door 1", openDoor(t, rig))
	err := devicetest.Playback(strings.NewReader(trace), rig, func(at time.Duration) error { now = at; return nil })
	if err := errors.Join(err, rec.Close()); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(trace, again.String()); diff != "" {
		t.Errorf("a recording of the playback differs: %s", diff)
	}
}

func TestPlaybackOfBadTraces(t *testing.T) {
	const good = "gatehouse trace 1\n0s input \"d/contact\" true\n"
	for name, trace := range map[string]string{
		"empty":             "",
		"another version":   "gatehouse trace 2\n",
		"line 3: no kind":   good + "1s",
		"line 3: kind":      good + `1s lock "d/lock" true`,
		"line 3: level":     good + `1s input "d/contact" open`,
		"line 3: time":      good + `soon input "d/contact" true`,
		"line 3: no quotes": good + `1s input d/contact true`,
		"line 3: garbage":   good + `1s input "d/contact" true !`,
		"line 3: odd hex":   good + `1s read "d/in" 26 123 "" 0 0`,
		"line 3: no hex":    good + `1s read "d/in" 26 xy "" 0 0`,
		"line 3: long hex":  good + `1s read "d/in" 26 ` + strings.Repeat("11", 17) + ` "" 0 0`,
		"line 3: no origin": good + `1s read "d/in" 26 11`,
		"line 3: blank":     good + "\n" + `1s input "d/contact" false`,
	} {
		rig := virtual.New(virtual.Options{})
		err := devicetest.Playback(strings.NewReader(trace), rig, nil)
		line, _, _ := strings.Cut(name, ":")
		if !errors.Is(err, devicetest.ErrBadTrace) || (strings.HasPrefix(line, "line") && !strings.Contains(err.Error(), line)) {
			t.Errorf("%s: got %v", name, err)
		}
		if active, _ := rig.Input("d/contact").Level(); active != strings.HasPrefix(trace, good) {
			t.Errorf("%s: the steps before the wrong one: contact %v", name, active)
		}
	}
}

func TestPlaybackEndsWhenTold(t *testing.T) {
	trace := "gatehouse trace 1\n1s input \"d/a\" true\n2s input \"d/b\" true\n"
	rig := virtual.New(virtual.Options{})
	err := devicetest.Playback(strings.NewReader(trace), rig, func(at time.Duration) error {
		if at > time.Second {
			return fs.ErrClosed
		}
		return nil
	})
	a, _ := rig.Input("d/a").Level()
	b, _ := rig.Input("d/b").Level()
	if !errors.Is(err, fs.ErrClosed) || !a || b {
		t.Errorf("got %v, a %v, b %v", err, a, b)
	}
}

type fullDisk struct{ room int }

func (d *fullDisk) Write(p []byte) (int, error) {
	if d.room--; d.room < 0 {
		return 0, errors.New("disk full")
	}
	return len(p), nil
}

func TestRecorderKeepsItsFirstError(t *testing.T) {
	rig := virtual.New(virtual.Options{})
	disk := &fullDisk{room: 2}
	rec := devicetest.NewRecorder(disk, func() time.Duration { return 0 })
	rec.Device("door 1", openDoor(t, rig))
	for i := range 4 {
		rig.Move("door 1/contact", i%2 == 0)
	}
	if err := rec.Close(); fmt.Sprint(err) != "disk full" || disk.room != -1 {
		t.Errorf("got %v, tried %d times more", err, -1-disk.room)
	}
}
