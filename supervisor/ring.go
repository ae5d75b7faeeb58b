package supervisor

// keepSlots is the buffer that an idle mailbox keeps; bigSlots is the next size.
const (
	keepSlots = 4
	bigSlots  = 64
)

// ring is a queue that grows on use. Not safe for concurrent use.
type ring[T comparable] struct {
	buf  []T // its length is a power of two, or 0
	head int32
	len  int32
}

func (r *ring[T]) at(i int32) *T { return &r.buf[int(r.head+i)&(len(r.buf)-1)] }

func (r *ring[T]) push(v T) {
	if int(r.len) == len(r.buf) {
		r.grow()
	}
	*r.at(r.len) = v
	r.len++
}

func (r *ring[T]) grow() { r.move(make([]T, max(2*len(r.buf), keepSlots))) }

// move goes on in another buffer, which has room for all.
func (r *ring[T]) move(buf []T) {
	for i := range r.len {
		buf[i] = *r.at(i)
	}
	r.buf, r.head = buf, 0
}

// pop takes the oldest.
func (r *ring[T]) pop() (v T, ok bool) {
	if r.len == 0 {
		return v, false
	}
	var zero T
	at := r.at(0)
	v, *at = *at, zero
	r.head++
	r.len--
	if r.len == 0 {
		r.head = 0
	}
	return v, true
}

// shrink frees a large buffer that is empty.
func (r *ring[T]) shrink() {
	if r.len == 0 && len(r.buf) > bigSlots {
		r.buf = nil
	}
}

// remove takes out the first that equals v.
func (r *ring[T]) remove(v T) bool {
	for i := range r.len {
		if *r.at(i) == v {
			r.removeAt(i)
			return true
		}
	}
	return false
}

func (r *ring[T]) removeAt(i int32) (v T) {
	v = *r.at(i)
	for ; i < r.len-1; i++ {
		*r.at(i) = *r.at(i + 1)
	}
	var zero T
	*r.at(r.len - 1) = zero
	r.len--
	return v
}

// drain takes all, oldest first, and frees the buffer.
func (r *ring[T]) drain() (all []T) {
	for v, ok := r.pop(); ok; v, ok = r.pop() {
		all = append(all, v)
	}
	r.buf, r.head = nil, 0
	return all
}
