package supervisor

// keepSlots is the buffer that an empty ring keeps; a larger one is freed.
const keepSlots = 4

// ring is a queue that grows on use up to limit (0: no limit) and gives a large
// buffer back when it is empty. Not safe for concurrent use.
type ring[T comparable] struct {
	buf   []T
	head  int32 // small on purpose: every actor has five rings
	len   int32
	limit int32
}

func (r *ring[T]) at(i int32) *T { return &r.buf[(r.head+i)%r.cap()] }

func (r *ring[T]) cap() int32 { return int32(len(r.buf)) }

func (r *ring[T]) push(v T) bool {
	if r.limit > 0 && r.len >= r.limit {
		return false
	}
	r.force(v)
	return true
}

// force is push beyond the limit.
func (r *ring[T]) force(v T) {
	if r.len == r.cap() {
		r.grow()
	}
	*r.at(r.len) = v
	r.len++
}

func (r *ring[T]) grow() {
	size := max(2*r.cap(), keepSlots)
	if r.len < r.limit {
		size = min(size, r.limit)
	}
	buf := make([]T, size)
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
	v, r.buf[r.head] = r.buf[r.head], zero
	r.head = (r.head + 1) % r.cap()
	r.len--
	if r.len == 0 && r.cap() > keepSlots {
		r.buf, r.head = nil, 0
	}
	return v, true
}

// remove takes out the first that equals v.
func (r *ring[T]) remove(v T) bool {
	for i := range r.len {
		if *r.at(i) != v {
			continue
		}
		for ; i < r.len-1; i++ {
			*r.at(i) = *r.at(i + 1)
		}
		var zero T
		*r.at(r.len - 1) = zero
		r.len--
		return true
	}
	return false
}

// drain takes all, oldest first, and frees the buffer.
func (r *ring[T]) drain() (all []T) {
	for v, ok := r.pop(); ok; v, ok = r.pop() {
		all = append(all, v)
	}
	r.buf, r.head = nil, 0
	return all
}
