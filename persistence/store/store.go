package store

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"unicode/utf8"

	"gatehouse/access"
)

// FileName is the store's name in the data directory.
const FileName = "store.db"

// maxID is the greatest length of an id in bytes: what the journal keeps whole.
const maxID = 255

// Options say which store to open.
type Options struct {
	Dir    string    // the data directory; must exist
	Random io.Reader // 16 bytes are read when a new building id is made
	step   func(string) error
}

// Store is an open store, safe for concurrent use. Changes go to disk and block;
// everything else answers from memory, but waits for a change under way.
type Store struct {
	mu     sync.Mutex
	db     *database
	image  string // path
	step   func(string) error
	all    contents
	stale  bool // the image lags behind
	broken error
}

// Check reads the store in dir, with its image, and changes nothing. A directory
// without a store is fs.ErrNotExist. Other errors: ErrCorrupt, ErrVersion,
// persistence.ErrLocked.
func Check(dir string) error {
	_, _, err := check(dir)
	return err
}

// check also reports whether the image must be made again.
func check(dir string) (c *contents, stale bool, err error) {
	path, image := filepath.Join(dir, FileName), filepath.Join(dir, ImageName)
	if c, err = inspect(path); err != nil {
		return nil, false, err
	}
	m, err := readImage(image)
	if err != nil || m.meta.Building != c.meta.Building {
		return c, true, nil // the store wins
	}
	if m.meta.Revision > c.meta.Revision {
		return nil, false, corrupt(path, "its last changes are missing (revision %d, %s has %d; if it is a restored backup, delete %s)",
			c.meta.Revision, image, m.meta.Revision, ImageName)
	}
	return c, m.meta != c.meta, nil
}

// Open opens the store in o.Dir, or makes one: from the boot image if there is
// one, empty otherwise. The boot image is made again when it does not fit the
// store. Errors: ErrCorrupt, ErrVersion and persistence.ErrLocked, with every file
// left byte-identical, or that of the file system.
func Open(o Options) (*Store, error) {
	c, stale, err := check(o.Dir)
	if errors.Is(err, fs.ErrNotExist) {
		if err := create(o); err != nil {
			return nil, err
		}
		c, stale, err = check(o.Dir)
	}
	if err != nil {
		return nil, err
	}
	db, err := openDatabase(filepath.Join(o.Dir, FileName))
	if err != nil {
		return nil, err
	}
	s := &Store{db: db, image: filepath.Join(o.Dir, ImageName), step: o.step, all: *c, stale: stale}
	if err := s.replaceImage(); err != nil {
		_ = db.close() // nothing was written
		return nil, err
	}
	return s, nil
}

// create makes store.db under another name first: a power cut within bbolt's own
// creation can leave a file that kills the process that maps it.
func create(o Options) error {
	c, err := readImage(filepath.Join(o.Dir, ImageName))
	if errors.Is(err, ErrNoImage) {
		c, err = fresh(o.Random)
	} else if err != nil {
		return fmt.Errorf("%w: there is no %s, and %w; restore a backup, or delete %s to begin empty", ErrCorrupt, FileName, err, ImageName)
	}
	if err != nil {
		return err
	}
	path := filepath.Join(o.Dir, FileName)
	if err := makeFile(path, c.everything(), o.step); err != nil {
		return fmt.Errorf("cannot make a new store in %s: %w; check its permissions and free space", o.Dir, err)
	}
	return nil
}

func fresh(random io.Reader) (*contents, error) {
	id := make([]byte, 16)
	if _, err := io.ReadFull(random, id); err != nil {
		return nil, fmt.Errorf("cannot draw a building id: %w", err)
	}
	return &contents{meta: meta{Schema: schema, Building: hex.EncodeToString(id)}}, nil
}

// everything is all of c as changes to an empty store.
func (c *contents) everything() (list []change) {
	for _, bucket := range buckets[1:] {
		t := c.table(bucket)
		for _, key := range t.sorted() {
			list = append(list, change{bucket, key, t.rows[key]})
		}
	}
	return append(list, c.meta.change())
}

func (m meta) change() change {
	b, err := json.Marshal(m)
	if err != nil {
		panic(err) // strings and numbers only
	}
	return change{bucketMeta, bucketMeta, b}
}

