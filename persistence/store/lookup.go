package store

import (
	"fmt"

	"gatehouse/access"
)

func (s *Store) shown() (*tables, *crowd) {
	s.reading.RLock()
	defer s.reading.RUnlock()
	return s.view, s.people
}

// Recall finds who a card belongs to, if all people are in memory: up to 50,000.
func (s *Store) Recall(card access.Card) (person access.Person, known, ok bool) {
	_, people := s.shown()
	if people == nil {
		return access.Person{}, false, false
	}
	return people.people.Recall(card)
}

// Lookup finds who a card belongs to: in memory up to 50,000 people, by a few
// reads of the file above. It waits for no change, but a large store's may wait
// for the disk. An error is damage or the disk's; it never means that the card is
// unknown.
func (s *Store) Lookup(card access.Card) (person access.Person, known bool, err error) {
	view, people := s.shown()
	if people != nil {
		return people.people.Lookup(card)
	}
	// Two changes during one slow lookup may have written over what it reads: its
	// checksums tell, and it is to read what is there now.
	for {
		person, known, err = view.lookup(card)
		now, _ := s.shown()
		if err == nil || now == view {
			break
		}
		view = now
	}
	if err != nil {
		return access.Person{}, false, fmt.Errorf("%w: the card cannot be looked up: %w; restore a backup", ErrCorrupt, err)
	}
	return person, known, nil
}

// look shows Lookup the people as they are now.
func (s *Store) look() error {
	info, err := s.db.file.Stat()
	if err != nil {
		return err
	}
	none := func(string) bool { return false }
	find, err := walkPages(s.db.file, info.Size(), none, func(_, _, _ []byte) error { return nil })
	if err != nil {
		return err
	}
	find.r = s.file
	view := &tables{find: find, meta: s.all.meta.Tables, sums: s.all.sums}
	var people *crowd
	if !s.all.meta.large(s.o.inMemory) {
		if people, err = view.load(); err != nil {
			return err
		}
	}
	s.reading.Lock()
	defer s.reading.Unlock()
	s.view, s.people = view, people
	return nil
}
