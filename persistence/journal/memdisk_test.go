package journal

import (
	"errors"
	"io"
	"io/fs"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"syscall"
)

var (
	errPower = errors.New("power is off")
	errDisk  = errors.New("input/output error")
)

// fault is what happens to the operation that it is planned for.
type fault int

const (
	powerCut  fault = iota
	failKeep        // it fails; what was written stays dirty
	failClean       // it fails; the kernel takes the pages for written all the same
)

// disk is a disk in memory. Contents live twice: as programs see them and as they
// stand on the platter; between them lies what was not synced.
type disk struct {
	rnd     *rand.Rand
	names   map[string]*inode // as programs see them
	durable map[string]*inode
	ops     int
	planned map[int]fault // by number of the operation
	off     bool

	noSync    bool // negative control: syncs do nothing
	noRewrite bool // negative control: writing what is already there does nothing
}

type inode struct {
	seen, platter []byte
	dirty         []change
	bad           func(page int64) bool // pages that cannot be read; nil: none
}

// change is an unsynced write, or a cut to size when data is nil.
type change struct {
	off  int64
	data []byte
	size int64
}

func newDisk(seed uint64) *disk {
	return &disk{
		rnd:   rand.New(rand.NewPCG(seed, 1)),
		names: map[string]*inode{}, durable: map[string]*inode{}, planned: map[int]fault{},
	}
}

// step counts an operation and says what goes wrong with it.
func (d *disk) step() (fault, error) {
	if d.off {
		return 0, errPower
	}
	d.ops++
	f, bad := d.planned[d.ops]
	if !bad {
		return 0, nil
	}
	if f == powerCut {
		d.off = true
		return f, errPower
	}
	return f, errDisk
}

// reboot turns the power off and on: every unsynced change is kept, lost or torn.
func (d *disk) reboot() {
	d.off = false
	d.planned = map[int]fault{}
	names := maps.Clone(d.durable)
	for _, name := range slices.Sorted(maps.Keys(d.names)) {
		if d.rnd.IntN(2) == 0 {
			names[name] = d.names[name]
		}
	}
	for _, name := range slices.Sorted(maps.Keys(d.durable)) {
		if d.names[name] == nil && d.rnd.IntN(2) == 0 {
			delete(names, name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		names[name].settle(d.rnd)
	}
	d.names, d.durable = names, maps.Clone(names)
}

// settle leaves on the platter what a power cut leaves: none, a prefix, or any
// sectors of the unsynced changes.
func (in *inode) settle(rnd *rand.Rand) {
	mode := rnd.IntN(4)
	for _, c := range in.dirty {
		switch mode {
		case 0: // nothing
		case 1: // all
			in.write(c)
		case 2:
			if c.data != nil {
				c.data = c.data[:rnd.IntN(len(c.data)+1)]
			}
			in.write(c)
		case 3:
			in.tear(c, rnd)
		}
	}
	in.dirty, in.seen = nil, slices.Clone(in.platter)
}

// tear keeps some sectors of a write; the file may have its new length or any
// between.
func (in *inode) tear(c change, rnd *rand.Rand) {
	if c.data == nil {
		if rnd.IntN(2) == 0 {
			in.write(c)
		}
		return
	}
	end := c.off + int64(len(c.data))
	if rnd.IntN(2) == 0 {
		end -= rnd.Int64N(int64(len(c.data)) + 1)
	}
	in.platter = grow(in.platter, end)
	for pos := c.off; pos < end; {
		next := min(pos/512*512+512, end)
		if rnd.IntN(3) > 0 {
			copy(in.platter[pos:next], c.data[pos-c.off:])
		}
		pos = next
	}
}

func grow(b []byte, size int64) []byte {
	if int64(len(b)) < size {
		b = append(b, make([]byte, size-int64(len(b)))...)
	}
	return b
}

// write puts a change on the platter.
func (in *inode) write(c change) {
	if c.data == nil {
		in.platter = grow(in.platter, c.size)[:c.size:c.size]
		return
	}
	in.platter = grow(in.platter, c.off+int64(len(c.data)))
	copy(in.platter[c.off:], c.data)
}

func (d *disk) MkdirAll(string) error { _, err := d.step(); return err }

func (d *disk) SyncDir(string) error {
	if _, err := d.step(); err != nil {
		return err
	}
	d.durable = maps.Clone(d.names)
	return nil
}

func (d *disk) Rename(from, to string) error {
	if _, err := d.step(); err != nil {
		return err
	}
	d.names[to] = d.names[from]
	delete(d.names, from)
	return nil
}

func (d *disk) Remove(path string) error {
	if _, err := d.step(); err != nil {
		return err
	}
	delete(d.names, path)
	return nil
}

func (d *disk) List(dir string) (list []string, err error) {
	if d.off {
		return nil, errPower
	}
	for name := range d.names {
		if filepath.Dir(name) == dir {
			list = append(list, filepath.Base(name))
		}
	}
	if len(list) == 0 {
		return nil, fs.ErrNotExist
	}
	return list, nil
}

func (d *disk) Create(path string) (file, error) {
	if _, err := d.step(); err != nil {
		return nil, err
	}
	d.names[path] = &inode{}
	return &handle{d, d.names[path]}, nil
}

func (d *disk) Open(path string, _ bool) (file, error) {
	if d.off {
		return nil, errPower
	}
	in := d.names[path]
	if in == nil {
		return nil, fs.ErrNotExist
	}
	return &handle{d, in}, nil
}

type handle struct {
	d  *disk
	in *inode
}

func (h *handle) ReadAt(b []byte, off int64) (int, error) {
	if off >= int64(len(h.in.seen)) {
		return 0, io.EOF
	}
	for p := off / page; h.in.bad != nil && p <= (off+int64(len(b))-1)/page; p++ {
		if h.in.bad(p) {
			return 0, syscall.EIO
		}
	}
	n := copy(b, h.in.seen[off:])
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

func (h *handle) WriteAt(b []byte, off int64) (int, error) {
	_, err := h.d.step()
	if err != nil {
		b = b[:h.d.rnd.IntN(len(b)+1)] // a part of it got through
	}
	end := off + int64(len(b))
	same := end <= int64(len(h.in.seen)) && string(h.in.seen[off:end]) == string(b)
	if len(b) > 0 && (!h.d.noRewrite || !same) {
		h.in.seen = grow(h.in.seen, end)
		copy(h.in.seen[off:], b)
		h.in.dirty = append(h.in.dirty, change{off: off, data: slices.Clone(b)})
	}
	return len(b), err
}

func (h *handle) Truncate(size int64) error {
	if _, err := h.d.step(); err != nil {
		return err
	}
	h.in.seen = grow(h.in.seen, size)[:size:size]
	h.in.dirty = append(h.in.dirty, change{size: size})
	return nil
}

func (h *handle) Sync() error {
	f, err := h.d.step()
	if err != nil {
		if f == failClean {
			h.in.dirty = nil
		}
		return err
	}
	if h.d.noSync {
		return nil
	}
	for _, c := range h.in.dirty {
		h.in.write(c)
	}
	h.in.dirty = nil
	return nil
}

func (h *handle) Size() (int64, error) { return int64(len(h.in.seen)), nil }
func (h *handle) Close() error         { return nil }
