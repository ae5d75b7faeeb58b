package archive

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// needTools skips loudly without the tools; CI has to have them.
func needTools(t *testing.T, tools ...string) {
	t.Helper()
	for _, tool := range tools {
		_, err := exec.LookPath(tool)
		if err == nil {
			continue
		}
		missing := "*** NOT COMPARED WITH THE PLAIN TOOLS: " + tool + " is not installed (make ci-deps; Debian: apt-get install age zstd) ***"
		if os.Getenv("CI") == "true" {
			t.Fatal(missing)
		}
		t.Skip(missing)
	}
}

// The lines of docs/ARCHIVE.md that do without gatehouse, run as they stand there.
func TestPlainToolsOpenEverything(t *testing.T) {
	needTools(t, "sh", "age", "zstd", "sha256sum", "tar")
	text, err := os.ReadFile("../../docs/ARCHIVE.md")
	check1(t, err)
	blocks := strings.Split(string(text), "```sh\n")[1:]
	if len(blocks) != 3 {
		t.Fatalf("docs/ARCHIVE.md has %d blocks of shell, want 3", len(blocks))
	}
	dir, k := t.TempDir(), newKey(t)
	segments := three(t, t.TempDir())
	add(t, open(t, options(dir, k)), segments...)
	check1(t, os.WriteFile(filepath.Join(dir, "key.txt"), []byte(k.text), 0o600))
	list := members(t)
	check1(t, WriteBackup(t.Context(), filepath.Join(dir, BackupName(made)), Sealing{Recipients: k.to}, about(), list))
	for _, block := range blocks {
		script, _, _ := strings.Cut(block, "```")
		c := exec.CommandContext(t.Context(), "sh", "-euc", script)
		c.Dir = dir
		if out, err := c.CombinedOutput(); err != nil {
			t.Fatalf("%s\n%v\n%s", script, err, out)
		}
	}
	for _, s := range segments {
		sameFile(t, s.Path, filepath.Join(dir, filepath.Base(s.Path)))
	}
	for _, m := range list {
		sameFile(t, m.Path, filepath.Join(dir, "restored", m.Name))
		info, err := os.Stat(filepath.Join(dir, "restored", m.Name))
		check1(t, err)
		if info.Mode() != m.Mode {
			t.Errorf("%s has mode %v, want %v", m.Name, info.Mode(), m.Mode)
		}
	}
}
