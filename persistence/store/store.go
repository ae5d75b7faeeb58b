package store

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"
	"unicode/utf8"

	"gatehouse/access"
	"gatehouse/persistence"
)

// FileName is the store's name in the data directory.
const FileName = "store.db"

const (
	// maxID is the greatest length of an id in bytes: what the journal keeps whole.
	maxID = 255
	// inMemory is the greatest number of cardholders, and of credentials, that are
	// held in memory and stand in the boot image.
	inMemory = 50_000
	// walkBytes is the size up to which an opening reads the whole file.
	walkBytes = 16 << 20
)

// Options say which store to open.
type Options struct {
	Dir     string    // the data directory; must exist
	Random  io.Reader // 16 bytes are read when a new building id is made
	Recover *Recover  // what to do about a damaged store; nil: refuse it
	// Rewrite: this process saw a commit fail, so even a large store is written
	// again before anything of it is called durable.
	Rewrite bool

	step      func(string) error
	inMemory  int
	walkBytes int64
}

func (o *Options) fill() {
	if o.inMemory == 0 {
		o.inMemory = inMemory
	}
	if o.walkBytes == 0 {
		o.walkBytes = walkBytes
	}
}

// Store is an open store, safe for concurrent use. Changes go to disk and block.
// Recall and Lookup never wait for a change, a change of doors only for the last
// step of one of people; everything else answers from memory, but waits for a
// change under way.
type Store struct {
	changing  sync.Mutex // held through a change of rules or people; before mu
	mu        sync.Mutex
	o         Options
	db        *database
	image     string // path
	step      func(string) error
	all       contents
	stale     bool // the image lags behind
	broken    error
	recovered error

	readsMu sync.Mutex
	reads   []time.Time // when each read transaction that goes on began

	reading sync.RWMutex // of what Lookup reads; never held through a read
	view    *tables
	people  *crowd   // nil if they are too many
	file    *os.File // that view reads; open until Close, also of a store that is retired
}

// Check reads the store in dir, with its image, and changes nothing. A directory
// without a store is fs.ErrNotExist. A large store takes seconds. Other errors:
// ErrCorrupt, ErrVersion, persistence.ErrLocked.
func Check(dir string) error {
	_, err := Examine(dir)
	if errors.Is(err, errOlder) {
		_, _, err = inspectV1(filepath.Join(dir, FileName))
	}
	return err
}

// Summary says what a store holds.
type Summary struct {
	Version     uint64 // of rules and people
	Holders     int
	Credentials int
	Fingerprint string // of all rules and people, 32 hex digits, as in a Change
}

// Examine is Check of a store of today's format, and says what is in it.
func Examine(dir string) (Summary, error) {
	o := Options{Dir: dir, walkBytes: 1 << 62}
	o.fill()
	i, err := check(&o, filepath.Join(dir, FileName))
	if err != nil {
		return Summary{}, err
	}
	m := &i.contents.meta
	return Summary{
		Version: m.Version, Holders: m.Tables[tableHolders].Rows, Credentials: m.Tables[tableCards].Rows,
		Fingerprint: i.contents.fingerprint(),
	}, nil
}

// check reads the store at path beside the image in o.Dir.
func check(o *Options, path string) (*inspected, error) {
	i, err := inspect(path, o)
	if err != nil {
		return nil, err
	}
	image := filepath.Join(o.Dir, ImageName)
	m, _, err := readImage(image)
	if now := i.contents.meta; err == nil && m.meta.Building == now.Building && m.meta.Revision > now.Revision {
		return nil, corrupt(path, "its last changes are missing (revision %d, %s has %d; if it is a restored backup, delete %s)",
			now.Revision, image, m.meta.Revision, ImageName)
	}
	return i, nil // a bad image, or one of another store: the store wins
}

