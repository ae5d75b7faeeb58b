package journal

import (
	"math"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/encoding/protowire"
	"pgregory.net/rapid"

	"gatehouse/access"
)

// grant is what a door records for a person let in.
func grant(number uint64) access.Event {
	return access.Event{
		Time: time.Date(2026, 3, 29, 1, 59, 59, 123456789, time.UTC), Mono: 40 * 24 * time.Hour,
		Clock: access.ClockSynchronised, Kind: access.KindGranted,
		Source: access.Source{Name: "door/door-12", Boot: math.MaxUint32, Run: 3, Number: number},
		Door:   "door-12", Reader: "in", Cardholder: "p-0417", Credential: "c-0417",
		Reason: access.ReasonCredential, From: access.Outside, To: "building",
	}
}

func decodeFrame(raw []byte) (access.Event, error) {
	w := newWindow(strings.NewReader(string(raw)), int64(len(raw)), len(raw))
	f, _, err := w.frame(0)
	if err != nil {
		return access.Event{}, err
	}
	return f.event()
}

func TestTypicalGrantFits120Bytes(t *testing.T) {
	e := grant(1_000_000)
	raw, cut := appendEventFrame(nil, &e, 1<<40)
	t.Logf("typical grant: %d bytes as a frame", len(raw))
	if len(raw) > 120 || cut != 0 {
		t.Errorf("a typical grant takes %d bytes (cut %d), at most 120 allowed", len(raw), cut)
	}
	if trailer := appendTrailer(nil, 1, 0, 1, make([]byte, 32)); len(trailer) != 68 {
		t.Errorf("a trailer takes %d bytes, want 68", len(trailer))
	}
}

func anyEvent() *rapid.Generator[access.Event] {
	text := rapid.StringN(0, 20, 60)
	return rapid.Custom(func(t *rapid.T) access.Event {
		s := func(label string) string { return text.Draw(t, label) }
		u := func(label string) uint64 { return rapid.Uint64().Draw(t, label) }
		e := access.Event{
			Seq: u("seq"), Mono: time.Duration(rapid.Int64().Draw(t, "mono")),
			Clock:  access.ClockQuality(rapid.Uint8().Draw(t, "clock")),
			Kind:   access.Kind(rapid.Uint16Max(reservedKinds-1).Draw(t, "kind")),
			Source: access.Source{Name: s("name"), Boot: u("boot"), Run: u("run"), Number: u("number")},
			Origin: access.Origin{File: s("file"), Row: u("row"), Order: u("order")},
			Door:   access.DoorID(s("door")), Reader: access.ReaderID(s("reader")),
			Cardholder: access.CardholderID(s("holder")), Credential: access.CredentialID(s("credential")),
			Operator: access.OperatorID(s("operator")), Reason: access.Reason(rapid.Uint16().Draw(t, "reason")),
			Mode: access.Mode(rapid.Uint8().Draw(t, "mode")),
			From: access.AreaID(s("from")), To: access.AreaID(s("to")), Held: access.AreaID(s("held")),
			Count: u("count"), Detail: s("detail"), Cause: u("cause"),
		}
		if rapid.Bool().Draw(t, "timed") {
			e.Time = time.Unix(rapid.Int64Range(-9e9, 9e9).Draw(t, "s"), rapid.Int64Range(0, 999999999).Draw(t, "ns")).UTC()
		}
		if rapid.Bool().Draw(t, "by door") {
			e.Source.Name = "door/" + string(e.Door)
		}
		return e
	})
}

func TestEventRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := anyEvent().Draw(t, "event")
		raw, cut := appendEventFrame(nil, &want, want.Seq)
		if cut != 0 {
			t.Fatalf("cut %d bytes of a small event", cut)
		}
		got, err := decodeFrame(raw)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatal(diff)
		}
	})
}

func TestTimesThatDoNotFitAreKeptAsNoTime(t *testing.T) {
	for _, when := range []time.Time{{}, time.Date(1, 2, 3, 0, 0, 0, 0, time.UTC), time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)} {
		e := access.Event{Kind: access.KindStarted, Time: when}
		raw, _ := appendEventFrame(nil, &e, 1)
		if got, err := decodeFrame(raw); err != nil || !got.Time.IsZero() {
			t.Errorf("%v came back as %v, %v", when, got.Time, err)
		}
	}
}

