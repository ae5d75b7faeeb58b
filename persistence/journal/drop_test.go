package journal

import (
	"os"
	"testing"

	"gatehouse/access"
)

// syncing tells of every sync of a file that was opened for writing.
type syncing struct {
	diskFiles
	told func()
}

func (s *syncing) Open(path string, write bool) (file, error) {
	f, err := s.diskFiles.Open(path, write)
	if err != nil || !write {
		return f, err
	}
	return &syncingFile{f, s}, nil
}

type syncingFile struct {
	file
	of *syncing
}

func (f *syncingFile) Sync() error {
	if f.of.told != nil {
		f.of.told()
	}
	return f.file.Sync()
}

// Segments are dropped while the next one is begun: they stay dropped.
func TestDropWhileASegmentIsBegun(t *testing.T) {
	disk := &syncing{}
	dir := t.TempDir()
	j, err := Open(Options{Dir: dir, Building: "b", SegmentBytes: 2000, fs: disk})
	if err != nil {
		t.Fatal(err)
	}
	dropped := 0
	disk.told = func() {
		list := j.Segments()
		_, err := os.Stat(segmentPath(dir, j.Last()+1))
		if err != nil || len(list) < 4 || list[len(list)-1].Events == 0 {
			return // no segment is being begun
		}
		n, err := j.Drop(list[0].Last)
		if err != nil {
			t.Error(err)
		}
		dropped += n
	}
	for n := range uint64(200) {
		commit(t, j, []access.Event{grant(n + 1)})
		for _, s := range j.Segments() {
			if _, err := os.Stat(s.Path); err != nil {
				t.Fatalf("after event %d the journal counts on what was dropped: %v", n+1, err)
			}
		}
	}
	if dropped < 10 {
		t.Errorf("only %d segments were dropped", dropped)
	}
	if err := j.Close(); err != nil {
		t.Error(err)
	}
}
