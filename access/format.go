package access

import (
	"errors"
	"fmt"
	"strings"
)

// What Decode and Encode refuse. No error names a card number.
var (
	ErrUnknownFormat = errors.New("unknown card format")
	ErrBitCount      = errors.New("wrong number of bits")
	ErrParity        = errors.New("parity does not fit")
	ErrCardRange     = errors.New("card does not fit the format")
)

// Format turns the bits of a card into facility code and card number. The zero
// value reads nothing; see ParseFormat.
type Format struct {
	name     string
	bits     int // 0: any number of bits up to 64 ("raw")
	facility span
	number   span
	parities [2]parity
}

// span is a run of bits, counted from 0 for the first bit sent; n 0 is none.
type span struct{ first, n int }

// parity is a bit that makes the ones in itself and over a span even or odd.
type parity struct {
	bit  int
	over span
	odd  bool
}

const maxRawBits = 64

// formats are the Wiegand formats by name. 26, 34 and 37 bits are ambiguous: a
// reader's format cannot be guessed and is configured.
var formats = []Format{
	{"H10301", 26, span{1, 8}, span{9, 16}, [2]parity{{0, span{1, 12}, false}, {25, span{13, 12}, true}}},
	{"H10306", 34, span{1, 16}, span{17, 16}, [2]parity{{0, span{1, 16}, false}, {33, span{17, 16}, true}}},
	{"H10302", 37, span{}, span{1, 35}, [2]parity{{0, span{1, 18}, false}, {36, span{18, 18}, true}}},
	{"H10304", 37, span{1, 16}, span{17, 19}, [2]parity{{0, span{1, 18}, false}, {36, span{18, 18}, true}}},
	{name: "raw", number: span{0, maxRawBits}},
}

// ParseFormat finds a card format by name, in any case. "" is "raw": 1 to 64
// bits taken as the card number, without facility code or parity.
func ParseFormat(name string) (Format, error) {
	if name == "" {
		name = "raw"
	}
	for _, f := range formats {
		if strings.EqualFold(f.name, name) {
			return f, nil
		}
	}
	return Format{}, fmt.Errorf("%w %q: use one of %s", ErrUnknownFormat, name, formatNames())
}

func formatNames() string {
	var names []string
	for _, f := range formats {
		names = append(names, f.name)
	}
	return strings.Join(names, ", ")
}

// String is the name of the format.
func (f Format) String() string { return f.name }

// Decode reads a card from its first bits bits, first bit received first,
// left-aligned in raw. Errors: ErrBitCount, ErrParity.
func (f Format) Decode(bits int, raw []byte) (Card, error) {
	number := f.number
	if f.bits == 0 && number.n > 0 && bits >= 1 && bits <= maxRawBits {
		number.n = bits
	} else if bits != f.bits || f.bits == 0 {
		return Card{}, fmt.Errorf("%w: %d bits for the format %s: check the reader's card format", ErrBitCount, bits, f)
	}
	if len(raw)*8 < bits {
		return Card{}, fmt.Errorf("%w: %d bits announced, %d bytes given: check the reader's line", ErrBitCount, bits, len(raw))
	}
	for _, p := range f.parities {
		if p.over.n > 0 && bit(raw, p.bit) != p.want(raw) {
			return Card{}, fmt.Errorf("%w: bit %d of the format %s: present the card again, or check the reader's card format", ErrParity, p.bit, f)
		}
	}
	return Card{Facility: uint32(f.facility.read(raw)), Number: number.read(raw)}, nil
}

// Encode is the opposite of Decode. Raw cards take 64 bits. Error: ErrCardRange.
func (f Format) Encode(c Card) (bits int, raw [16]byte, err error) {
	if f.number.n == 0 || !f.facility.fits(uint64(c.Facility)) || !f.number.fits(c.Number) {
		return 0, raw, fmt.Errorf("%w %s: %d facility bits, %d number bits: check the card or the format", ErrCardRange, f, f.facility.n, f.number.n)
	}
	f.facility.write(raw[:], uint64(c.Facility))
	f.number.write(raw[:], c.Number)
	for _, p := range f.parities {
		if p.over.n > 0 && p.want(raw[:]) {
			raw[p.bit/8] |= 0x80 >> (p.bit % 8)
		}
	}
	if f.bits == 0 {
		return maxRawBits, raw, nil
	}
	return f.bits, raw, nil
}

func bit(raw []byte, i int) bool { return raw[i/8]&(0x80>>(i%8)) != 0 }

func (s span) read(raw []byte) uint64 {
	var v uint64
	for i := s.first; i < s.first+s.n; i++ {
		v <<= 1
		if bit(raw, i) {
			v |= 1
		}
	}
	return v
}

func (s span) write(raw []byte, v uint64) {
	for i := s.first + s.n - 1; i >= s.first; i-- {
		if v&1 != 0 {
			raw[i/8] |= 0x80 >> (i % 8)
		}
		v >>= 1
	}
}

func (s span) fits(v uint64) bool { return s.n >= 64 || v>>s.n == 0 }

// want is the value that the parity bit must have.
func (p parity) want(raw []byte) bool {
	ones := p.odd
	for i := p.over.first; i < p.over.first+p.over.n; i++ {
		ones = ones != bit(raw, i)
	}
	return ones
}
