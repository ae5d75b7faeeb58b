package journal

import (
	"crypto/sha256"
	"fmt"
	"slices"
)

// begin goes on in a new segment. The next one is there before the present one
// gets its footer: a footer without a successor tells that a file vanished. An
// empty segment is replaced by its successor, which has the same name.
func (j *Journal) begin() error {
	healthy := j.stale == nil && j.file != nil
	j.stale = fmt.Errorf("%w: the next segment was not begun", ErrBroken) // until it was
	a := j.shown.active
	h := header{version: formatVersion, building: j.o.Building, epoch: j.epoch, boot: j.o.Boot, first: a.last + 1, life: j.life, prev: a.chain}
	if a.count == 0 {
		h.prev = a.prev
	}
	raw := h.encode()
	path := segmentPath(j.o.Dir, h.first)
	if err := replaceFile(j.o.fs, path, raw); err != nil {
		return err
	}
	f, err := j.o.fs.Open(path, true)
	if err != nil {
		return fmt.Errorf("cannot open the segment that was just made: %w", err)
	}
	if a.count > 0 && healthy {
		j.seal(&a)
	}
	if j.file != nil {
		_ = j.file.Close() // what counts was synced
	}
	j.file, j.stale = f, nil
	next := segment{header: h, path: path, bytes: headerLen}
	next.summary = summary{last: h.first - 1, end: headerLen, chain: sha256.Sum256(raw), firstWall: noTime, lastWall: noTime}
	j.mu.Lock()
	older := j.shown.older // Drop may have taken some away meanwhile
	if a.count > 0 {
		older = append(slices.Clip(older), &a)
	}
	j.shown = view{older, next}
	j.mu.Unlock()
	j.sealOlder()
	return nil
}

// seal writes the block behind the active segment's last batch; its last frame,
// the footer, only when the rest is on disk, so that a footer speaks for a whole
// block. If that fails nothing is lost: the segment is sealed later.
func (j *Journal) seal(a *segment) {
	raw := appendBlock(nil, a.end, a.first, a.summary, nil, j.seen, a.index)
	rest := len(raw) - footerLen
	for _, part := range []struct{ from, to int }{{0, rest}, {rest, len(raw)}} {
		if _, err := j.file.WriteAt(raw[part.from:part.to], a.end+int64(part.from)); err != nil {
			return
		}
		if err := j.file.Sync(); err != nil {
			return
		}
	}
	a.sealedBy(raw)
}

// sealedBy notes the block raw behind the last batch.
func (s *segment) sealedBy(raw []byte) {
	size := s.end + int64(len(raw))
	f := raw[len(raw)-footerSize:]
	s.block = &block{s.path, size, int64(le.Uint64(f[48:])), int64(le.Uint64(f[56:]))}
	s.index, s.bytes = nil, size
}

// sealOlder seals the older segments that were left without a footer. A file whose
// write or sync failed is not written again: what it holds is copied to a new one
// that takes its name. What fails is tried again when the next segment is begun.
func (j *Journal) sealOlder() {
	for _, s := range j.view().older {
		if s.block != nil {
			continue
		}
		sealed, err := j.copySealed(s)
		if err != nil {
			return
		}
		j.replace(s, sealed)
	}
}

// replace shows readers another description of an older segment.
func (j *Journal) replace(old, s *segment) {
	j.mu.Lock()
	defer j.mu.Unlock()
	older := slices.Clone(j.shown.older)
	if k := slices.Index(older, old); k >= 0 {
		older[k] = s
		j.shown.older = older
	}
}

// copySealed puts a sealed copy in the place of a segment, if every byte of it is
// sound.
func (j *Journal) copySealed(s *segment) (*segment, error) {
	from, err := j.o.fs.Open(s.path, false)
	if err != nil {
		return nil, err
	}
	defer func() { _ = from.Close() }() // opened for reading
	check, err := newScanner(from, s.path, &link{s.last, s.chain, true}, newSeen())
	if err != nil {
		return nil, err
	}
	check.begin(s.header)
	if err := check.run(); err != nil {
		return nil, err
	}
	out := check.copyOf()
	raw := appendBlock(nil, out.end, out.first, out.summary, nil, j.seen, out.index)
	if err := copyWith(j.o.fs, from, out.end, raw, s.path+tmpSuffix); err != nil {
		return nil, err
	}
	out.sealedBy(raw)
	return out, adopt(j.o.fs, s.path)
}

// copyWith writes the first size bytes of from, and raw, to a new file at path.
func copyWith(fs files, from file, size int64, raw []byte, path string) error {
	to, err := fs.Create(path)
	if err != nil {
		return err
	}
	buf := make([]byte, min(size, 256<<10))
	for at := int64(0); at < size && err == nil; at += int64(len(buf)) {
		part := buf[:min(int64(len(buf)), size-at)]
		if _, err = from.ReadAt(part, at); err == nil {
			_, err = to.WriteAt(part, at)
		}
	}
	if err == nil {
		_, err = to.WriteAt(raw, size)
	}
	if err == nil {
		err = to.Sync()
	}
	if closing := to.Close(); err == nil {
		err = closing
	}
	return err
}
