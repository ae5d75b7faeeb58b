package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"math"
)

// The layout of a bbolt file, as far as it must be sound before bbolt may map it.
// bbolt writes its structs as they lie in memory, so in native byte order.
const (
	pageHead    = 16 // id u64, flags u16, count u16, overflow u32
	elementHead = 16
	bucketHead  = 16 // root u64, sequence u64
	metaLen     = 64

	branchPage   = 0x01
	leafPage     = 0x02
	metaPage     = 0x04
	freelistPage = 0x10

	bucketElement = 0x01

	boltMagic   = 0xED0CDAED
	boltVersion = 2
	maxDepth    = 64
	maxOverflow = 1 << 14 // pages of one record: more is damage
)

var ne = binary.NativeEndian

// meta is the part of a meta page that the walk needs.
type boltMeta struct {
	pageSize       uint32
	root, freelist uint64
	pages          uint64 // high water mark: no page has this id or a greater one
	txid           uint64
}

func parseMeta(page []byte) (m boltMeta, ok bool) {
	if len(page) < pageHead+metaLen || ne.Uint16(page[8:]) != metaPage {
		return m, false
	}
	b := page[pageHead:]
	h := fnv.New64a()
	h.Write(b[:56])
	if ne.Uint32(b) != boltMagic || ne.Uint32(b[4:]) != boltVersion || ne.Uint64(b[56:]) != h.Sum64() {
		return m, false
	}
	m = boltMeta{
		pageSize: ne.Uint32(b[8:]), root: ne.Uint64(b[16:]), freelist: ne.Uint64(b[32:]),
		pages: ne.Uint64(b[40:]), txid: ne.Uint64(b[48:]),
	}
	return m, m.pageSize >= 1024 && m.pageSize <= 1<<24 && m.pageSize&(m.pageSize-1) == 0
}

// walker reads a bbolt file by plain reads and believes nothing.
type walker struct {
	r     io.ReaderAt
	size  int64
	meta  boltMeta
	used  []bool                   // by page id
	want  func(bucket string) bool // nil: every bucket
	visit func(bucket, key, value []byte) error
	roots map[string]root // of all buckets
}

// walkPages checks the structure of the bbolt file in r and gives every record of
// its top-level buckets to visit (the slices hold until visit returns). With want
// it follows only the buckets that it names. It returns what finds a key later.
func walkPages(r io.ReaderAt, size int64, want func(bucket string) bool, visit func(bucket, key, value []byte) error) (*finder, error) {
	w := &walker{r: r, size: size, want: want, visit: visit, roots: map[string]root{}}
	if err := w.chooseMeta(); err != nil {
		return nil, err
	}
	w.used = make([]bool, w.meta.pages)
	w.used[0], w.used[1] = true, true
	if err := w.freelist(); err != nil {
		return nil, err
	}
	if err := w.tree(tree{page: w.meta.root, depth: 0}); err != nil {
		return nil, err
	}
	for id, used := range w.used {
		if !used && want == nil {
			return nil, fmt.Errorf("page %d is neither used nor free", id)
		}
	}
	return &finder{r: r, meta: w.meta, roots: w.roots}, nil
}

// chooseMeta takes the newer of the sound meta pages, as bbolt does.
func (w *walker) chooseMeta() error {
	first, found := w.metaAt(0)
	if found {
		w.meta = first
	}
	for size := int64(1024); size <= 1<<24; size *= 2 {
		if found && size != int64(first.pageSize) {
			continue
		}
		m, ok := w.metaAt(size)
		if ok && int64(m.pageSize) == size && (!found || m.txid > w.meta.txid) {
			w.meta, found = m, true
			break
		}
	}
	if !found {
		return errors.New("no sound meta page")
	}
	if m := w.meta; m.pages < 3 || m.pages > uint64(w.size)/uint64(m.pageSize) {
		return fmt.Errorf("the file is cut short: %d bytes for %d pages of %d", w.size, m.pages, m.pageSize)
	}
	return nil
}

func (w *walker) metaAt(pos int64) (boltMeta, bool) {
	b := make([]byte, pageHead+metaLen)
	if _, err := w.r.ReadAt(b, pos); err != nil {
		return boltMeta{}, false
	}
	return parseMeta(b)
}

// page reads the page id with its overflow and takes it for used.
func (w *walker) page(id uint64) (b []byte, kind, count uint16, err error) {
	if id < 2 || id >= w.meta.pages {
		return nil, 0, 0, fmt.Errorf("page %d does not exist", id)
	}
	size := int64(w.meta.pageSize)
	head := make([]byte, pageHead)
	if _, err := w.r.ReadAt(head, int64(id)*size); err != nil {
		return nil, 0, 0, fmt.Errorf("page %d: %w", id, err)
	}
	more := uint64(ne.Uint32(head[12:]))
	if ne.Uint64(head) != id || more >= w.meta.pages-id {
		return nil, 0, 0, fmt.Errorf("page %d has a wrong header", id)
	}
	for i := id; i <= id+more; i++ {
		if w.used[i] {
			return nil, 0, 0, fmt.Errorf("page %d is used twice", i)
		}
		w.used[i] = true
	}
	b = make([]byte, (1+int64(more))*size)
	if _, err := w.r.ReadAt(b, int64(id)*size); err != nil {
		return nil, 0, 0, fmt.Errorf("page %d: %w", id, err)
	}
	return b, ne.Uint16(b[8:]), ne.Uint16(b[10:]), nil
}

