package archive

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"

	"filippo.io/age"
	"github.com/klauspost/compress/zstd"
)

// maxHeader bounds what age reads before it knows whether a file is one: 20
// recipients take 2 KiB.
const maxHeader = 16 << 10

// source is the sealed stream; it is paced, hashed and remembers a fault of the
// disk, which is not damage.
type source struct {
	from   io.Reader
	pace   func(int) error
	meter  *meter
	failed error // of the disk, or of pace
	disk   bool  // of the disk
}

func newSource(ctx context.Context, from io.Reader, pace func(context.Context, int) error) *source {
	return &source{from: from, pace: pacer(ctx, pace), meter: newMeter(io.Discard)}
}

func (s *source) Read(b []byte) (int, error) {
	n, err := s.from.Read(b[:min(len(b), maxBlock)])
	if err != nil && err != io.EOF {
		s.failed, s.disk = err, true
		return n, err
	}
	if n > 0 {
		_, _ = s.meter.Write(b[:n]) // only hashes
		if wait := s.pace(n); wait != nil {
			s.failed = wait
			return n, wait
		}
	}
	return n, err
}

// plain is the stream inside a sealed one. Its errors are ErrKey, a fault of the
// source, or else reasons why the file is damaged.
type plain struct {
	src    *source
	opened *ending
	zstd   *zstd.Decoder
	left   int64 // bytes that may still come
	litter int64 // sealed bytes at the last collection
}

// maxLitter is how many sealed bytes may be opened before what age left behind is
// collected: it makes a new buffer of 64 KiB for each chunk, and on a busy machine
// the collector's own pace let a night take 21 MiB.
const maxLitter = 4 << 20

// ending remembers how a stream ended. The decoder takes the end of one that was
// cut short between two frames for a good one; age does not.
type ending struct {
	from io.Reader
	err  error
}

func (e *ending) Read(b []byte) (int, error) {
	n, err := e.from.Read(b)
	if err != nil {
		e.err = err
	}
	return n, err
}

// unseal opens a stream that holds at most limit bytes.
func (c *coder) unseal(src *source, ids Identities, limit int64) (*plain, error) {
	in := bufio.NewReaderSize(src, maxHeader)
	head, err := in.Peek(maxHeader)
	if src.failed != nil {
		return nil, src.failed
	}
	if !bytes.HasPrefix(head, []byte("age-encryption.org/")) || !bytes.Contains(head, []byte("\n--- ")) {
		return nil, fmt.Errorf("it does not begin as an age file does (%w)", orEnd(err))
	}
	decrypted, err := age.Decrypt(in, ids...)
	if src.failed != nil {
		return nil, src.failed
	}
	if key := keyError(err); key != nil {
		return nil, key
	}
	if err != nil {
		return nil, err
	}
	opened := &ending{from: decrypted}
	z, err := c.decompress(opened)
	if err != nil {
		return nil, err
	}
	return &plain{src: src, opened: opened, zstd: z, left: limit}, nil
}

var errStrange = errors.New("other bytes")

func orEnd(err error) error {
	if err == nil || err == io.EOF {
		return errStrange
	}
	return err
}

func (p *plain) Read(b []byte) (int, error) {
	n, err := p.zstd.Read(b)
	if p.src.meter.bytes-p.litter >= maxLitter {
		p.litter = p.src.meter.bytes
		runtime.GC()
	}
	if p.src.failed != nil {
		return 0, p.src.failed
	}
	if p.left -= int64(n); p.left < 0 {
		return 0, errors.New("it holds more than it should")
	}
	if err == io.EOF && p.opened.err != io.EOF {
		return n, fmt.Errorf("its end is missing (%w)", orEnd(p.opened.err))
	}
	return n, err
}

// check reads a sealed file from its first byte to its last and compares it with
// what it should be. Without identities only the sealed bytes are compared.
func (c *coder) check(ctx context.Context, path string, pace func(context.Context, int) error, ids Identities, want sums) error {
	return c.copySealed(ctx, path, pace, ids, want, io.Discard)
}

// copySealed is check, and writes the plain bytes to dst as they come: they are
// good only if it returns nil.
func (c *coder) copySealed(ctx context.Context, path string, pace func(context.Context, int) error, ids Identities, want sums, dst io.Writer) error {
	f, size, err := openForReading(path)
	if err != nil {
		return diskError("open", path, err)
	}
	defer func() { _ = f.Close() }() // opened for reading
	if size != want.sealed.Bytes {
		return damaged(path, fmt.Sprintf("it has %d bytes and should have %d", size, want.sealed.Bytes))
	}
	src := newSource(ctx, f, pace)
	out := newMeter(dst)
	if len(ids) > 0 {
		err = c.drain(src, ids, want.plain.Bytes, out)
	}
	noKey := errors.Is(err, ErrKey)
	if err == nil || noKey { // a flipped bit in the header looks like a wrong key
		_, reading := io.Copy(io.Discard, src)
		err = errors.Join(err, reading)
	}
	dropPages(f)
	switch {
	case src.disk:
		return diskError("read", path, src.failed)
	case src.failed != nil:
		return src.failed
	case out.failed != nil:
		return diskError("write the contents of", path, out.failed)
	case src.meter.digest() != want.sealed:
		return damaged(path, "its SHA-256 is not the one that was written down")
	case noKey:
		return fmt.Errorf("%s: %w", path, err)
	case err != nil:
		return damaged(path, err.Error())
	case len(ids) > 0 && out.digest() != want.plain:
		return damaged(path, "what is sealed in it is not what was archived")
	}
	return nil
}

func (c *coder) drain(src *source, ids Identities, limit int64, dst io.Writer) error {
	p, err := c.unseal(src, ids, limit)
	if err != nil {
		return err
	}
	_, err = io.Copy(dst, p)
	return err
}
