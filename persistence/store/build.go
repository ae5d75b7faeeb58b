package store

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"

	"gatehouse/access"
)

// spillDir is where an import puts what does not fit into memory; it is removed
// at its end, and what a crash left at the next opening.
const spillDir = "import.tmp"

var errUnchanged = errors.New("nothing changed")

// build makes new tables of any size in little memory: rows are sorted into
// partitions by the hash of their keys, and each partition is settled by itself.
// New rows win over those of the store; two new ones are a mistake.
type build struct {
	ctx context.Context // ends the work

	creds, cards, holders, ids spill
	mistakes                   Mistakes
	report                     Report
	changed                    draft
	always                     bool // write it even if nothing changed
	tick                       func(stage string, done int)
}

func newBuild(ctx context.Context, dir string, tick func(stage string, done int)) *build {
	if tick == nil {
		tick = func(string, int) {}
	}
	b := &build{ctx: ctx, tick: tick}
	b.creds.of, b.cards.of, b.holders.of = "credential id", "card", "cardholder id"
	for name, s := range map[string]*spill{"creds": &b.creds, "cards": &b.cards, "holders": &b.holders, "ids": &b.ids} {
		s.dir, s.name = filepath.Join(dir, spillDir), name
	}
	return b
}

func (b *build) discard() {
	for _, s := range []*spill{&b.creds, &b.cards, &b.holders, &b.ids} {
		s.discard()
	}
	_ = os.Remove(b.creds.dir) // if it is there, it is empty
}

func (b *build) holder(h access.Cardholder, at place, blank bool) error {
	return b.holders.add(entry{[]byte(h.ID), appendHolder(nil, h), at, blank})
}

func (b *build) credential(c access.Credential, at place) error {
	return b.creds.add(entry{[]byte(c.ID), append(cardKey(c.Card), appendCredential(nil, c)...), at, false})
}

// old adds everyone in the tables but one.
func (b *build) old(t *tables, without access.CardholderID) (erased []string, err error) {
	err = t.each(tableHolders, func(r row) error {
		if err := b.ctx.Err(); err != nil {
			return err
		}
		if without != "" && string(r.key) == string(without) {
			erased = append(erased, string(without))
			return nil
		}
		return b.holders.add(entry{key: r.key, value: r.value})
	})
	if err != nil {
		return nil, err
	}
	return erased, t.each(tableCards, func(r row) error {
		c, err := parseCredential(r.key, r.value)
		if err = errors.Join(err, b.ctx.Err()); err != nil {
			return err
		}
		if without != "" && c.Holder == without {
			erased = append(erased, string(c.ID))
			return nil
		}
		return b.credential(c, 0)
	})
}

// crowd adds people as those of the store.
func (b *build) crowd(c *crowd) error {
	for _, h := range c.holders {
		if err := b.holder(h, 0, false); err != nil {
			return err
		}
	}
	for _, cred := range c.credentials {
		if err := b.credential(cred, 0); err != nil {
			return err
		}
	}
	return nil
}

// write settles everything and writes the tables into an empty store.
func (b *build) write(db *database) (all [tableCount]sums, meta [tableCount]tableMeta, err error) {
	if err := b.settleCredentials(); err != nil {
		return all, meta, err
	}
	for table, settle := range [tableCount]func(emit func(row) error) error{
		tableCards: b.settleCards, tableHolders: b.settleHolders, tableIDs: b.settleIDs,
	} {
		rows := [tableCount]int{b.cards.count, b.holders.count, b.cards.count}[table]
		w := &groupWriter{db: db, table: table, groups: groupsFor(rows)}
		err := settle(w.add)
		if err == nil {
			err = w.end()
		}
		if err != nil {
			return all, meta, err
		}
		all[table] = w.sums
		meta[table] = tableMeta{Groups: w.groups, Rows: w.rows, Sum: w.sums.total()}
	}
	return all, meta, nil
}

// settle gives each key's entries of a spill to choose, the old one, if any, and
// the new ones in order, by rising hash.
func (b *build) settle(s *spill, stage string, choose func(old *entry, fresh []entry) error) error {
	done := 0
	for part := range partitions {
		list, err := s.take(part, func(e entry) {
			b.mistakes.add(e.place.line(), max(1, e.place.id()), "more than %d lines have the same %s", maxPerKey, s.of)
		})
		if err = errors.Join(err, b.ctx.Err()); err != nil {
			return err
		}
		slices.SortFunc(list, func(x, y entry) int {
			return cmp.Or(cmp.Compare(hash(x.key), hash(y.key)), bytes.Compare(x.key, y.key), cmp.Compare(x.place, y.place))
		})
		for len(list) > 0 {
			n := 1
			for n < len(list) && bytes.Equal(list[n].key, list[0].key) {
				n++
			}
			var old *entry
			fresh := list[:n]
			if fresh[0].place == 0 {
				old, fresh = &fresh[0], fresh[1:]
			}
			if err := choose(old, fresh); err != nil {
				return err
			}
			list = list[n:]
			done += n
		}
		b.tick(stage, done)
	}
	return nil
}

