package store

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"slices"

	"gatehouse/access"
)

// ImageName is the boot image's name in the data directory.
const ImageName = "boot.image"

// A boot image is 24 bytes and the payload, little-endian:
//
//	 0  magic "GATEIMG1"
//	 8  format version  u32  2
//	12  length          u64  of the payload
//	20  CRC32C          u32  of bytes 0..19 and the payload
//	24  payload
//
// The payload of version 2 is a text, counted by a varint, with
// {"meta":{},"rules":{"rules":{}},"doors":{id:{}},"pending":{}}, and then the
// people: holders and cards, each a counted list of counted keys and rows as in
// a group. A store with more than inMemory people has none of them in its image.
const (
	imageMagic   = "GATEIMG1"
	imageVersion = 2
	imageHead    = 24
)

var le = binary.LittleEndian

// Image is what a building needs to run its doors without a database. WithoutPeople
// says that there are more people than an image holds: then no card opens a door.
type Image struct {
	WithoutPeople bool

	Building    string
	Revision    uint64 // of the store that it was made from
	Rules       access.Rules
	Holders     []access.Cardholder
	Credentials []access.Credential
	Doors       []access.DoorMemory
}

// ReadImage reads the boot image at path and changes nothing. Errors: ErrNoImage,
// ErrBadImage (which also is an image that cannot be read, or of a newer format).
func ReadImage(path string) (Image, error) {
	c, people, err := readImage(path)
	if err != nil {
		return Image{}, err
	}
	return c.image(people)
}

// image joins the contents and the people, nil if they are left out.
func (c *contents) image(people *crowd) (Image, error) {
	m, err := c.decode()
	if people == nil {
		m.WithoutPeople = true
	} else {
		m.Holders, m.Credentials = slices.Clone(people.holders), slices.Clone(people.credentials)
	}
	return m, err
}

// readImage gives no people if they are left out.
func readImage(path string) (*contents, *crowd, error) {
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, fmt.Errorf("%w: %s does not exist; it is made at the first start with a store", ErrNoImage, path)
	}
	if err != nil {
		return nil, nil, badImage(path, err.Error())
	}
	c, people, err := parseImage(b)
	if err != nil {
		return nil, nil, badImage(path, err.Error())
	}
	return c, people, nil
}

func badImage(path, why string) error {
	return fmt.Errorf("%w: %s: %s; it is made again from the store at the next start, if the store is sound", ErrBadImage, path, why)
}

func parseImage(b []byte) (*contents, *crowd, error) {
	switch {
	case len(b) < imageHead || string(b[:8]) != imageMagic:
		return nil, nil, errors.New("this is no boot image, or its first bytes are missing")
	case le.Uint64(b[12:]) != uint64(len(b)-imageHead):
		return nil, nil, errors.New("its length is wrong")
	case le.Uint32(b[20:]) != imageSum(b):
		return nil, nil, errors.New("its checksum does not match")
	case le.Uint32(b[8:]) == 1:
		return parseImageV1(b[imageHead:])
	case le.Uint32(b[8:]) != imageVersion:
		return nil, nil, errors.New("it was written by a newer gatehouse")
	}
	r := rowReader{b: b[imageHead:]}
	head := r.bytes()
	if r.err != nil {
		return nil, nil, r.err
	}
	c, err := parseImageHead(head)
	if err != nil || len(r.b) == 0 {
		return c, nil, err
	}
	people, err := parseSection(r.b)
	return c, people, err
}

func parseImageHead(b []byte) (*contents, error) {
	var p struct {
		Meta                  json.RawMessage
		Rules, Doors, Pending map[string]json.RawMessage
	}
	if err := json.Unmarshal(b, &p); err != nil {
		return nil, err
	}
	c := &contents{}
	if err := json.Unmarshal(p.Meta, &c.meta); err != nil {
		return nil, err
	}
	for bucket, rows := range map[string]map[string]json.RawMessage{
		bucketRules: p.Rules, bucketDoors: p.Doors, bucketPending: p.Pending,
	} {
		for key, row := range rows {
			c.table(bucket).set(key, row)
		}
	}
	return c, c.complete()
}

func imageSum(b []byte) uint32 {
	return crc32.Update(crc32.Checksum(b[:20], castagnoli), castagnoli, b[imageHead:])
}

// appendImage writes the image of c and the people, if any. Rows are only copied.
func appendImage(b []byte, c *contents, people *crowd) ([]byte, error) {
	m, err := json.Marshal(c.meta)
	if err != nil {
		return nil, err
	}
	head := append([]byte(`{"meta":`), m...)
	for _, bucket := range smallBuckets {
		head = append(append(append(head, `,"`...), bucket...), `":{`...)
		if head, err = appendTable(head, c.table(bucket)); err != nil {
			return nil, err
		}
		head = append(head, '}')
	}
	b = append(b, make([]byte, imageHead)...)
	b = appendText(b, string(append(head, '}')))
	if people != nil {
		b = append(b, people.section...)
	}
	copy(b, imageMagic)
	le.PutUint32(b[8:], imageVersion)
	le.PutUint64(b[12:], uint64(len(b)-imageHead))
	le.PutUint32(b[20:], imageSum(b))
	return b, nil
}

func appendTable(b []byte, t *table) ([]byte, error) {
	for i, key := range t.sorted() {
		name, err := json.Marshal(key)
		if err != nil {
			return nil, err
		}
		if i > 0 {
			b = append(b, ',')
		}
		b = append(append(append(b, name...), ':'), t.rows[key]...)
	}
	return b, nil
}
