package incident

import (
	"crypto/rand"
	"fmt"
	"path/filepath"
	"time"

	"gatehouse/actors"
	"gatehouse/bench/incident/house"
	"gatehouse/bench/incident/naive"
	"gatehouse/persistence/journal"
)

func runArchive(s *stage) error {
	where, err := s.ask(ask{What: "journal"})
	if err != nil {
		return err
	}
	s.res.Facts["bytes"] = float64(where.Count)
	if s.spec.Column == House {
		return s.archiveHere(where.Text)
	}
	files, err := filepath.Glob(filepath.Join(where.Text, "*.seg"))
	if err != nil {
		return err
	}
	a := &act{stop: func() {}} // it is a call
	s.ready(a)
	key := make([]byte, 32)
	if _, err := rand.Read(key); err != nil {
		return err
	}
	begin := now()
	if err := naive.Archive(files, key, filepath.Join(s.dir, "archive")); err != nil {
		return err
	}
	s.archived(begin)
	s.finish(a)
	return nil
}

func (s *stage) archived(begin time.Time) {
	s.look()
	took := now().Sub(begin).Seconds()
	s.done.Add(1)
	s.res.P50, s.res.P99 = took*1e6, took*1e6
	s.res.Facts["took_s"], s.res.Facts["bytes_per_s"] = took, s.res.Facts["bytes"]/took
	s.run(300*time.Millisecond, 300*time.Millisecond)
}

func (s *stage) archiveHere(dir string) error {
	var archiver *house.Archiver
	var night time.Time
	h, a, err := s.enter(house.Options{Journal: dir, Chores: func(j *journal.Journal) (c actors.Chores, err error) {
		archiver, err = house.NewArchiver(s.dir, j)
		night = now().Add(time.Second)
		return actors.Chores{Archive: archiver, Night: house.Once(night)}, err
	}}, 0)
	if err != nil {
		return err
	}
	bare := a.stop
	a.stop = func() {
		bare()
		if err := archiver.Close(); err != nil {
			s.res.Error = err.Error()
		}
	}
	s.ready(a)
	if until(2*time.Minute, func() bool { return archiver.Status().Waiting == 0 }) {
		s.archived(night)
	} else {
		err = fmt.Errorf("the archive is not done after two minutes: %v", h.Building.Health().Degraded)
	}
	s.finish(a)
	return err
}
