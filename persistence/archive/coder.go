package archive

import (
	"io"

	"github.com/klauspost/compress/zstd"
)

const (
	// window is how far back compression looks. Small on purpose: memory counts
	// more than the last percent.
	window = 512 << 10
	// maxWindow bounds the memory that a stream can demand of the decoder.
	maxWindow = 8 << 20
)

// coder keeps zstd's tables, 2 MB, from one file to the next: made anew for each
// they leave holes in the heap, and a night took 25 MB. Both halves work on the
// caller's goroutine (concurrency 1), so there is nothing to close.
type coder struct {
	enc *zstd.Encoder
	dec *zstd.Decoder
}

func (c *coder) compress(to io.Writer) (_ *zstd.Encoder, err error) {
	if c.enc != nil {
		c.enc.Reset(to)
		return c.enc, nil
	}
	c.enc, err = zstd.NewWriter(to, zstd.WithEncoderConcurrency(1), zstd.WithLowerEncoderMem(true),
		zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithWindowSize(window))
	return c.enc, err
}

func (c *coder) decompress(from io.Reader) (_ *zstd.Decoder, err error) {
	if c.dec != nil {
		return c.dec, c.dec.Reset(from)
	}
	c.dec, err = zstd.NewReader(from, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
		zstd.WithDecoderMaxWindow(maxWindow))
	return c.dec, err
}

// rest lets go of the files, not of the tables.
func (c *coder) rest() {
	if c.enc != nil {
		c.enc.Reset(nil)
	}
	if c.dec != nil {
		_ = c.dec.Reset(nil) // says that there is nothing to read
	}
}
