package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"

	"gatehouse/persistence/archive"
)

// archived DIR RECIPIENT FIRST-LAST...: archives a segment for each pair of
// sequences. The segments stay in DIR.segments; what comes after a gap says so.
func (s *script) archived(ts *testscript.TestScript, args []string) {
	want(ts, args, 3, "archived DIR RECIPIENT FIRST-LAST...")
	dir := ts.MkAbs(args[0])
	recipients, err := archive.ParseRecipients([]string{strings.TrimSpace(ts.ReadFile(args[1]))})
	ts.Check(err)
	a, err := archive.Open(archive.Options{Dir: dir, Building: "house", Epoch: 1, Sealing: archive.Sealing{Recipients: recipients}})
	ts.Check(err)
	defer func() { _ = a.Close() }()
	ts.Check(os.MkdirAll(dir+".segments", 0o700))
	for _, pair := range args[2:] {
		from, to, _ := strings.Cut(pair, "-")
		first, err := strconv.ParseUint(from, 10, 64)
		ts.Check(err)
		last, err := strconv.ParseUint(to, 10, 64)
		ts.Check(err)
		path := filepath.Join(dir+".segments", fmt.Sprintf("%016d.seg", first))
		ts.Check(os.WriteFile(path, []byte(strings.Repeat("events "+pair+"\n", 1000)), 0o600))
		ts.Check(a.Add(context.Background(), archive.Segment{Path: path, First: first, Last: last, AfterGap: true}))
	}
}
