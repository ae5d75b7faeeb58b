package disktest

import (
	"maps"
	"slices"
	"syscall"

	"github.com/hanwen/go-fuse/v2/fuse"
)

// fileSystem shows a medium to the kernel. Nothing but the contents of open files
// is cached there, and those by node number.
type fileSystem struct {
	fuse.RawFileSystem
	m *medium
}

func onRead(f *Faults) syscall.Errno   { return f.Read }
func onChange(f *Faults) syscall.Errno { return f.Change }
func onSync(f *Faults) syscall.Errno   { return f.Sync }

// node finds a node and says what the operation on it fails with. The medium is
// locked until done is called.
func (fs *fileSystem) node(id uint64, of func(*Faults) syscall.Errno) (n *node, status fuse.Status, done func()) {
	fs.m.mu.Lock()
	n = fs.m.nodes[id]
	if n == nil {
		return nil, fuse.Status(syscall.ESTALE), fs.m.mu.Unlock
	}
	return n, fuse.Status(fs.m.fault(n, of)), fs.m.mu.Unlock
}

func (n *node) attr(a *fuse.Attr) {
	a.Ino, a.Size, a.Nlink, a.Blksize = n.id, uint64(len(n.data)), 1, 4096
	a.Blocks = (a.Size + sectorBytes - 1) / sectorBytes
	a.Mode = syscall.S_IFREG | 0o600
	if n.dir {
		a.Mode = syscall.S_IFDIR | 0o700
	}
}

// cacheSeconds is how long the kernel may believe in names and attributes. It
// changes them itself, and is told of a reboot.
const cacheSeconds = 3600

func (n *node) entry(out *fuse.EntryOut) {
	out.NodeId, out.Generation = n.id, 1
	out.EntryValid, out.AttrValid = cacheSeconds, cacheSeconds
	n.attr(&out.Attr)
}

func (fs *fileSystem) Lookup(_ <-chan struct{}, h *fuse.InHeader, name string, out *fuse.EntryOut) fuse.Status {
	dir, status, done := fs.node(h.NodeId, func(*Faults) syscall.Errno { return 0 })
	defer done()
	if !status.Ok() {
		return status
	}
	n := dir.names[name]
	if n == nil {
		return fuse.ENOENT
	}
	n.entry(out)
	return fuse.OK
}

func (fs *fileSystem) GetAttr(_ <-chan struct{}, in *fuse.GetAttrIn, out *fuse.AttrOut) fuse.Status {
	n, status, done := fs.node(in.NodeId, func(*Faults) syscall.Errno { return 0 })
	defer done()
	if status.Ok() {
		out.AttrValid = cacheSeconds
		n.attr(&out.Attr)
	}
	return status
}

// SetAttr knows lengths; modes and times are taken and forgotten.
func (fs *fileSystem) SetAttr(_ <-chan struct{}, in *fuse.SetAttrIn, out *fuse.AttrOut) fuse.Status {
	n, status, done := fs.node(in.NodeId, onChange)
	defer done()
	if !status.Ok() {
		return status
	}
	if size, ok := in.GetSize(); ok {
		status = fs.change(n, int64(size), func() { n.resize(int64(size)) })
	}
	out.AttrValid = cacheSeconds
	n.attr(&out.Attr)
	return status
}

// change does one change of n, which has so many bytes after it, unless the disk
// is full.
func (fs *fileSystem) change(n *node, size int64, do func()) fuse.Status {
	if quota := fs.m.faults.Quota; quota > 0 && size > int64(len(n.data)) && fs.m.used()+size-int64(len(n.data)) > quota {
		return fuse.Status(syscall.ENOSPC)
	}
	switch fs.m.step() {
	case works:
		do()
		return fuse.OK
	case cuts:
		do()
	}
	return fuse.EIO
}

func (fs *fileSystem) Open(_ <-chan struct{}, in *fuse.OpenIn, out *fuse.OpenOut) fuse.Status {
	of := onRead
	if in.Flags&syscall.O_ACCMODE != syscall.O_RDONLY && fs.readOnly() {
		of = onChange
	}
	_, status, done := fs.node(in.NodeId, of)
	defer done()
	out.OpenFlags = fuse.FOPEN_KEEP_CACHE
	return status
}

// readOnly: such a disk refuses already to open a file for writing.
func (fs *fileSystem) readOnly() bool {
	fs.m.mu.Lock()
	defer fs.m.mu.Unlock()
	return fs.m.faults.Change == syscall.EROFS
}

func (fs *fileSystem) Read(_ <-chan struct{}, in *fuse.ReadIn, buf []byte) (fuse.ReadResult, fuse.Status) {
	n, status, done := fs.node(in.NodeId, onRead)
	defer done()
	if !status.Ok() {
		return nil, status
	}
	from := min(in.Offset, uint64(len(n.data)))
	return fuse.ReadResultData(buf[:copy(buf, n.data[from:])]), fuse.OK
}

func (fs *fileSystem) Write(_ <-chan struct{}, in *fuse.WriteIn, data []byte) (uint32, fuse.Status) {
	n, status, done := fs.node(in.NodeId, onChange)
	defer done()
	if !status.Ok() {
		return 0, status
	}
	off := int64(in.Offset)
	size := max(off+int64(len(data)), int64(len(n.data)))
	if status = fs.change(n, size, func() { n.write(data, off) }); !status.Ok() {
		return 0, status
	}
	return uint32(len(data)), fuse.OK
}

func (fs *fileSystem) Create(_ <-chan struct{}, in *fuse.CreateIn, name string, out *fuse.CreateOut) fuse.Status {
	out.OpenFlags = fuse.FOPEN_KEEP_CACHE
	return fs.make(in.NodeId, name, &node{name: name}, &out.EntryOut)
}

