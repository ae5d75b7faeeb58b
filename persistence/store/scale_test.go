package store

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"gatehouse/access"
)

// maxAnon is what a process may need beside the pages of files, in KiB.
const maxAnon = 100 << 10

// crowdCSV is a file of people: number i has the card i, and every fifth a second
// one.
type crowdCSV struct {
	people, next int
	second       bool
	b            bytes.Buffer
}

func newCrowdCSV(people int) *crowdCSV {
	c := &crowdCSV{people: people}
	c.b.WriteString("id,name,valid_from,valid_until,levels,suspended,credential_id,card_facility,card_number\n")
	return c
}

func (c *crowdCSV) Read(p []byte) (int, error) {
	for c.b.Len() < len(p) && c.next < c.people {
		i := c.next
		if c.second {
			fmt.Fprintf(&c.b, "p-%07d,,,,,,d-%07d,8,%d\n", i, i, i+1)
		} else {
			fmt.Fprintf(&c.b, "p-%07d,Person Number %d,2026-01-01,2031-01-01,staff,%v,c-%07d,7,%d\n", i, i, i%100 == 1, i, i+1)
		}
		if c.second = !c.second && i%5 == 0; !c.second {
			c.next++
		}
	}
	if c.b.Len() == 0 {
		return 0, io.EOF
	}
	return c.b.Read(p)
}

// wantKnown looks up n people of a crowd, and as many cards that nobody has.
func wantKnown(t testing.TB, s *Store, people, n int) {
	t.Helper()
	for k := range n {
		i := k * 7919 % people
		facility := uint32(7)
		if i%5 == 0 && k%2 == 0 {
			facility = 8
		}
		p, ok, err := s.Lookup(access.Card{Facility: facility, Number: uint64(i + 1)})
		if err != nil || !ok || p.Cardholder.ID != access.CardholderID(fmt.Sprintf("p-%07d", i)) ||
			p.Cardholder.Name != fmt.Sprintf("Person Number %d", i) || p.Cardholder.Suspended != (i%100 == 1) || p.Credential.Holder != p.Cardholder.ID {
			t.Fatalf("person %d: %+v, %v, %v", i, p, ok, err)
		}
		if p, ok, err := s.Lookup(access.Card{Facility: 9, Number: uint64(i + 1)}); ok || err != nil {
			t.Fatalf("nobody's card: %+v, %v", p, err)
		}
	}
}

func rssAnon(t testing.TB) int {
	t.Helper()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Skip("this machine does not tell RssAnon: ", err)
	}
	for line := range strings.SplitSeq(string(status), "\n") {
		if fields := strings.Fields(line); len(fields) == 3 && fields[0] == "RssAnon:" {
			n, err := strconv.Atoi(fields[1])
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
	}
	t.Skip("this kernel does not tell RssAnon")
	return 0
}

const crowdEnv = "GATEHOUSE_STORE_CROWD"

// TestCrowdChild is the other process of TestPeopleAtScale: it opens the store
// and looks up 10,000 people.
func TestCrowdChild(t *testing.T) {
	dir, count, ok := strings.Cut(os.Getenv(crowdEnv), "|")
	if !ok {
		t.Skip("only as a child")
	}
	people, err := strconv.Atoi(count)
	if err != nil {
		t.Fatal(err)
	}
	s, err := Open(Options{Dir: dir, inMemory: 1000})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	wantKnown(t, s, people, 5000)
	fmt.Printf("anon %d\n", rssAnon(t))
}

// People by the million: imported, opened, looked up. PEOPLE says how many; the
// times stand behind the names of the parts (make people-1m).
func TestPeopleAtScale(t *testing.T) {
	people := 6000
	if n, err := strconv.Atoi(os.Getenv("PEOPLE")); err == nil {
		people = n
	}
	dir, peak := t.TempDir(), 0
	s, err := Open(Options{Dir: dir, Random: random(), inMemory: 1000})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	if _, _, err := s.Take(rules, nil, nil, author); err != nil {
		t.Fatal(err)
	}
	t.Run("import", func(t *testing.T) {
		report, err := s.Import(t.Context(), newCrowdCSV(people), ImportOptions{Author: author, Progress: func(string, int) { peak = max(peak, rssAnon(t)) }})
		want := Report{Lines: people + (people+4)/5, HoldersAdded: people, CredentialsAdded: people + (people+4)/5, Version: 2}
		if err != nil || report != want {
			t.Fatalf("%+v, want %+v; %v", report, want, err)
		}
	})
	t.Run("lookups", func(t *testing.T) { wantKnown(t, s, people, 5000) })
	t.Run("lockdown", func(t *testing.T) { save(t, s, lockdown...) })
	t.Run("one more", func(t *testing.T) {
		if _, _, err := s.Take(rules, []access.Cardholder{{ID: "one-more"}}, nil, author); err != nil {
			t.Fatal(err)
		}
	})
	_ = s.Close()
	t.Run("open", func(t *testing.T) {
		if s, err = Open(Options{Dir: dir, inMemory: 1000}); err != nil {
			t.Fatal(err)
		}
		_ = s.Close()
	})
	t.Run("verify", func(t *testing.T) {
		if err := Check(dir); err != nil {
			t.Fatal(err)
		}
	})
	child := exec.Command(os.Args[0], "-test.run=^TestCrowdChild$")
	child.Env = append(os.Environ(), fmt.Sprintf("%s=%s|%d", crowdEnv, dir, people))
	out, err := child.CombinedOutput()
	var anon int
	if _, scan := fmt.Sscanf(string(out), "anon %d", &anon); err != nil || scan != nil {
		t.Fatalf("%s: %v", out, errors.Join(err, scan))
	}
	info, err := os.Stat(filepath.Join(dir, FileName))
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d people: %d MiB on disk; RssAnon %d MiB at most in the import, %d MiB after opening and 10,000 lookups",
		people, info.Size()>>20, peak>>10, anon>>10)
	if !raceEnabled && (peak > maxAnon || anon > maxAnon) {
		t.Errorf("more than %d MiB", maxAnon>>10)
	}
}
