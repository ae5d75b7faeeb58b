package archive

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var made = time.Date(2026, 3, 29, 3, 0, 0, 0, time.FixedZone("CEST", 7200))

func about() About {
	return About{Building: "house", Epoch: 3, Last: 4711, Made: made.UTC(), Data: "/data", Address: "127.0.0.1:8480"}
}

// members are three files of different modes, one of them in a directory.
func members(t testing.TB) []Member {
	t.Helper()
	dir := t.TempDir()
	list := []Member{
		{Name: "store.db", Mode: 0o600, Path: segment(t, dir, 1, 1, 150_000).Path},
		{Name: "api-token", Mode: 0o400, Path: filepath.Join(dir, "token")},
		{Name: "tls/site/" + strings.Repeat("k", 120) + ".pem", Mode: 0o640, Path: segment(t, dir, 2, 2, 0).Path},
	}
	check1(t, os.WriteFile(list[1].Path, []byte("secret"), 0o600))
	return list
}

func backedUp(t testing.TB, k key, list []Member) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), BackupName(made))
	check1(t, WriteBackup(t.Context(), path, Sealing{Recipients: k.to}, about(), list))
	return path
}

func restore(path string, ids Identities, dir string) (About, error) {
	f, err := os.Open(path)
	if err != nil {
		return About{}, err
	}
	defer f.Close()
	return ReadBackup(context.Background(), f, ids, dir, func(About) error { return nil })
}

// A backup comes back with contents, names and modes, into a directory that is
// missing or empty, and into no other.
func TestBackupAndRestore(t *testing.T) {
	k := newKey(t)
	list := members(t)
	path := backedUp(t, k, list)
	if filepath.Base(path) != "backup-20260329T010000Z.tar.zst.age" {
		t.Error(path)
	}
	for _, dir := range []string{filepath.Join(t.TempDir(), "new"), t.TempDir()} {
		got, err := restore(path, k.ids, dir)
		check1(t, err)
		want1 := about()
		want1.Format = backupFormat
		if diff := cmp.Diff(want1, got); diff != "" {
			t.Error(diff)
		}
		for _, m := range list {
			sameFile(t, m.Path, filepath.Join(dir, m.Name))
			info, err := os.Stat(filepath.Join(dir, m.Name))
			check1(t, err)
			if info.Mode() != m.Mode {
				t.Errorf("%s has mode %v, want %v", m.Name, info.Mode(), m.Mode)
			}
		}
		if len(names(t, dir)) != 3 || len(names(t, filepath.Dir(dir))) != 1 && filepath.Base(dir) == "new" {
			t.Errorf("in it: %v, beside it: %v", names(t, dir), names(t, filepath.Dir(dir)))
		}
		_, err = restore(path, k.ids, dir)
		want(t, err, ErrMembers, "is not empty; name an empty directory")
	}
	err := WriteBackup(t.Context(), path, Sealing{Recipients: k.to}, about(), list)
	want(t, err, fs.ErrExist, "name another file")
}

// Nothing is written when the caller does not accept what it is, the key is wrong,
// or a restore before was cut short.
func TestRestoreThatIsRefused(t *testing.T) {
	k := newKey(t)
	path := backedUp(t, k, members(t))
	b, err := os.ReadFile(path)
	check1(t, err)
	parent := t.TempDir()
	dir := filepath.Join(parent, "data")
	no := errors.New("the old box answers")
	_, err = ReadBackup(t.Context(), bytes.NewReader(b), k.ids, dir, func(a About) error {
		if a.Building != "house" || len(names(t, parent)) != 0 {
			t.Errorf("asked about %q, %v is there", a.Building, names(t, parent))
		}
		return no
	})
	want(t, err, no, "")
	_, err = restore(path, newKey(t).ids, dir)
	want(t, err, ErrKey, "name the identity file")
	_, err = restore(path, nil, dir)
	want(t, err, ErrKey, "recovery key's file")
	ctx, stop := context.WithCancel(t.Context())
	stop()
	_, err = ReadBackup(ctx, bytes.NewReader(b), k.ids, dir, nil)
	want(t, err, context.Canceled, "")
	if len(names(t, parent)) != 0 {
		t.Errorf("left %v", names(t, parent))
	}
	check1(t, os.Mkdir(dir+restoringSuffix, 0o700))
	_, err = restore(path, k.ids, dir)
	want(t, err, ErrMembers, "cut short; remove it")
	_, err = restore(path, k.ids, filepath.Join(path, "x"))
	want(t, err, errHere, "")
}