// settleCredentials settles who has an id; what is left goes on by its card.
func (b *build) settleCredentials() error {
	return b.settle(&b.creds, "credentials", func(old *entry, fresh []entry) error {
		winner := old
		for i := range fresh {
			if i > 0 {
				b.mistakes.add(fresh[i].place.line(), fresh[i].place.id(), "the credential id stands twice, first in line %d: give each credential its own", fresh[0].place.line())
			}
			winner = &fresh[0]
		}
		card, value := winner.value[:cardLen], winner.value[cardLen:]
		switch {
		case winner == old:
		case old == nil:
			b.report.CredentialsAdded++
			b.changed.credential(card, nil, value)
		case !bytes.Equal(old.value, winner.value):
			b.report.CredentialsChanged++
			b.changed.credential(card, old.value[cardLen:], value)
		}
		return b.cards.add(entry{key: card, value: value, place: winner.place})
	})
}

// settleCards settles whose a card is. A card that goes to another credential
// takes the old one's place.
func (b *build) settleCards(emit func(row) error) error {
	return b.settle(&b.cards, "cards", func(old *entry, fresh []entry) error {
		winner := old
		for i := range fresh {
			if i > 0 {
				b.mistakes.add(fresh[i].place.line(), fresh[i].place.card(), "the card stands twice, first in line %d: a card belongs to one person", fresh[0].place.line())
			}
			winner = &fresh[0]
		}
		if old != nil && winner != old {
			b.report.CredentialsRemoved++
			b.changed.credential(old.key, old.value, nil)
		}
		c, err := parseCredential(winner.key, winner.value)
		if err != nil {
			return err
		}
		if err := b.ids.add(entry{key: []byte(c.ID), value: winner.key}); err != nil {
			return err
		}
		return emit(row{winner.key, winner.value})
	})
}

func (b *build) settleHolders(emit func(row) error) error {
	return b.settle(&b.holders, "holders", func(old *entry, fresh []entry) error {
		winner := old
		for i := range fresh {
			e := &fresh[i]
			switch {
			case winner == nil, winner == old && !e.blank, winner.blank && !e.blank:
				winner = e
			case !e.blank && !bytes.Equal(e.value, winner.value):
				b.mistakes.add(e.place.line(), e.place.id(), "what is said of this cardholder differs from line %d: repeat it, or leave it out", winner.place.line())
			}
		}
		switch {
		case old == nil && winner.place > 0:
			b.report.HoldersAdded++
			b.changed.holder(winner.key, nil, winner.value)
		case old != nil && !bytes.Equal(old.value, winner.value):
			b.report.HoldersChanged++
			b.changed.holder(winner.key, old.value, winner.value)
		}
		return emit(row{winner.key, winner.value})
	})
}

func (b *build) settleIDs(emit func(row) error) error {
	return b.settle(&b.ids, "index", func(old *entry, _ []entry) error {
		return emit(row{old.key, old.value})
	})
}

const batchBytes = 4 << 20

// groupWriter writes a table, from rows by rising hash.
type groupWriter struct {
	db     *database
	table  int
	groups uint32
	sums   sums
	rows   int

	open    []row // of the group that comes next
	batch   []change
	pending int // bytes in batch
}

func (w *groupWriter) add(r row) error {
	for g := groupOf(hash(r.key), w.groups); len(w.sums) < int(g); {
		if err := w.close(); err != nil {
			return err
		}
	}
	w.open = append(w.open, row{bytes.Clone(r.key), bytes.Clone(r.value)})
	w.rows++
	return nil
}

// close writes the open group.
func (w *groupWriter) close() error {
	slices.SortFunc(w.open, func(a, b row) int { return bytes.Compare(a.key, b.key) })
	c := change{tableBuckets[w.table], string(groupKey(uint32(len(w.sums)))), appendGroup([]byte{}, w.open)}
	w.sums = append(w.sums, recordSum(c.bucket, c.key, c.value))
	w.open = w.open[:0]
	w.batch = append(w.batch, c)
	if w.pending += len(c.value) + elementHead; w.pending < batchBytes {
		return nil
	}
	return w.flush()
}

func (w *groupWriter) flush() error {
	_, err := w.db.write(w.batch)
	w.batch, w.pending = w.batch[:0], 0
	return err
}

func (w *groupWriter) end() error {
	for len(w.sums) < int(w.groups) {
		if err := w.close(); err != nil {
			return err
		}
	}
	w.batch = append(w.batch, w.sums.pieces(w.table)...)
	return w.flush()
}
