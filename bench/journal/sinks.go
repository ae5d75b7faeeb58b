package main

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"

	bolt "go.etcd.io/bbolt"

	"gatehouse/access"
	"gatehouse/persistence/journal"
)

// sink keeps events: what commit returns from is on disk.
type sink interface {
	commit(batch []access.Event)
	// prepare does what can be done before the batch ahead of this one is on disk;
	// write is the rest. At most two batches are prepared and not written.
	prepare(batch []access.Event) (write func())
	close()
}

type side struct {
	name string
	open func(dir string) sink
}

// sides begins with ours.
var sides = []side{{"ours", openJournal}, {"bbolt", openBolt}, {"bare file", openBare}}

const (
	payload = 200 // bytes of an event
	head    = 36  // of its frame

	firstNumber = 1 << 14
)

// number is that of the last event; one goroutine at a time makes them.
var number uint64

// next is an event of 200 bytes in the journal, by a door's source.
func next() access.Event {
	number++
	return access.Event{
		Kind: access.KindGranted, Door: "front", Reader: "in", Cardholder: "p-0123456789", Credential: "c-0123456789",
		Reason: access.ReasonCredential, From: "outside", To: "hall", Detail: detail,
		Source: access.Source{Name: "door/front", Boot: 1 << 31, Run: 1, Number: number},
	}
}

// detail fills an event up to 200 bytes, while its number needs 3 or 4.
var detail = strings.Repeat(".", 128)

type ours struct {
	j     *journal.Journal
	ahead [2]journal.Batch
	at    int
}

func openJournal(dir string) sink {
	j, err := journal.Open(journal.Options{Dir: filepath.Join(dir, "journal"), Building: "b"})
	must(err)
	return &ours{j: j}
}

func (o *ours) commit(batch []access.Event) { must(o.j.Commit(batch)) }
func (o *ours) close()                      { must(o.j.Close()) }

func (o *ours) prepare(batch []access.Event) (write func()) {
	b := &o.ahead[o.at%2]
	o.at++
	o.j.Prepare(b, batch)
	return func() { must(o.j.CommitPrepared(b)) }
}

// inBolt has the events' bytes under their sequences: it neither encodes nor
// checks anything.
type inBolt struct {
	db  *bolt.DB
	seq uint64
}

var bucket, value = []byte("events"), make([]byte, payload)

func openBolt(dir string) sink {
	db, err := bolt.Open(filepath.Join(dir, "bolt"), 0o600, nil)
	must(err)
	must(db.Update(func(tx *bolt.Tx) error {
		_, err := tx.CreateBucket(bucket)
		return err
	}))
	return &inBolt{db: db}
}

// prepare has nothing to do: a transaction cannot begin before the last one ended.
func (b *inBolt) prepare(batch []access.Event) (write func()) {
	return func() { b.commit(batch) }
}

func (b *inBolt) commit(batch []access.Event) {
	tx, err := b.db.Begin(true)
	must(err)
	to := tx.Bucket(bucket)
	to.FillPercent = 1
	for range batch {
		b.seq++
		must(to.Put(binary.BigEndian.AppendUint64(nil, b.seq), value))
	}
	must(tx.Commit())
}

func (b *inBolt) close() { must(b.db.Close()) }

// bare appends as many bytes as an event's frame has, and syncs.
type bare struct {
	f   *os.File
	end int64
	buf []byte
}

var frame = make([]byte, head+payload)

func openBare(dir string) sink {
	f, err := os.Create(filepath.Join(dir, "bare"))
	must(err)
	return &bare{f: f}
}

// prepare has nothing to do but to copy.
func (b *bare) prepare(batch []access.Event) (write func()) {
	return func() { b.commit(batch) }
}

func (b *bare) commit(batch []access.Event) {
	b.buf = b.buf[:0]
	for range batch {
		b.buf = append(b.buf, frame...)
	}
	_, err := b.f.WriteAt(b.buf, b.end)
	must(err)
	must(datasync(b.f))
	b.end += int64(len(b.buf))
}

func (b *bare) close() { must(b.f.Close()) }
