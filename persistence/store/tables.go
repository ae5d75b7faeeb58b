package store

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"slices"

	"gatehouse/access"
)

// tables are the people as they lie in the file. Their pages are not written
// over before the change after the next: whoever holds tables while one change
// goes on reads what was there before it.
type tables struct {
	find *finder
	meta [tableCount]tableMeta
	sums [tableCount]sums
}

func (t *tables) group(table int, group uint32) ([]row, error) {
	record, err := t.find.get(tableBuckets[table], groupKey(group))
	if err != nil {
		return nil, fmt.Errorf("group %d of %q: %w", group, tableBuckets[table], err)
	}
	return openGroup(table, group, record, t.sums[table][group])
}

// get returns the row of key; that there is none is certain.
func (t *tables) get(table int, key []byte) (value []byte, ok bool, err error) {
	rows, err := t.group(table, groupOf(hash(key), t.meta[table].Groups))
	if err != nil {
		return nil, false, err
	}
	value, ok = find(rows, key)
	return value, ok, nil
}

// each visits every row of a table, and checks it.
func (t *tables) each(table int, visit func(row) error) error {
	count := 0
	for g := range t.meta[table].Groups {
		rows, err := t.group(table, g)
		if err != nil {
			return err
		}
		if err := verify(table, g, t.meta[table].Groups, rows); err != nil {
			return err
		}
		count += len(rows)
		for _, r := range rows {
			if err := visit(r); err != nil {
				return err
			}
		}
	}
	if count != t.meta[table].Rows {
		return fmt.Errorf("%q has %d rows instead of %d", tableBuckets[table], count, t.meta[table].Rows)
	}
	return nil
}

// verify reads all people.
func (t *tables) verify() error {
	for table := range tableCount {
		if err := t.each(table, func(row) error { return nil }); err != nil {
			return err
		}
	}
	return nil
}

// lookup finds who a card belongs to.
func (t *tables) lookup(card access.Card) (p access.Person, ok bool, err error) {
	key := cardKey(card)
	value, ok, err := t.get(tableCards, key)
	if err != nil || !ok {
		return p, false, err
	}
	if p.Credential, err = parseCredential(key, value); err != nil {
		return p, false, err
	}
	p.Cardholder, ok, err = t.holder(p.Credential.Holder)
	if err == nil && !ok {
		err = fmt.Errorf("the cardholder of the credential %q is missing", p.Credential.ID)
	}
	return p, ok, err
}

func (t *tables) holder(id access.CardholderID) (h access.Cardholder, ok bool, err error) {
	value, ok, err := t.get(tableHolders, []byte(id))
	if err == nil && ok {
		h, err = parseHolder([]byte(id), value)
	}
	return h, ok, err
}

func (t *tables) card(id access.CredentialID) (card access.Card, ok bool, err error) {
	value, ok, err := t.get(tableIDs, []byte(id))
	if err == nil && ok {
		card, err = parseCard(value)
	}
	return card, ok, err
}

// crowd is all people in memory.
type crowd struct {
	holders     []access.Cardholder // by id
	credentials []access.Credential // by id
	people      *access.People
	section     []byte // of the boot image
}

// load reads all people of small tables.
func (t *tables) load() (*crowd, error) {
	c := &crowd{}
	err := t.each(tableHolders, func(r row) error {
		h, err := parseHolder(r.key, r.value)
		c.holders = append(c.holders, h)
		return err
	})
	if err != nil {
		return nil, err
	}
	err = t.each(tableCards, func(r row) error {
		cred, err := parseCredential(r.key, r.value)
		c.credentials = append(c.credentials, cred)
		return err
	})
	if err != nil {
		return nil, err
	}
	ids := map[string][]byte{}
	err = t.each(tableIDs, func(r row) error {
		ids[string(r.key)] = r.value
		return nil
	})
	if err != nil {
		return nil, err
	}
	for _, cred := range c.credentials {
		if !bytes.Equal(ids[string(cred.ID)], cardKey(cred.Card)) {
			return nil, fmt.Errorf("the credential %q is not indexed", cred.ID)
		}
	}
	if len(ids) != len(c.credentials) {
		return nil, errors.New("credentials are missing")
	}
	return c, c.finish()
}

// finish sorts, joins and writes the image's section.
func (c *crowd) finish() (err error) {
	slices.SortFunc(c.holders, func(a, b access.Cardholder) int { return cmp.Compare(a.ID, b.ID) })
	slices.SortFunc(c.credentials, func(a, b access.Credential) int { return cmp.Compare(a.ID, b.ID) })
	var holders, cards []row
	for _, h := range c.holders {
		holders = append(holders, row{[]byte(h.ID), appendHolder(nil, h)})
	}
	for _, cred := range c.credentials {
		cards = append(cards, row{cardKey(cred.Card), appendCredential(nil, cred)})
	}
	c.section = appendText(nil, string(appendGroup(nil, holders)))
	c.section = appendText(c.section, string(appendGroup(nil, cards)))
	c.people, err = access.NewPeople(c.holders, c.credentials)
	return err
}

// parseSection reads what finish wrote.
func parseSection(section []byte) (*crowd, error) {
	r := rowReader{b: section}
	holders, err := parseGroup(r.bytes())
	if err != nil {
		return nil, err
	}
	cards, err := parseGroup(r.bytes())
	if err = errors.Join(err, r.end()); err != nil {
		return nil, err
	}
	c := &crowd{}
	for _, h := range holders {
		holder, err := parseHolder(h.key, h.value)
		if err != nil {
			return nil, err
		}
		c.holders = append(c.holders, holder)
	}
	for _, card := range cards {
		cred, err := parseCredential(card.key, card.value)
		if err != nil {
			return nil, err
		}
		c.credentials = append(c.credentials, cred)
	}
	return c, c.finish()
}