func TestTooLongTextsAreCutAndMarked(t *testing.T) {
	huge := strings.Repeat("ü", 5000)
	all := access.Event{
		Door: access.DoorID(huge), Reader: access.ReaderID(huge), Cardholder: access.CardholderID(huge),
		Credential: access.CredentialID(huge), Operator: access.OperatorID(huge),
		From: access.AreaID(huge), To: access.AreaID(huge), Held: access.AreaID(huge),
		Source: access.Source{Name: huge, Boot: math.MaxUint64, Run: math.MaxUint64, Number: math.MaxUint64},
		Origin: access.Origin{File: huge, Row: math.MaxUint64, Order: math.MaxUint64},
		Count:  math.MaxUint64, Cause: math.MaxUint64, Detail: huge,
		Clock: 255, Mode: 255, Reason: math.MaxUint16, Kind: access.KindTamper,
	}
	tests := map[string]access.Event{
		"detail": {Kind: access.KindTamper, Door: "d", Detail: huge},
		"door":   {Kind: access.KindTamper, Door: access.DoorID(huge), Source: access.Source{Name: "door/" + huge}},
		"all":    all,
		"binary": {Kind: access.KindTamper, Detail: strings.Repeat("\x80", 9000)},
	}
	for name, e := range tests {
		t.Run(name, func(t *testing.T) {
			raw, cut := appendEventFrame(nil, &e, 1)
			if cut == 0 || len(raw) > maxFrame {
				t.Fatalf("cut %d, frame of %d bytes, at most %d allowed", cut, len(raw), maxFrame)
			}
			got, err := decodeFrame(raw)
			if err != nil {
				t.Fatal(err)
			}
			if !strings.HasSuffix(got.Detail, " bytes cut]") {
				t.Errorf("no mark at the end of %q", got.Detail)
			}
			if name != "binary" && (!utf8.ValidString(got.Detail) || !utf8.ValidString(string(got.Door))) {
				t.Error("half a letter was kept")
			}
		})
	}
}

func TestLongestDetailIsKeptWhole(t *testing.T) {
	e := access.Event{Kind: access.KindTamper, Detail: strings.Repeat("x", maxPayload-4)}
	raw, cut := appendEventFrame(nil, &e, 1)
	got, err := decodeFrame(raw)
	if cut != 0 || err != nil || got.Detail != e.Detail || len(raw) != maxFrame {
		t.Errorf("cut %d, %v, %d bytes", cut, err, len(raw))
	}
}

func TestPayloadsThatAreNoEvent(t *testing.T) {
	tests := map[string][]byte{
		"truncated tag":       {0x80},
		"text as a number":    protowire.AppendVarint(protowire.AppendTag(nil, fieldDoor, protowire.VarintType), 1),
		"number as text":      protowire.AppendString(protowire.AppendTag(nil, fieldCount, protowire.BytesType), "1"),
		"number as fixed":     protowire.AppendFixed64(protowire.AppendTag(nil, fieldCount, protowire.Fixed64Type), 1),
		"mode out of range":   protowire.AppendVarint(protowire.AppendTag(nil, fieldMode, protowire.VarintType), 256),
		"clock out of range":  protowire.AppendVarint(protowire.AppendTag(nil, fieldClock, protowire.VarintType), 256),
		"reason out of range": protowire.AppendVarint(protowire.AppendTag(nil, fieldReason, protowire.VarintType), 65536),
		"text without end":    append(protowire.AppendTag(nil, fieldDoor, protowire.BytesType), 9, 'x'),
	}
	for name, payload := range tests {
		if _, err := decodeEvent(payload); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestUnknownFieldsAreSkipped(t *testing.T) {
	e := grant(1)
	payload, _ := appendEvent(nil, &e)
	payload = protowire.AppendString(protowire.AppendTag(payload, 99, protowire.BytesType), "later")
	payload = protowire.AppendVarint(protowire.AppendTag(payload, 98, protowire.VarintType), 7)
	payload = protowire.AppendFixed32(protowire.AppendTag(payload, 97, protowire.Fixed32Type), 7)
	got, err := decodeEvent(payload)
	if err != nil || got.Door != "door-12" || got.To != "building" {
		t.Errorf("%+v, %v", got, err)
	}
}

// FuzzDecode: no bytes make the decoder panic, and what it accepts it also
// writes and reads back the same.
func FuzzDecode(f *testing.F) {
	e := grant(1)
	raw, _ := appendEventFrame(nil, &e, 7)
	f.Add(raw)
	f.Add(appendTrailer(nil, 1, 0, 1, make([]byte, 32)))
	f.Add(raw[:50])
	f.Fuzz(func(t *testing.T, b []byte) {
		_, _ = decodeFrame(b)
		if len(b) > maxPayload {
			return
		}
		first, err := decodeEvent(b)
		if err != nil {
			return
		}
		again, cut := appendEvent(nil, &first)
		second, err := decodeEvent(again)
		if err != nil {
			t.Fatalf("cannot read back %+v: %v", first, err)
		}
		if diff := cmp.Diff(first, second); cut == 0 && diff != "" {
			t.Fatal(diff)
		}
	})
}
