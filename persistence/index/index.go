package index

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"

	"gatehouse/access"
)

// ErrBusy: another Advance or Rebuild is under way, perhaps on a disk that hangs.
var ErrBusy = errors.New("the index is being written")

// Journal is what is indexed. Its methods are safe for concurrent use.
type Journal interface {
	// Read returns up to limit events with Seq > after, in order.
	Read(after uint64, limit int) ([]access.Event, error)
	// Last is the Seq of the newest event, 0 if there is none.
	Last() uint64
}

// maxBad bounds the damaged blocks that wait to be made again; more are found
// again later.
const maxBad = 64

// Index finds events in a journal. Find and Lag are safe at any time; one Advance
// or Rebuild runs at a time. It keeps no file open.
type Index struct {
	dir     string
	journal Journal

	working sync.Mutex // guards the next four
	begun   bool
	build   builder
	block   uint64 // the one that build collects
	through uint64 // the last event that was taken up

	mu    sync.Mutex // guards the rest
	shown shown
	bad   map[uint64]bool // blocks to make again
}

// shown is what Find may rely on.
type shown struct {
	sound   bool   // the files are of this journal
	through uint64 // all events up to this one are in the index
	open    uint64 // the first block that is not in the files
	table   table  // of that block
}

// New is the index of a journal with its files in dir. It touches nothing: until
// the first Advance, Find reads the journal.
func New(dir string, journal Journal) *Index {
	return &Index{dir: dir, journal: journal, bad: map[uint64]bool{}}
}

// Lag is how many events the index is behind the journal.
func (x *Index) Lag() uint64 {
	x.mu.Lock()
	through := x.shown.through
	x.mu.Unlock()
	return max(x.journal.Last(), through) - through
}

// Advance takes up to limit events that the journal has gained; done says that
// there were no more. The first one looks at the files: those of another journal
// or of another version are removed, and all is indexed from the beginning. After
// an error, that of the journal or of the file system, call it again; ErrBusy.
func (x *Index) Advance(ctx context.Context, limit int) (done bool, err error) {
	if !x.working.TryLock() {
		return false, ErrBusy
	}
	defer x.working.Unlock()
	if done, err = x.advance(ctx, limit); err == nil {
		return done, nil
	}
	x.begun = false
	if errors.Is(err, errShelf) {
		err = x.clear()
	}
	if err != nil {
		err = fmt.Errorf("index: %w", err)
	}
	return false, err
}

// Clear throws the index away; the next Advance begins anew. Errors: that of the file
// system; ErrBusy.
func (x *Index) Clear() error {
	if !x.working.TryLock() {
		return ErrBusy
	}
	defer x.working.Unlock()
	x.begun = false
	if err := x.clear(); err != nil {
		return fmt.Errorf("index: %w", err)
	}
	return nil
}