func makeFile(path string, changes []change, step func(string) error) error {
	if step == nil {
		step = func(string) error { return nil }
	}
	if err := step("create"); err != nil {
		return err
	}
	temp := path + ".tmp"
	if err := os.Remove(temp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	db, err := openDatabase(temp)
	if err != nil {
		return err
	}
	_, err = db.write(changes) // bbolt syncs the file
	if closing := db.close(); err == nil {
		err = closing
	}
	if err != nil {
		return err
	}
	return publish(temp, path, step)
}

// commit makes the changes durable, in memory too, and replaces the boot image.
// m is the meta record that holds then, but for revision and counts.
func (s *Store) commit(changes []change, m meta) error {
	if s.broken != nil {
		return s.broken
	}
	next := s.all
	next.meta = m
	next.meta.Revision++
	next.tally(changes)
	failed, err := s.db.write(append(changes, next.meta.change()))
	if failed {
		s.broken = fmt.Errorf("%w after a failed commit: %w; check the disk and its free space, then open the store again", ErrBroken, err)
		return s.broken
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	for _, c := range changes {
		next.table(c.bucket).set(c.key, c.value)
	}
	s.all, s.stale = next, true
	return s.replaceImage()
}

// tally puts the counts that hold after the changes into the meta record.
func (c *contents) tally(changes []change) {
	for _, ch := range changes {
		delta := 0
		_, found := c.table(ch.bucket).rows[ch.key]
		if ch.value != nil && !found {
			delta = 1
		}
		if ch.value == nil && found {
			delta = -1
		}
		*c.meta.counter(ch.bucket) += delta
	}
}

func (m *meta) counter(bucket string) *int {
	switch bucket {
	case bucketRules:
		return &m.Rules
	case bucketHolders:
		return &m.Holders
	case bucketCredentials:
		return &m.Credentials
	default:
		return &m.Doors
	}
}

// replaceImage brings the boot image up to the store, if it lags behind.
func (s *Store) replaceImage() error {
	if !s.stale {
		return nil
	}
	b, err := appendImage(nil, &s.all)
	if err == nil {
		err = replaceFile(s.image, b, s.step)
	}
	if err != nil {
		return fmt.Errorf("the store is changed, but not its boot image: %w; check the disk and its free space, then try again", err)
	}
	s.stale = false
	return nil
}

// SaveDoors keeps the doors' modes and fire latches in one transaction and
// replaces the boot image; the last of two entries of a door counts. What is
// already so costs nothing. Errors: ErrInvalid (mode Accessed, a bad id: nothing
// is changed), ErrBroken, or that of the image: then the store has the change and
// a repetition makes the image.
func (s *Store) SaveDoors(doors []access.DoorMemory) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	last := map[string]int{}
	var changes []change
	for _, d := range doors {
		if err := validDoor(d); err != nil {
			return err
		}
		row, err := json.Marshal(d)
		if err != nil {
			return err
		}
		key := string(d.Door)
		if at, twice := last[key]; twice {
			changes[at].value = row
			continue
		}
		last[key] = len(changes)
		changes = append(changes, change{bucketDoors, key, row})
	}
	changes = s.differing(changes)
	if len(changes) == 0 && s.broken == nil {
		return s.replaceImage()
	}
	return s.commit(changes, s.all.meta)
}

func validDoor(d access.DoorMemory) error {
	if d.Mode == access.Accessed || d.Mode > access.DoubleLocked {
		return fmt.Errorf("%w: mode %d of door %q is never stored; store the mode it goes back to", ErrInvalid, d.Mode, d.Door)
	}
	return validID("door", string(d.Door))
}

func validID(what, id string) error {
	if id == "" || len(id) > maxID || !utf8.ValidString(id) {
		return fmt.Errorf("%w: the %s id %q must be text of 1 to %d bytes", ErrInvalid, what, id, maxID)
	}
	return nil
}

// differing leaves out what the store has already.
func (s *Store) differing(changes []change) []change {
	kept := changes[:0]
	for _, c := range changes {
		if string(s.all.table(c.bucket).rows[c.key]) != string(c.value) {
			kept = append(kept, c)
		}
	}
	return kept
}

// NextBoot counts this boot and returns its number, from 1.
func (s *Store) NextBoot() (uint64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := s.all.meta
	m.Boots++
	return m.Boots, s.commit(nil, m)
}

// BuildingID is 32 hex digits, made with the store.
func (s *Store) BuildingID() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.all.meta.Building
}

// Image is all that the store holds, decoded anew.
func (s *Store) Image() (Image, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.all.decode()
}

// Rules are the rules last taken; Version 0 and nothing in them before the first.
func (s *Store) Rules() (access.Rules, error) {
	m, err := s.Image()
	return m.Rules, err
}

// Holders are the cardholders, by id.
func (s *Store) Holders() ([]access.Cardholder, error) {
	m, err := s.Image()
	return m.Holders, err
}

// Credentials are the credentials, by id.
func (s *Store) Credentials() ([]access.Credential, error) {
	m, err := s.Image()
	return m.Credentials, err
}

// People are the cardholders and credentials, ready to be looked up.
func (s *Store) People() (*access.People, error) {
	m, err := s.Image()
	if err != nil {
		return nil, err
	}
	return access.NewPeople(m.Holders, m.Credentials)
}

// Doors is what each door that was ever saved must remember.
func (s *Store) Doors() (map[access.DoorID]access.DoorMemory, error) {
	m, err := s.Image()
	doors := make(map[access.DoorID]access.DoorMemory, len(m.Doors))
	for _, d := range m.Doors {
		doors[d.Door] = d
	}
	return doors, err
}

// Close closes the store, after a change that is under way.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.broken == nil {
		s.broken = fmt.Errorf("%w: it was closed", ErrBroken)
	}
	return s.db.close()
}