// Cut or flipped anywhere, nothing is restored.
func TestDamagedBackups(t *testing.T) {
	k := newKey(t)
	path := backedUp(t, k, members(t))
	whole, err := os.ReadFile(path)
	check1(t, err)
	parent := t.TempDir()
	for at := 0; at < len(whole); at += 1 + len(whole)/60 {
		flipped := bytes.Clone(whole)
		flipped[at] ^= 1
		for _, b := range [][]byte{whole[:at], flipped} {
			_, err := ReadBackup(t.Context(), bytes.NewReader(b), k.ids, filepath.Join(parent, "data"), func(About) error { return nil })
			if !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrKey) {
				t.Fatalf("at %d: %v", at, err)
			}
			if got := names(t, parent); len(got) != 0 {
				t.Fatalf("at %d: left %v", at, got)
			}
		}
	}
}

// tarFile is one entry of a hostile backup.
type tarFile struct {
	h    tar.Header
	text string
}

func file(name, text string) tarFile {
	return tarFile{tar.Header{Name: name, Mode: 0o600, Size: int64(len(text))}, text}
}

// bundle is a sealed tar, by somebody who knows the public key.
func bundle(t testing.TB, k key, files ...tarFile) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, f := range files {
		check1(t, w.WriteHeader(&f.h))
		if f.text != "" {
			_, err := io.WriteString(w, f.text)
			check1(t, err)
		}
	}
	_ = w.Flush() // one of them claims more than it has
	return sealBytes(t, k, append(b.Bytes(), make([]byte, 1024)...))
}

// A bundle that somebody else sealed writes nothing outside, and nothing at all.
func TestHostileBackups(t *testing.T) {
	k := newKey(t)
	head := file(aboutName, `{"backup":1,"building":"house"}`)
	empty := file(contentsName, `[]`)
	ok := file("a", "text")
	okContents := file(contentsName, `[{"name":"a","mode":384,"bytes":4,"sha256":"982d9e3eb996f559e633f4d194def3761d909f5a3b647d1a851fead67c32c9d1"}]`)
	many := []tarFile{head}
	for i := range MaxMembers + 1 {
		many = append(many, file("f"+strings.Repeat("x", i%50)+string(rune('0'+i/50%10))+string(rune('a'+i/500)), ""))
	}
	typed := func(name string, flag byte) tarFile {
		return tarFile{tar.Header{Name: name, Linkname: "/etc/passwd", Typeflag: flag, Mode: 0o600}, ""}
	}
	huge := tarFile{tar.Header{Name: "big", Mode: 0o600, Size: MaxBackupBytes + 1, Format: tar.FormatGNU}, ""}
	setuid := file("a", "")
	setuid.h.Mode = 0o4755
	for name, c := range map[string]struct {
		files []tarFile
		kind  error
		text  string
	}{
		"sound":              {[]tarFile{head, ok, okContents}, nil, ""},
		"nothing":            {nil, ErrDamaged, "its end is missing"},
		"another tar":        {[]tarFile{ok}, ErrDamaged, "no backup of gatehouse"},
		"nobody's":           {[]tarFile{file(aboutName, `{"backup":1}`)}, ErrDamaged, "whose it is"},
		"newer":              {[]tarFile{file(aboutName, `{"backup":3}`)}, ErrVersion, "use the gatehouse that wrote it"},
		"no JSON":            {[]tarFile{file(aboutName, `{`)}, ErrDamaged, "JSON"},
		"long about":         {[]tarFile{file(aboutName, strings.Repeat(" ", maxJSON+1))}, ErrMembers, "bytes"},
		"up":                 {[]tarFile{head, file("../a", "x")}, ErrMembers, "no name for a member"},
		"up inside":          {[]tarFile{head, file("b/../../a", "x")}, ErrMembers, "no name for a member"},
		"absolute":           {[]tarFile{head, file("/tmp/a", "x")}, ErrMembers, "no name for a member"},
		"odd name":           {[]tarFile{head, file("a\nb", "x")}, ErrMembers, "no name for a member"},
		"long name":          {[]tarFile{head, file(strings.Repeat("a", 201), "x")}, ErrMembers, "no name for a member"},
		"symlink":            {[]tarFile{head, typed("a", tar.TypeSymlink)}, ErrMembers, "no plain file"},
		"hard link":          {[]tarFile{head, typed("a", tar.TypeLink)}, ErrMembers, "no plain file"},
		"device":             {[]tarFile{head, typed("a", tar.TypeBlock)}, ErrMembers, "no plain file"},
		"directory":          {[]tarFile{head, typed("a", tar.TypeDir)}, ErrMembers, "no plain file"},
		"setuid":             {[]tarFile{head, setuid}, ErrMembers, "more than a plain file"},
		"twice":              {[]tarFile{head, ok, ok}, ErrMembers, "twice"},
		"about again":        {[]tarFile{head, head}, ErrMembers, "twice"},
		"file and directory": {[]tarFile{head, ok, file("a/b", "x")}, ErrMembers, "a file and a directory"},
		"directory and file": {[]tarFile{head, file("a/b", "x"), ok}, ErrMembers, "a file and a directory"},
		"oversize":           {[]tarFile{head, huge}, ErrMembers, "longer than"},
		"too many":           {many, ErrMembers, "more than 1000 members"},
		"no contents":        {[]tarFile{head, ok}, ErrDamaged, "its end is missing"},
		"unlisted":           {[]tarFile{head, ok, empty}, ErrDamaged, "not those that it lists"},
		"listed otherwise":   {[]tarFile{head, file("a", "texT"), okContents}, ErrDamaged, "not those that it lists"},
		"more":               {[]tarFile{head, ok, okContents, file("b", "")}, ErrDamaged, "more after its end"},
	} {
		t.Run(name, func(t *testing.T) {
			parent := t.TempDir()
			b := bundle(t, k, c.files...)
			_, err := ReadBackup(t.Context(), bytes.NewReader(b), k.ids, filepath.Join(parent, "in", "data"), func(About) error {
				return os.Mkdir(filepath.Join(parent, "in"), 0o700)
			})
			if c.kind == nil {
				check1(t, err)
				return
			}
			want(t, err, c.kind, c.text)
			_ = os.Remove(filepath.Join(parent, "in")) // fails unless it is empty
			if got := names(t, parent); len(got) != 0 {
				t.Errorf("left %v", got)
			}
		})
	}
}

