package main

import (
	"encoding/hex"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gatehouse/access"
	"gatehouse/persistence/archive"
	"gatehouse/persistence/journal"
)

// closedSegments are three closed segments of a new journal.
func closedSegments(t *testing.T) (list []archive.Segment) {
	t.Helper()
	j, err := journal.Open(journal.Options{Dir: t.TempDir(), Building: "house", SegmentBytes: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = j.Close() }()
	for n := range uint64(4) {
		e := access.Event{Time: time.Unix(1_800_000_000, 0), Kind: access.KindDoorOpened, Source: access.Source{Name: "s", Number: n + 1}}
		if err := j.Commit([]access.Event{e}); err != nil {
			t.Fatal(err)
		}
	}
	for _, s := range j.Segments()[:3] {
		list = append(list, archive.Segment{
			Path: s.Path, First: s.First, Last: s.Last, Root: hex.EncodeToString(s.Root[:]), Prev: hex.EncodeToString(s.Prev[:]),
		})
	}
	return list
}

// What is archived is one chain: a segment that was put in the place of another one,
// with a manifest that agrees, is found by whoever has the key.
func TestVerifyFollowsTheChain(t *testing.T) {
	private, public, err := archive.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	ids, err := archive.ReadIdentities(strings.NewReader(private))
	if err != nil {
		t.Fatal(err)
	}
	to, err := archive.ParseRecipients([]string{public})
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		change func(ours, others []archive.Segment)
		wrong  []string // of each segment; "": nothing
	}{
		"one journal": {func(_, _ []archive.Segment) {}, []string{"", "", ""}},
		"another journal's segment in the middle": {func(ours, others []archive.Segment) {
			others[1].Prev, ours[2].Prev = ours[0].Root, others[1].Root // what a forger would say
			ours[1] = others[1]
		}, []string{"", "does not follow", "does not follow"}},
		"a root that is none": {func(ours, _ []archive.Segment) {
			ours[1].Root = strings.Repeat("0", 64)
			ours[2].Prev = ours[1].Root
		}, []string{"", "does not end as the manifest says", "does not follow"}},
		"a gap": {func(ours, _ []archive.Segment) {
			ours[1], ours[2].AfterGap = archive.Segment{}, true
		}, []string{"", ""}},
	} {
		t.Run(name, func(t *testing.T) {
			ours := closedSegments(t)
			c.change(ours, closedSegments(t))
			dir := filepath.Join(t.TempDir(), "archive")
			a, err := archive.Open(archive.Options{Dir: dir, Building: "house", Epoch: 1, Sealing: archive.Sealing{Recipients: to}})
			if err != nil {
				t.Fatal(err)
			}
			for _, s := range ours {
				if s.Path == "" {
					continue
				}
				if err := a.Add(t.Context(), s); err != nil {
					t.Fatal(err)
				}
			}
			if err := a.Close(); err != nil {
				t.Fatal(err)
			}
			var got []error
			_, err = archive.Verify(t.Context(), dir, ids, new(chain).look, func(_ archive.Entry, err error) error {
				got = append(got, err)
				return nil
			})
			if err != nil || len(got) != len(c.wrong) {
				t.Fatalf("%v, %v", got, err)
			}
			for i, wrong := range c.wrong {
				if (got[i] == nil) != (wrong == "") || got[i] != nil && (!errors.Is(got[i], archive.ErrDamaged) || !strings.Contains(got[i].Error(), wrong)) {
					t.Errorf("segment %d: %v, want %q", i, got[i], wrong)
				}
			}
		})
	}
}
