package backup

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gatehouse/persistence/archive"
	"gatehouse/persistence/store"
)

// A disk without room is asked before it is filled, the data directory's and the
// backup's, and nothing is left there.
func TestABackupAsksForRoom(t *testing.T) {
	o, to := newOffice(t), t.TempDir()
	info, err := os.Stat(filepath.Join(o.dir, store.FileName))
	if err != nil {
		t.Fatal(err)
	}
	by, err := archive.ParseRecipients([]string{o.key})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		data, to int64 // bytes too few
		says     string
	}{
		{1, 0, "no room for a copy of the store: "},
		{0, info.Size(), "no room for the backup, "}, // the copy may be shorter
		{0, 0, ""},
	} {
		job := Job{
			Source: o.source, Building: "house", Data: o.dir, To: to, Sealing: archive.Sealing{Recipients: by}, Now: time.Unix(1_800_000_000, 0),
			Free: func(dir string) (int64, error) {
				return info.Size() - map[string]int64{o.dir: c.data, to: c.to}[dir], nil
			},
		}
		_, err := Make(t.Context(), job)
		if (err == nil) != (c.says == "") || err != nil && !strings.HasPrefix(err.Error(), c.says) {
			t.Errorf("%+v: %v", c, err)
		}
		left, _ := os.ReadDir(to)
		_, temp := os.Stat(filepath.Join(o.dir, snapshotDir))
		if (len(left) > 0) != (err == nil) || temp == nil {
			t.Errorf("%+v: left behind: %v, %v", c, left, temp)
		}
	}
}