// Members that cannot be in a backup are refused before anything is written, and a
// file that changes meanwhile leaves nothing.
func TestMembersThatAreRefused(t *testing.T) {
	k := newKey(t)
	good := members(t)
	dir := t.TempDir()
	at := func(m Member) []Member { return append(good[:1:1], m) }
	for name, c := range map[string]struct {
		list []Member
		kind error
		text string
	}{
		"none":      {nil, ErrMembers, "0 members"},
		"many":      {make([]Member, MaxMembers+1), ErrMembers, "1001 members"},
		"twice":     {append(good, good[0]), ErrMembers, "twice"},
		"up":        {at(Member{Name: "../x"}), ErrMembers, "no name"},
		"directory": {at(Member{Name: "x", Path: dir}), nil, "no regular file"},
		"missing":   {at(Member{Name: "x", Path: filepath.Join(dir, "x")}), fs.ErrNotExist, ""},
		"endless":   {at(Member{Name: "x", Path: "/dev/zero"}), nil, "no regular file"},
		"setuid":    {at(Member{Name: "x", Mode: fs.ModeSetuid | 0o755}), ErrMembers, "more than a plain file"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "backup")
			err := WriteBackup(t.Context(), path, Sealing{Recipients: k.to}, about(), c.list)
			if c.kind == nil {
				c.kind = err
			}
			want(t, err, c.kind, c.text)
			if got := names(t, filepath.Dir(path)); len(got) != 0 {
				t.Errorf("left %v", got)
			}
		})
	}
	for _, size := range []int64{10, 149_000, 160_000} {
		list := members(t)
		path := filepath.Join(t.TempDir(), "backup")
		s := Sealing{Recipients: k.to, Pace: func(_ context.Context, n int) error {
			if n < 1000 { // the tar's own
				return nil
			}
			return os.Truncate(list[0].Path, size)
		}}
		want(t, WriteBackup(t.Context(), path, s, about(), list), ErrMembers, "it changed while it was read")
		if got := names(t, filepath.Dir(path)); len(got) != 0 {
			t.Errorf("left %v", got)
		}
	}
}

// FuzzBackup: no tar makes restoring panic or write outside its directory.
func FuzzBackup(f *testing.F) {
	by, err := NewSigner()
	check1(f, err)
	for _, a := range []About{{Format: 1, Building: "house"}, {Format: 2, Building: "house", Signer: by.Public()}} {
		var b bytes.Buffer
		check1(f, pack(&b, a, members(f)[1:], by))
		f.Add(b.Bytes())
	}
	k := newKey(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		parent := t.TempDir()
		dir := filepath.Join(parent, "data")
		_, err := ReadBackup(t.Context(), bytes.NewReader(sealBytes(t, k, b)), k.ids, dir, func(About) error { return nil })
		got := names(t, parent)
		if (err == nil) != (len(got) == 1 && got[0] == "data") || err != nil && len(got) > 0 {
			t.Errorf("%v; there is %v", err, got)
		}
	})
}