// Rebuild throws the index away and makes it again, however long that takes.
// progress is told the last event that is in it, now and then.
func (x *Index) Rebuild(ctx context.Context, progress func(through uint64)) error {
	if !x.working.TryLock() {
		return ErrBusy
	}
	defer x.working.Unlock()
	x.begun = false
	if err := x.clear(); err != nil {
		return fmt.Errorf("index: %w", err)
	}
	for {
		done, err := x.advance(ctx, 64*blockEvents)
		if err != nil {
			x.begun = false
			return fmt.Errorf("index: %w", err)
		}
		if done {
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		progress(x.through)
	}
}

func (x *Index) advance(ctx context.Context, limit int) (done bool, err error) {
	if !x.begun {
		if err := x.begin(); err != nil {
			return false, err
		}
	}
	if err := x.mend(); err != nil {
		return false, err
	}
	was := x.through
	for limit > 0 && ctx.Err() == nil && !done {
		events, err := x.journal.Read(x.through, min(limit, blockEvents))
		if err != nil {
			return false, err
		}
		for i := range events {
			if err := x.take(&events[i]); err != nil {
				return false, err
			}
		}
		limit -= len(events)
		done = len(events) == 0
	}
	if x.through > was {
		x.publish()
	}
	return done, nil
}

// begin goes on where the files end.
func (x *Index) begin() error {
	x.build.reset()
	x.block, x.through = 0, 0
	list, err := shelves(x.dir)
	if err != nil {
		return err
	}
	newest, err := x.newest(list)
	if err != nil {
		return err
	}
	if newest != nil {
		x.through = newest.last()
		x.block = x.through/blockEvents + 1
	} else if err := x.clear(); err != nil {
		return err
	}
	x.begun = true
	x.publish()
	return x.drop(list)
}

// newest is the last block of the files, nil if they are not of this journal.
func (x *Index) newest(list []uint64) (table, error) {
	for _, shelf := range list {
		f, err := openShelf(x.dir, shelf)
		if errors.Is(err, errShelf) {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		_ = f.Close() // opened for reading
	}
	for _, shelf := range slices.Backward(list) {
		t, err := lastTable(x.dir, shelf)
		if err != nil {
			return nil, err
		}
		if t != nil {
			return t, x.check(&t)
		}
	}
	return nil, nil
}

// check makes t nil when the journal does not hold its last event.
func (x *Index) check(t *table) error {
	events, err := x.journal.Read(t.last()-1, 1)
	if err == nil && (len(events) == 0 || markOf(&events[0]) != t.mark()) {
		*t = nil
	}
	return err
}

// lastTable is that of the last sound block of a shelf, nil if there is none.
func lastTable(dir string, shelf uint64) (table, error) {
	f, err := openShelf(dir, shelf)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // opened for reading
	for block := (shelf + 1) * shelfBlocks; block > shelf*shelfBlocks; block-- {
		t, err := readTable(f, blockSlot(block-1), nil)
		if !errors.Is(err, errUnknown) {
			return t, err
		}
	}
	return nil, nil
}

// clear throws all away. Whoever searches now reads the journal.
func (x *Index) clear() error {
	x.mu.Lock()
	x.shown = shown{}
	clear(x.bad)
	x.mu.Unlock()
	return wipe(x.dir)
}

// drop removes the shelves that the journal has dropped all events of.
func (x *Index) drop(list []uint64) error {
	first, err := x.journal.Read(0, 1)
	if err != nil || len(first) == 0 {
		return err
	}
	for _, shelf := range list {
		if (shelf+1)*shelfBlocks*blockEvents > first[0].Seq {
			break
		}
		if err := os.Remove(shelfPath(x.dir, shelf)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	return nil
}

// take takes up the next event.
func (x *Index) take(e *access.Event) error {
	if block := e.Seq / blockEvents; block != x.block {
		if err := x.flush(); err != nil {
			return err
		}
		x.block = block
	}
	x.build.add(e)
	x.through = e.Seq
	if e.Seq%blockEvents < blockEvents-1 {
		return nil
	}
	err := x.flush()
	x.block++
	return err
}

// flush writes the block that is complete. The first of a shelf makes room.
func (x *Index) flush() error {
	if x.build.last == 0 {
		return nil
	}
	if err := x.write(x.block, &x.build); err != nil {
		return err
	}
	x.build.reset()
	if x.block%shelfBlocks > 0 {
		return nil
	}
	list, err := shelves(x.dir)
	if err != nil {
		return err
	}
	return x.drop(list)
}

// write writes a block, and its group if the group ends with it.
func (x *Index) write(block uint64, b *builder) error {
	f, err := makeShelf(x.dir, block/shelfBlocks)
	if err != nil {
		return err
	}
	err = writeTable(f, blockSlot(block), b.table())
	if err == nil && block%groupBlocks == groupBlocks-1 {
		err = writeGroup(f, block/groupBlocks)
	}
	return errors.Join(err, f.Close())
}

// writeGroup makes a group of its blocks. If one of them is missing, as within a
// gap of the journal, there is no group, and its blocks are asked one by one.
func writeGroup(f *os.File, group uint64) error {
	blocks := make([]table, groupBlocks)
	for i := range blocks {
		t, err := readTable(f, blockSlot(group*groupBlocks+uint64(i)), nil)
		if errors.Is(err, errUnknown) {
			return nil
		}
		if err != nil {
			return err
		}
		blocks[i] = t
	}
	for part, t := range groupTables(blocks) {
		if err := writeTable(f, groupSlot(group, part), t); err != nil {
			return err
		}
	}
	return nil
}

// publish lets Find rely on what was taken up.
func (x *Index) publish() {
	next := shown{sound: true, through: x.through, open: x.block}
	if x.build.last > 0 {
		next.table = x.build.table()
	}
	x.mu.Lock()
	x.shown = next
	x.mu.Unlock()
}

// mend makes the blocks again that were found to be damaged, and their groups.
func (x *Index) mend() error {
	x.mu.Lock()
	var list []uint64
	for block := range x.bad {
		list = append(list, block)
	}
	x.mu.Unlock()
	for _, block := range list {
		if err := x.mendBlock(block); err != nil {
			return err
		}
		x.mu.Lock()
		delete(x.bad, block)
		x.mu.Unlock()
	}
	return nil
}

func (x *Index) mendBlock(block uint64) error {
	events, err := readBlock(x.journal, block)
	if err != nil || len(events) == 0 {
		return err
	}
	var b builder
	b.reset()
	for i := range events {
		b.add(&events[i])
	}
	if err := x.write(block, &b); err != nil || (block/groupBlocks+1)*groupBlocks > x.block {
		return err
	}
	f, err := makeShelf(x.dir, block/shelfBlocks)
	if err != nil {
		return err
	}
	return errors.Join(writeGroup(f, block/groupBlocks), f.Close())
}

func readBlock(j Journal, block uint64) ([]access.Event, error) {
	first, last := max(1, block*blockEvents), block*blockEvents+blockEvents-1
	events, err := j.Read(first-1, int(last-first)+1)
	return slices.DeleteFunc(events, func(e access.Event) bool { return e.Seq > last }), err
}

// suspect notes a block that has to be made again.
func (x *Index) suspect(block uint64) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if len(x.bad) < maxBad {
		x.bad[block] = true
	}
}
