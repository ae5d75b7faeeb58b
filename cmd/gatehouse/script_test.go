package main

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/testscript"

	"gatehouse/access"
	"gatehouse/persistence"
	"gatehouse/persistence/journal"
)

// TestMain makes this binary the program, too: a script's gatehouse is a process
// of its own.
func TestMain(m *testing.M) { testscript.Main(m, programs) }

// programs are what this binary can be, by the name that it is started under.
var programs = map[string]func(){"gatehouse": main}

// TestScripts runs testdata/script. What a command of a script does is said at
// the function here and in the other files.
func TestScripts(t *testing.T) {
	sites := map[string]string{
		"site.yaml":    filepath.Join("testdata", "site.yaml"),
		"embassy.yaml": filepath.Join("..", "..", "examples", "embassy", "site.yaml"),
	}
	testscript.Run(t, testscript.Params{
		Dir:                 filepath.Join("testdata", "script"),
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("GORACE", "atexit_sleep_ms=0") // else each process stays for a second
			s := &script{env: env, processes: map[string]*running{}, kept: map[string]string{}, held: map[string]func() error{}}
			env.Values[scriptKey{}] = s
			env.Defer(s.end)
			for name, from := range sites {
				text, err := os.ReadFile(from)
				if err != nil {
					return err
				}
				if err := os.WriteFile(filepath.Join(env.WorkDir, name), text, 0o644); err != nil {
					return err
				}
			}
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"code":      command((*script).code),
			"start":     command((*script).start),
			"ready":     command((*script).ready),
			"signal":    command((*script).signal),
			"says":      command((*script).says),
			"exited":    command((*script).exited),
			"api":       command((*script).api),
			"until":     command((*script).until),
			"hang":      command((*script).hang),
			"stream":    command((*script).stream),
			"occupy":    command((*script).occupy),
			"hold":      command((*script).hold),
			"release":   command((*script).release),
			"line":      command((*script).line),
			"keep":      command((*script).keep),
			"same":      command((*script).same),
			"damage":    command((*script).damage),
			"jsonlines": command((*script).jsonLines),
			"lastevent": command((*script).lastEvent),
			"archived":  command((*script).archived),
			"bundle":    command((*script).bundle),
			"alarms":    command((*script).alarms),
		},
	})
}

type scriptKey struct{}

// script is what one script holds on to.
type script struct {
	env       *testscript.Env
	processes map[string]*running
	kept      map[string]string // listings, by directory
	held      map[string]func() error
	ends      []func()
}

// end kills what the script left running.
func (s *script) end() {
	for _, p := range s.processes {
		p.kill()
	}
	for _, f := range s.ends {
		f()
	}
}

func command(f func(*script, *testscript.TestScript, []string)) func(*testscript.TestScript, bool, []string) {
	return func(ts *testscript.TestScript, neg bool, args []string) {
		if neg {
			ts.Fatalf("this command cannot be negated")
		}
		f(ts.Value(scriptKey{}).(*script), ts, args)
	}
}

// want gives an error that shows the usage unless there are at least n arguments.
func want(ts *testscript.TestScript, args []string, n int, usage string) {
	if len(args) < n {
		ts.Fatalf("usage: %s", usage)
	}
}

// occupy VAR: takes a free port until the script ends and puts its address into
// VAR.
func (s *script) occupy(ts *testscript.TestScript, args []string) {
	want(ts, args, 1, "occupy VAR")
	l, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	s.ends = append(s.ends, func() { _ = l.Close() })
	ts.Setenv(args[0], l.Addr().String())
}

// hold PATH: locks a file or directory as another gatehouse would, until the
// script ends.
func (s *script) hold(ts *testscript.TestScript, args []string) {
	want(ts, args, 1, "hold PATH")
	unlock, err := persistence.Lock(ts.MkAbs(args[0]))
	ts.Check(err)
	s.held[args[0]] = unlock
	s.ends = append(s.ends, func() { _ = unlock() })
}

// release PATH: gives up what hold took.
func (s *script) release(ts *testscript.TestScript, args []string) {
	want(ts, args, 1, "release PATH")
	ts.Check(s.held[args[0]]())
}

// line VAR FILE: puts the only line of a file into VAR.
func (s *script) line(ts *testscript.TestScript, args []string) {
	want(ts, args, 2, "line VAR FILE")
	ts.Setenv(args[0], strings.TrimSpace(ts.ReadFile(args[1])))
}

// keep PATH...: remembers every byte below each path.
func (s *script) keep(ts *testscript.TestScript, args []string) {
	for _, path := range args {
		s.kept[path] = listing(ts, ts.MkAbs(path))
	}
}

// same PATH...: fails unless all is as it was at the last keep.
func (s *script) same(ts *testscript.TestScript, args []string) {
	for _, path := range args {
		before, ok := s.kept[path]
		if !ok {
			ts.Fatalf("%s was never kept", path)
		}
		if diff := cmp.Diff(before, listing(ts, ts.MkAbs(path))); diff != "" {
			ts.Fatalf("%s was changed (-before +after):\n%s", path, diff)
		}
	}
}

// listing is names, modes, sizes and hashes of all that is below root.
func listing(ts *testscript.TestScript, root string) string {
	var list strings.Builder
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(root, path)
		fmt.Fprintf(&list, "%s %v", rel, info.Mode())
		if d.Type().IsRegular() {
			b, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			fmt.Fprintf(&list, " %d %x", len(b), sha256.Sum256(b))
		}
		list.WriteByte('\n')
		return nil
	})
	if errors.Is(err, fs.ErrNotExist) {
		return "does not exist"
	}
	ts.Check(err)
	return list.String()
}

// damage FILE TEXT: flips a bit wherever the file holds the text.
func (s *script) damage(ts *testscript.TestScript, args []string) {
	want(ts, args, 2, "damage FILE TEXT")
	path := ts.MkAbs(args[0])
	flipped := string(args[1][0]^1) + args[1][1:]
	before := ts.ReadFile(args[0])
	after := strings.ReplaceAll(before, args[1], flipped)
	if before == after {
		ts.Fatalf("%s does not hold %q", args[0], args[1])
	}
	ts.Check(os.WriteFile(path, []byte(after), 0o600))
}

// jsonlines FILE: fails unless every line is a JSON object, and there are some.
func (s *script) jsonLines(ts *testscript.TestScript, args []string) {
	want(ts, args, 1, "jsonlines FILE")
	lines := strings.Split(strings.TrimSuffix(ts.ReadFile(args[0]), "\n"), "\n")
	for _, line := range lines {
		var object map[string]any
		if err := json.Unmarshal([]byte(line), &object); err != nil {
			ts.Fatalf("not JSON: %q: %v", line, err)
		}
	}
}

// lastevent DIR KIND: fails unless the newest event of the journal in the data
// directory is of that kind, and the whole journal is sound.
func (s *script) lastEvent(ts *testscript.TestScript, args []string) {
	want(ts, args, 2, "lastevent DIR KIND")
	j, err := journal.OpenReadOnly(filepath.Join(ts.MkAbs(args[0]), "journal"), "house")
	ts.Check(err)
	defer func() { _ = j.Close() }()
	if j.Torn() > 0 {
		ts.Fatalf("the journal has a torn tail of %d bytes", j.Torn())
	}
	var kinds []string
	ts.Check(j.Scan(func(e access.Event) error {
		kinds = append(kinds, e.Kind.String())
		return nil
	}))
	if len(kinds) == 0 || kinds[len(kinds)-1] != args[1] {
		ts.Fatalf("the events are %v, the last is to be %s", kinds, args[1])
	}
}