func (fs *fileSystem) Mkdir(_ <-chan struct{}, in *fuse.MkdirIn, name string, out *fuse.EntryOut) fuse.Status {
	return fs.make(in.NodeId, name, &node{name: name, dir: true, names: map[string]*node{}, durable: map[string]*node{}}, out)
}

func (fs *fileSystem) make(parent uint64, name string, child *node, out *fuse.EntryOut) fuse.Status {
	dir, status, done := fs.node(parent, onChange)
	defer done()
	if status.Ok() {
		status = fuse.Status(fs.m.fault(child, onChange))
	}
	if !status.Ok() {
		return status
	}
	fs.m.add(child).entry(out)
	return fs.change(dir, 0, func() { dir.rename("", name, child) })
}

func (fs *fileSystem) Unlink(_ <-chan struct{}, h *fuse.InHeader, name string) fuse.Status {
	dir, status, done := fs.node(h.NodeId, onChange)
	defer done()
	switch {
	case !status.Ok():
		return status
	case dir.names[name] == nil:
		return fuse.ENOENT
	}
	return fs.change(dir, 0, func() { dir.rename(name, "", nil) })
}

func (fs *fileSystem) Rmdir(cancel <-chan struct{}, h *fuse.InHeader, name string) fuse.Status {
	return fs.Unlink(cancel, h, name)
}

// Rename replaces what has the new name. From one directory to another it is two
// changes, each durable with its own directory.
func (fs *fileSystem) Rename(_ <-chan struct{}, in *fuse.RenameIn, from, to string) fuse.Status {
	dir, status, done := fs.node(in.NodeId, onChange)
	defer done()
	if !status.Ok() {
		return status
	}
	child, target := dir.names[from], fs.m.nodes[in.Newdir]
	if child == nil || target == nil || in.Flags != 0 {
		return fuse.EINVAL
	}
	return fs.change(dir, 0, func() {
		if target == dir {
			dir.rename(from, to, child)
			return
		}
		dir.rename(from, "", nil)
		target.rename("", to, child)
	})
}

func (fs *fileSystem) Flush(<-chan struct{}, *fuse.FlushIn) fuse.Status { return fuse.OK }

func (fs *fileSystem) Fsync(cancel <-chan struct{}, in *fuse.FsyncIn) fuse.Status {
	return fs.sync(cancel, in.NodeId, func(f *Faults) bool { return f.LieFiles })
}

func (fs *fileSystem) FsyncDir(cancel <-chan struct{}, in *fuse.FsyncIn) fuse.Status {
	return fs.sync(cancel, in.NodeId, func(f *Faults) bool { return f.LieDirs })
}

// sync makes a file or a directory durable.
func (fs *fileSystem) sync(cancel <-chan struct{}, id uint64, lies func(*Faults) bool) fuse.Status {
	if !fs.thawed(cancel) {
		return fuse.EINTR
	}
	n, status, done := fs.node(id, onSync)
	defer done()
	switch {
	case n == nil || fs.m.off:
		return fuse.EIO
	case !status.Ok():
		n.forget()
		return status
	}
	switch fs.m.step() {
	case fails:
		n.forget()
		return fuse.EIO
	case cuts:
		return fuse.EIO
	}
	if !lies(&fs.m.faults) {
		n.sync()
	}
	return fuse.OK
}

// thawed waits while the disk is frozen. It is false when whoever waits is
// killed: they could not even end before they got an answer.
func (fs *fileSystem) thawed(cancel <-chan struct{}) bool {
	m := fs.m
	m.mu.Lock()
	defer m.mu.Unlock()
	for m.faults.Frozen && !m.off {
		thaw := m.thaw
		m.stuck++
		m.mu.Unlock()
		interrupted := false
		select {
		case <-thaw:
		case <-cancel:
			interrupted = true
		}
		m.mu.Lock()
		m.stuck--
		if interrupted {
			return false
		}
	}
	return true
}

func (fs *fileSystem) OpenDir(_ <-chan struct{}, in *fuse.OpenIn, _ *fuse.OpenOut) fuse.Status {
	_, status, done := fs.node(in.NodeId, func(*Faults) syscall.Errno { return 0 })
	defer done()
	return status
}

func (fs *fileSystem) ReadDir(_ <-chan struct{}, in *fuse.ReadIn, out *fuse.DirEntryList) fuse.Status {
	dir, status, done := fs.node(in.NodeId, func(*Faults) syscall.Errno { return 0 })
	defer done()
	if !status.Ok() {
		return status
	}
	names := slices.Sorted(maps.Keys(dir.names))
	for i := int(in.Offset); i < len(names); i++ {
		var a fuse.Attr
		dir.names[names[i]].attr(&a)
		if !out.AddDirEntry(fuse.DirEntry{Name: names[i], Mode: a.Mode, Ino: a.Ino, Off: uint64(i + 1)}) {
			break
		}
	}
	return fuse.OK
}

func (fs *fileSystem) StatFs(_ <-chan struct{}, _ *fuse.InHeader, out *fuse.StatfsOut) fuse.Status {
	fs.m.mu.Lock()
	defer fs.m.mu.Unlock()
	const size = 1 << 30
	total := int64(size)
	if q := fs.m.faults.Quota; q > 0 {
		total = q
	}
	free := uint64(max(total-fs.m.used(), 0))
	out.Bsize, out.Frsize, out.NameLen = sectorBytes, sectorBytes, 255
	out.Blocks, out.Bfree, out.Bavail = uint64(total)/sectorBytes, free/sectorBytes, free/sectorBytes
	return fuse.OK
}
