package store

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"sort"
)

// root is where a bucket's tree begins: at a page, or in the bytes of its element.
type root struct {
	page   uint64
	inline []byte
}

// finder looks up one key by plain reads of the pages on its way and believes
// nothing: bbolt's own search follows a damaged page into a fault of memory, or
// round in a circle until the stack is full.
type finder struct {
	r     io.ReaderAt
	meta  boltMeta
	roots map[string]root
}

// get returns the record of key, nil if there is none. An error is damage, or the
// disk's.
func (f *finder) get(bucket string, key []byte) ([]byte, error) {
	at, ok := f.roots[bucket]
	if !ok {
		return nil, fmt.Errorf("the bucket %q is missing", bucket)
	}
	if at.page == 0 {
		_, record, err := search(at.inline, leafPage, key)
		return record, err
	}
	id := at.page
	for range maxDepth {
		b, kind, err := f.page(id)
		if err != nil {
			return nil, err
		}
		child, record, err := search(b, kind, key)
		if err != nil {
			return nil, fmt.Errorf("page %d: %w", id, err)
		}
		if kind == leafPage {
			return record, nil
		}
		id = child
	}
	return nil, errors.New("the tree is too deep")
}

func (f *finder) page(id uint64) (b []byte, kind uint16, err error) {
	if id < 2 || id >= f.meta.pages {
		return nil, 0, fmt.Errorf("page %d does not exist", id)
	}
	size := int64(f.meta.pageSize)
	b = make([]byte, size)
	if _, err := f.r.ReadAt(b, int64(id)*size); err != nil {
		return nil, 0, fmt.Errorf("page %d: %w", id, err)
	}
	more := uint64(ne.Uint32(b[12:]))
	if ne.Uint64(b) != id || more >= f.meta.pages-id || more > maxOverflow {
		return nil, 0, fmt.Errorf("page %d has a wrong header", id)
	}
	if more > 0 {
		b = append(b, make([]byte, int64(more)*size)...)
		if _, err := f.r.ReadAt(b[size:], (int64(id)+1)*size); err != nil {
			return nil, 0, fmt.Errorf("page %d: %w", id, err)
		}
	}
	return b, ne.Uint16(b[8:]), nil
}

// search looks for key in a page, as bbolt does: in a branch it gives the child
// that may hold it, in a leaf its record, nil if it is not there. Keys out of order
// make it miss a record, which is damage, since every group exists.
func search(b []byte, kind uint16, key []byte) (child uint64, record []byte, err error) {
	if kind != branchPage && kind != leafPage {
		return 0, nil, errors.New("not a page of the tree")
	}
	keyAt := func(i int) (k []byte) {
		var fault error
		if kind == branchPage {
			k, child, fault = branchElement(b, i)
		} else {
			_, k, record, fault = leafElement(b, i)
		}
		err = errors.Join(err, fault)
		return k
	}
	count := int(ne.Uint16(b[10:]))
	i, found := sort.Find(count, func(i int) int { return bytes.Compare(key, keyAt(i)) })
	switch {
	case err != nil:
		return 0, nil, err
	case kind == leafPage && !found:
		return 0, nil, nil
	case !found && i == 0:
		return 0, nil, errors.New("a key before all others")
	case !found:
		i--
	}
	keyAt(i)
	return child, record, err
}