// Open opens the store in o.Dir, or makes one: from the boot image if there is
// one, empty otherwise. One of an older format is migrated first, a damaged one
// set aside if o.Recover says so. What a failed sync may have left in the page
// cache only is written again first, the boot image always. Errors: ErrCorrupt,
// ErrVersion and persistence.ErrLocked, with every file left byte-identical, or
// that of the file system.
func Open(o Options) (*Store, error) {
	o.fill()
	path := filepath.Join(o.Dir, FileName)
	var recovered error
	i, err := trusted(&o, path)
	again := true
	switch {
	case errors.Is(err, fs.ErrNotExist):
		err = create(&o)
	case errors.Is(err, errOlder):
		err = migrate(&o, path)
	case errors.Is(err, ErrCorrupt) && o.Recover != nil:
		recovered, err = recoverStore(&o, err)
	default:
		again = false
	}
	if again && err == nil {
		i, err = check(&o, path)
	}
	if err != nil {
		return nil, err
	}
	s, err := openStore(&o, i)
	if err != nil {
		return nil, err
	}
	s.stale, s.recovered = true, recovered
	if err := s.replaceImage(); err != nil {
		_ = s.db.close() // nothing was written
		return nil, err
	}
	_ = os.Remove(filepath.Join(o.Dir, doubtName))
	return s, nil
}

// trusted is check, and all that it read is on disk.
func trusted(o *Options, path string) (*inspected, error) {
	i, err := check(o, path)
	if err != nil {
		return nil, err
	}
	if again, err := doubtful(o); !again || err != nil {
		return i, err
	}
	return renew(o)
}

func openStore(o *Options, i *inspected) (*Store, error) {
	path := filepath.Join(o.Dir, FileName)
	db, file, err := openBoth(path)
	if err != nil {
		return nil, err
	}
	_ = os.RemoveAll(filepath.Join(o.Dir, spillDir)) // of an import that was cut short
	_ = os.Remove(path + rebuildSuffix)
	i.tables.find.r = file
	return &Store{
		o: *o, db: db, image: filepath.Join(o.Dir, ImageName), step: o.step,
		all: *i.contents, view: i.tables, people: i.people, file: file,
	}, nil
}

// openBoth opens a store's file for changes, and once more for lookups: those go on
// when the database is closed because it broke.
func openBoth(path string) (*database, *os.File, error) {
	db, err := openDatabase(path)
	if err != nil {
		return nil, nil, err
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, nil, errors.Join(err, db.close())
	}
	return db, file, nil
}

// create makes a store where there is none.
func create(o *Options) error {
	c, people, err := readImage(filepath.Join(o.Dir, ImageName))
	switch {
	case errors.Is(err, ErrNoImage):
		c, people, err = fresh(o.Random)
	case err != nil:
		return fmt.Errorf("%w: there is no %s, and %w; restore a backup, or delete %s to begin empty", ErrCorrupt, FileName, err, ImageName)
	case people == nil:
		return fmt.Errorf("%w: there is no %s, and %s is without its people, who are too many for it; restore a backup, or delete %s to begin empty", ErrCorrupt, FileName, ImageName, ImageName)
	}
	if err != nil {
		return err
	}
	if err := makeStore(o, filepath.Join(o.Dir, FileName), c, people); err != nil {
		return fmt.Errorf("cannot make a new store in %s: %w; check its permissions and free space", o.Dir, err)
	}
	return nil
}

func fresh(random io.Reader) (*contents, *crowd, error) {
	id := make([]byte, 16)
	if _, err := io.ReadFull(random, id); err != nil {
		return nil, nil, fmt.Errorf("cannot draw a building id: %w", err)
	}
	return &contents{meta: meta{Schema: schema, Building: hex.EncodeToString(id)}}, &crowd{}, nil
}

// makeStore makes a store.db of the contents and the people.
func makeStore(o *Options, path string, c *contents, people *crowd) error {
	b := newBuild(context.Background(), o.Dir, nil)
	defer b.discard()
	if err := b.crowd(people); err != nil {
		return err
	}
	return makeFile(path+".tmp", path, o.step, func(db *database) error { return b.fill(db, c) })
}

