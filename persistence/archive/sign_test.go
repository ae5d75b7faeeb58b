package archive

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// entry of a backup's tar.
type entryOf struct {
	name string
	text []byte
}

func untar(t *testing.T, b []byte) (list []entryOf) {
	t.Helper()
	for r := tar.NewReader(bytes.NewReader(b)); ; {
		h, err := r.Next()
		if err == io.EOF {
			return list
		}
		check1(t, err)
		text, err := io.ReadAll(r)
		check1(t, err)
		list = append(list, entryOf{h.Name, text})
	}
}

func totar(t *testing.T, list []entryOf) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, e := range list {
		check1(t, w.WriteHeader(&tar.Header{Name: e.name, Mode: 0o600, Size: int64(len(e.text)), Format: tar.FormatGNU}))
		_, err := w.Write(e.text)
		check1(t, err)
	}
	check1(t, w.Close())
	return b.Bytes()
}

// Whoever has the public key can seal anything, but not in another's name.
func TestASignedBackupCannotBeChanged(t *testing.T) {
	k := newKey(t)
	by, err := NewSigner()
	check1(t, err)
	mallory, err := NewSigner()
	check1(t, err)
	list := []Member{{Name: "api-token", Mode: 0o600, Path: filepath.Join(t.TempDir(), "token")}}
	check1(t, os.WriteFile(list[0].Path, []byte("secret"), 0o600))
	a := about()
	a.Format, a.Signer = backupFormat, by.Public()
	const first, token, contents, sig = 0, 1, 2, 3
	for _, c := range []struct {
		name   string
		change func(list []entryOf) []entryOf
		ok     bool
	}{
		{"nothing", func(l []entryOf) []entryOf { return l }, true},
		{"where the journal was", func(l []entryOf) []entryOf {
			l[first].text = bytes.Replace(l[first].text, []byte("4711"), []byte("4712"), 1)
			return l
		}, false},
		{"a member and the list of them", func(l []entryOf) []entryOf {
			l[token].text = []byte("thief!")
			meter := newMeter(io.Discard)
			_, _ = meter.Write(l[token].text)
			var err error
			l[contents].text, err = json.Marshal([]content{{"api-token", 0o600, 6, meter.digest().SHA256}})
			check1(t, err)
			return l
		}, false},
		{"the same, signed by another", func(l []entryOf) []entryOf {
			l[first].text = bytes.Replace(l[first].text, []byte("4711"), []byte("4712"), 1)
			var err error
			l[sig].text, err = json.Marshal(mallory.sign(l[first].text, l[contents].text))
			check1(t, err)
			return l
		}, false},
		{"no signature", func(l []entryOf) []entryOf { return l[:sig] }, false},
		{"an empty signature", func(l []entryOf) []entryOf { l[sig].text = []byte("{}"); return l }, false},
		{"another name for it", func(l []entryOf) []entryOf { l[sig].name = "signature"; return l }, false},
		{"something behind it", func(l []entryOf) []entryOf { return append(l, l[token]) }, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			var b bytes.Buffer
			check1(t, pack(&b, a, list, by))
			changed := totar(t, c.change(untar(t, b.Bytes())))
			dir := filepath.Join(t.TempDir(), "data")
			_, err := ReadBackup(t.Context(), bytes.NewReader(sealBytes(t, k, changed)), k.ids, dir, func(About) error { return nil })
			_, there := os.Stat(dir)
			if (err == nil) != c.ok || (there == nil) != c.ok {
				t.Errorf("%v; there: %v", err, there)
			}
			if !c.ok {
				want(t, err, ErrDamaged, "")
			}
		})
	}
}

// A key is read back, and nothing else is one.
func TestSignerIsReadBack(t *testing.T) {
	s, err := NewSigner()
	check1(t, err)
	again, err := ParseSigner(s.Secret())
	if err != nil || again.Public() != s.Public() || !strings.HasPrefix(s.Public(), signerPrefix) {
		t.Errorf("%v", err)
	}
	for _, text := range []string{"", "zz", s.Secret()[1:], s.Public()} {
		if _, err := ParseSigner(text); err == nil || len(text) > 0 && strings.Contains(err.Error(), text) {
			t.Errorf("%q: %v", text, err)
		}
	}
	if (Signer{}).Public() != "" {
		t.Error("the zero value has a name")
	}
}
