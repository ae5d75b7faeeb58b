package archive

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"

	"filippo.io/age"
)

// Sealing says for whom files are sealed and how fast.
type Sealing struct {
	Recipients Recipients
	// Identities open what was sealed when it is read back. Empty: the file's own
	// key does (see the package doc for what each proves).
	Identities Identities
	// Pace is called with every block that was handled, 1 to 65,536 bytes, plain
	// when sealing and sealed when reading back, and blocks as long as the rate
	// demands; an error ends the work. nil: no limit.
	Pace func(ctx context.Context, bytes int) error
	// Signer signs backups; the zero value leaves them unsigned.
	Signer Signer

	disk  disk
	coder coder
}

// digest is the length and the SHA-256 of a stream.
type digest struct {
	Bytes  int64
	SHA256 string // hex
}

// sums are the digests of a stream before and after sealing.
type sums struct{ plain, sealed digest }

// write seals what fill writes into the file temp, syncs it and reads it back.
// On an error nothing is left of it.
func (s *Sealing) write(ctx context.Context, temp string, fill func(io.Writer) error) (sums, error) {
	if len(s.Recipients) == 0 {
		return sums{}, fmt.Errorf("%w: there is no recipient to seal to; configure the public key of gatehouse archive keygen", ErrKey)
	}
	key := &fileKey{}
	defer key.forget()
	defer s.coder.rest()
	done, err := s.seal(ctx, temp, key, fill)
	if err == nil {
		err = s.readBack(ctx, temp, key, done)
	}
	if err != nil {
		_ = s.disk.remove(temp) // whatever is left is begun again
		return sums{}, err
	}
	return done, nil
}

func (s *Sealing) seal(ctx context.Context, temp string, key *fileKey, fill func(io.Writer) error) (sums, error) {
	f, err := s.disk.create(temp)
	if err != nil {
		return sums{}, diskError("create", temp, err)
	}
	out := newMeter(f)
	in, err := s.stream(ctx, out, key, fill)
	if err != nil {
		_ = f.Close() // it is thrown away
		if errors.Is(err, out.failed) {
			err = diskError("write", temp, err)
		}
		return sums{}, err
	}
	if err := s.disk.finish(f); err != nil {
		return sums{}, diskError("sync", temp, err)
	}
	return sums{plain: in, sealed: out.digest()}, nil
}

// stream puts fill's bytes through zstd and age into out, on this goroutine.
func (s *Sealing) stream(ctx context.Context, out io.Writer, key *fileKey, fill func(io.Writer) error) (digest, error) {
	encrypted, err := age.Encrypt(out, key.recipients(s.Recipients)...)
	if err != nil {
		return digest{}, fmt.Errorf("cannot encrypt: %w", err)
	}
	compressed, err := s.coder.compress(encrypted)
	if err != nil {
		return digest{}, fmt.Errorf("cannot compress: %w", err)
	}
	in := newMeter(s.pacedWriter(ctx, compressed))
	if err := fill(in); err != nil {
		return digest{}, err
	}
	if err := compressed.Close(); err != nil {
		return digest{}, err
	}
	return in.digest(), encrypted.Close()
}

// readBack proves that the file at path opens and holds what was sealed.
func (s *Sealing) readBack(ctx context.Context, path string, key *fileKey, want sums) error {
	ids := s.Identities
	if len(ids) == 0 {
		ids = Identities{key}
	}
	if err := s.disk.before("readback", path); err != nil {
		return diskError("read back", path, err)
	}
	err := s.coder.check(ctx, path, s.Pace, ids, want)
	if err != nil && !errors.Is(err, ErrKey) {
		return fmt.Errorf("reading back what was just written failed: %w", err)
	}
	return err
}

// meter hashes and counts what passes, and remembers why it could not.
type meter struct {
	to     io.Writer
	hash   hash.Hash
	bytes  int64
	failed error
}

func newMeter(to io.Writer) *meter { return &meter{to: to, hash: sha256.New()} }

func (m *meter) Write(b []byte) (int, error) {
	n, err := m.to.Write(b)
	m.hash.Write(b[:n])
	m.bytes += int64(n)
	if err != nil {
		m.failed = err
	}
	return n, err
}

func (m *meter) digest() digest {
	return digest{m.bytes, hex.EncodeToString(m.hash.Sum(nil))}
}

// maxBlock is the most that happens between two looks at the context.
const maxBlock = 64 << 10

type pacedWriter struct {
	pace func(int) error
	to   io.Writer
}

func (s *Sealing) pacedWriter(ctx context.Context, to io.Writer) io.Writer {
	return pacedWriter{pacer(ctx, s.Pace), to}
}

func (w pacedWriter) Write(b []byte) (n int, err error) {
	for len(b) > 0 {
		block := b[:min(len(b), maxBlock)]
		if err := w.pace(len(block)); err != nil {
			return n, err
		}
		done, err := w.to.Write(block)
		n += done
		if err != nil {
			return n, err
		}
		b = b[len(block):]
	}
	return n, nil
}

// pacer looks at the context and then waits as long as pace does.
func pacer(ctx context.Context, pace func(context.Context, int) error) func(int) error {
	return func(bytes int) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		if pace == nil {
			return nil
		}
		return pace(ctx, bytes)
	}
}

// openForReading opens a regular file; a pipe or a device could block for ever.
func openForReading(path string) (*os.File, int64, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, 0, err
	}
	if !info.Mode().IsRegular() {
		return nil, 0, errors.New("it is no regular file")
	}
	f, err := os.Open(path)
	return f, info.Size(), err
}