// fill writes a whole store into an empty one, and its tables into c.
func (b *build) fill(db *database, c *contents) (err error) {
	if c.sums, c.meta.Tables, err = b.write(db); err != nil {
		return err
	}
	_, err = db.write(c.everything())
	return err
}

// makeFile makes a store under the name temp first: a power cut within bbolt's own
// creation can leave a file that kills the process that maps it. When fill fails,
// nothing is left of it.
func makeFile(temp, path string, step func(string) error, fill func(*database) error) (err error) {
	if step == nil {
		step = func(string) error { return nil }
	}
	if err := step("create"); err != nil {
		return err
	}
	if err := os.Remove(temp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	db, err := openDatabase(temp)
	if err != nil {
		_ = os.Remove(temp) // there may be none
		return err
	}
	db.db.NoSync = true // once, at the end
	if err = fill(db); err == nil {
		err = db.guard(temp, db.db.Sync)
	}
	if closing := db.close(); err == nil {
		err = closing
	}
	if err != nil {
		_ = os.Remove(temp)
		return err
	}
	return persistence.Publish(temp, path, step)
}

// commit makes the changes durable, in memory too, and replaces the boot image.
// m is the meta record that holds then, but for revision and counts; sums are
// those of the tables, if people changed.
func (s *Store) commit(changes []change, m meta, sums *[tableCount]sums) error {
	if s.broken != nil {
		return s.broken
	}
	m.Revision++
	next := s.all.with(changes, m)
	failed, err := s.db.write(append(changes, next.meta.change()))
	if failed {
		return s.fail(err)
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	s.all, s.stale = next, true
	if sums != nil {
		s.all.sums = *sums
		if err := s.look(); err != nil {
			return s.fail(err)
		}
	}
	return s.replaceImage()
}

func (s *Store) fail(err error) error {
	s.doubt()
	s.broken = fmt.Errorf("%w after a failed commit: %w; check the disk and its free space, then open the store again", ErrBroken, err)
	return s.broken
}

// replaceImage brings the boot image up to the store, if it lags behind.
func (s *Store) replaceImage() error {
	if !s.stale {
		return nil
	}
	b, err := appendImage(nil, &s.all, s.people)
	if err == nil {
		err = persistence.ReplaceFile(s.image, b, s.step)
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
	return s.commit(changes, s.all.meta, nil)
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
	return m.Boots, s.commit(nil, m, nil)
}

// BuildingID is 32 hex digits, made with the store.
func (s *Store) BuildingID() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.all.meta.Building
}

// Rules are the rules last taken; Version 0 and nothing in them before the first.
func (s *Store) Rules() (access.Rules, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	m, err := s.all.decode()
	return m.Rules, err
}

// Doors is what each door that was ever saved must remember.
func (s *Store) Doors() (map[access.DoorID]access.DoorMemory, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	m, err := s.all.decode()
	doors := make(map[access.DoorID]access.DoorMemory, len(m.Doors))
	for _, d := range m.Doors {
		doors[d.Door] = d
	}
	return doors, err
}

// Recovered says why the store was made anew at this opening, and where the
// damaged one is; nil if it was sound.
func (s *Store) Recovered() error { return s.recovered }

// Retire gives the file back, so that it can be opened again: there are no more
// changes (ErrBroken), but cards are found as they were until Close.
func (s *Store) Retire() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.broken == nil {
		s.broken = fmt.Errorf("%w: it was closed", ErrBroken)
	}
	return s.db.close()
}

// Close closes the store, after the step of a change that is under way.
func (s *Store) Close() error {
	err := s.Retire()
	s.mu.Lock()
	defer s.mu.Unlock()
	return errors.Join(err, s.file.Close())
}