// freelist takes the free pages for used: none of them may be in the tree.
func (w *walker) freelist() error {
	b, kind, short, err := w.page(w.meta.freelist)
	if err != nil {
		return fmt.Errorf("free list: %w", err)
	}
	if kind != freelistPage {
		return errors.New("the free list is no free list")
	}
	count, ids := uint64(short), b[pageHead:]
	if short == math.MaxUint16 {
		count, ids = ne.Uint64(ids), ids[8:]
	}
	if count > uint64(len(ids))/8 {
		return errors.New("the free list is longer than its pages")
	}
	for i := range count {
		id := ne.Uint64(ids[8*i:])
		if id < 2 || id >= w.meta.pages || w.used[id] {
			return fmt.Errorf("the free list names page %d wrongly", id)
		}
		w.used[id] = true
	}
	return nil
}

// tree is a part of a bucket's tree: its keys lie in [low, high), nil is open.
type tree struct {
	bucket    []byte // nil: the root bucket, which holds the buckets
	page      uint64
	depth     int
	low, high []byte
}

func (w *walker) tree(t tree) error {
	if t.depth > maxDepth {
		return errors.New("the tree is too deep")
	}
	b, kind, count, err := w.page(t.page)
	if err != nil {
		return err
	}
	switch kind {
	case branchPage:
		err = w.branch(t, b, int(count))
	case leafPage:
		err = w.leaf(t, b, int(count))
	default:
		err = errors.New("not a page of the tree")
	}
	if err != nil {
		return fmt.Errorf("page %d: %w", t.page, err)
	}
	return nil
}

// inside reports whether key may stand after last in t.
func (t tree) inside(key, last []byte) bool {
	return (t.low == nil || bytes.Compare(key, t.low) >= 0) &&
		(t.high == nil || bytes.Compare(key, t.high) < 0) &&
		(last == nil || bytes.Compare(key, last) > 0)
}

func (w *walker) branch(t tree, b []byte, count int) error {
	if count == 0 {
		return errors.New("a branch without children")
	}
	keys, pages := make([][]byte, count), make([]uint64, count)
	for i := range count {
		key, page, err := branchElement(b, i)
		if err != nil {
			return err
		}
		if i > 0 && bytes.Compare(key, keys[i-1]) <= 0 || !t.inside(key, nil) {
			return errors.New("keys out of order")
		}
		keys[i], pages[i] = key, page
	}
	for i := range count {
		child := tree{bucket: t.bucket, page: pages[i], depth: t.depth + 1, low: keys[i], high: t.high}
		if i+1 < count {
			child.high = keys[i+1]
		}
		if err := w.tree(child); err != nil {
			return err
		}
	}
	return nil
}

func (w *walker) leaf(t tree, b []byte, count int) error {
	var last []byte
	for i := range count {
		flags, key, value, err := leafElement(b, i)
		if err != nil {
			return err
		}
		if len(key) == 0 || !t.inside(key, last) {
			return errors.New("keys out of order")
		}
		last = key
		if err := w.element(t, flags, key, value); err != nil {
			return err
		}
	}
	return nil
}

// element is a bucket in the root bucket, and a record in any other: that is all
// that the store makes.
func (w *walker) element(t tree, flags uint32, key, value []byte) error {
	switch {
	case t.bucket != nil && flags == 0:
		return w.visit(t.bucket, key, value)
	case t.bucket != nil || flags != bucketElement || len(value) < bucketHead:
		return errors.New("an element of a wrong kind")
	}
	name, page, inline := string(key), ne.Uint64(value), value[bucketHead:]
	w.roots[name] = root{page: page, inline: bytes.Clone(inline)}
	if page != 0 {
		if w.want != nil && !w.want(name) {
			return nil
		}
		return w.tree(tree{bucket: bytes.Clone(key), page: page, depth: t.depth + 1})
	}
	if len(inline) < pageHead || ne.Uint16(inline[8:]) != leafPage {
		return errors.New("a damaged inline bucket")
	}
	return w.leaf(tree{bucket: key}, inline, int(ne.Uint16(inline[10:])))
}

func branchElement(b []byte, i int) (key []byte, page uint64, err error) {
	at := pageHead + i*elementHead
	if at+elementHead > len(b) {
		return nil, 0, errors.New("more elements than fit")
	}
	key, err = cutOut(b, at, ne.Uint32(b[at:]), ne.Uint32(b[at+4:]))
	return key, ne.Uint64(b[at+8:]), err
}

func leafElement(b []byte, i int) (flags uint32, key, value []byte, err error) {
	at := pageHead + i*elementHead
	if at+elementHead > len(b) {
		return 0, nil, nil, errors.New("more elements than fit")
	}
	pos, ksize, vsize := ne.Uint32(b[at+4:]), ne.Uint32(b[at+8:]), ne.Uint32(b[at+12:])
	if key, err = cutOut(b, at, pos, ksize); err != nil {
		return 0, nil, nil, err
	}
	value, err = cutOut(b, at+int(pos)+int(ksize), 0, vsize)
	return ne.Uint32(b[at:]), key, value, err
}

// cutOut returns the n bytes at b[at+pos], if they lie in b.
func cutOut(b []byte, at int, pos, n uint32) ([]byte, error) {
	from := uint64(at) + uint64(pos)
	if from < pageHead || from+uint64(n) > uint64(len(b)) {
		return nil, errors.New("an element outside of its page")
	}
	return b[from : from+uint64(n) : from+uint64(n)], nil
}
