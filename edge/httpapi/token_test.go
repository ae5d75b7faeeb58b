package httpapi_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gatehouse/edge/httpapi"
)

// TestTokenIsMadeOnce: private, alone in its directory, the same ever after.
func TestTokenIsMadeOnce(t *testing.T) {
	dir := t.TempDir()
	first, path, err := httpapi.EnsureToken(dir)
	if err != nil {
		t.Fatal(err)
	}
	second, _, err := httpapi.EnsureToken(dir)
	if err != nil || first != second || len(first) < 52 {
		t.Errorf("%q then %q, %v", first, second, err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info.Mode(), err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 || entries[0].Name() != httpapi.TokenFile {
		t.Errorf("%v %v", entries, err)
	}
	other, _, err := httpapi.EnsureToken(t.TempDir())
	if err != nil || other == first {
		t.Errorf("two buildings have one token: %v", err)
	}
}

// TestBadTokenFile: it is refused with what to do, and left as it is.
func TestBadTokenFile(t *testing.T) {
	good := strings.Repeat("T", 52)
	for name, c := range map[string]struct {
		text string
		mode os.FileMode
		want error
	}{
		"others may read":  {good, 0o604, httpapi.ErrTokenExposed},
		"group may read":   {good, 0o640, httpapi.ErrTokenExposed},
		"others may write": {good, 0o602, httpapi.ErrTokenExposed},
		"empty":            {"", 0o600, httpapi.ErrTokenDamaged},
		"short":            {"secret\n", 0o600, httpapi.ErrTokenDamaged},
		"two lines":        {good + "\n" + good, 0o600, httpapi.ErrTokenDamaged},
		"good":             {good + "\n", 0o600, nil},
	} {
		dir := t.TempDir()
		path := filepath.Join(dir, httpapi.TokenFile)
		if err := errors.Join(os.WriteFile(path, []byte(c.text), 0o600), os.Chmod(path, c.mode)); err != nil {
			t.Fatal(err)
		}
		token, _, err := httpapi.EnsureToken(dir)
		if !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
		if err != nil && (token != "" || !strings.Contains(err.Error(), "remove it") || strings.Contains(err.Error(), good)) {
			t.Errorf("%s: %q %v", name, token, err)
		}
		if text, err := os.ReadFile(path); err != nil || string(text) != c.text {
			t.Errorf("%s: the file was changed: %v", name, err)
		}
	}
}

// TestTokenBehindALink: a link could lead to anybody's file.
func TestTokenBehindALink(t *testing.T) {
	dir := t.TempDir()
	target := filepath.Join(t.TempDir(), "elsewhere")
	if err := os.WriteFile(target, []byte(strings.Repeat("T", 52)), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(target, filepath.Join(dir, httpapi.TokenFile)); err != nil {
		t.Fatal(err)
	}
	if _, _, err := httpapi.EnsureToken(dir); !errors.Is(err, httpapi.ErrTokenExposed) {
		t.Error(err)
	}
}
