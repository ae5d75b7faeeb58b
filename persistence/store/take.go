package store

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"gatehouse/access"
)

// Take takes what a site file says into the store, as one transaction: the rules
// are replaced, people that it names are replaced, people that it does not name
// stay. A card that it gives to another credential than before is taken from the
// old one, which is removed. It returns the version of rules and people together,
// raised by one if anything changed; rules.Version is not looked at. The boot
// image is replaced before it returns, and what changed is Pending. Errors:
// ErrInvalid (an id used twice or unusable, a credential of an unknown holder, two
// credentials with one card: nothing is changed), ErrBroken, or that of the image.
func (s *Store) Take(rules access.Rules, holders []access.Cardholder, creds []access.Credential, by Author) (version uint64, changed bool, err error) {
	s.changing.Lock()
	defer s.changing.Unlock()
	t := taking{s: s}
	version, changed, err = t.inPlace(rules, holders, creds, by)
	if errors.Is(err, errFull) {
		err = t.rebuild(holders, creds, by)
		s.mu.Lock()
		defer s.mu.Unlock()
		changed, version = s.all.meta.Version > version, s.all.meta.Version
	}
	return version, changed, err
}

// errFull: the tables are too small for a change in place.
var errFull = errors.New("the tables are full")

func (t *taking) inPlace(rules access.Rules, holders []access.Cardholder, creds []access.Credential, by Author) (version uint64, changed bool, err error) {
	s := t.s
	s.mu.Lock()
	defer s.mu.Unlock()
	m := s.all.meta
	if err := t.ask(rules, holders, creds); err != nil {
		return m.Version, false, err
	}
	if len(t.rules) == 0 && t.edits.empty() && s.broken == nil {
		return m.Version, false, s.replaceImage()
	}
	if err := s.mayChange(); err != nil {
		return m.Version, false, err
	}
	before := m.Version
	m.Version++
	err = t.commit(m, by)
	return s.all.meta.Version, s.all.meta.Version > before, err
}

// taking is one Take: what differs from the store.
type taking struct {
	s     *Store
	rules []change
	edits edits
	draft draft
}

func (t *taking) ask(rules access.Rules, holders []access.Cardholder, creds []access.Credential) error {
	rules.Version = 0 // kept in the meta record
	row, err := json.Marshal(rules)
	if err != nil {
		return fmt.Errorf("%w: the rules: %w", ErrInvalid, err)
	}
	t.rules = t.s.differing([]change{{bucketRules, bucketRules, row}})
	if err := t.fits(holders, creds); err != nil {
		return err
	}
	for _, h := range holders {
		if err := t.holder(h); err != nil {
			return err
		}
	}
	return t.credentials(creds)
}

// fits checks what is asked, together with those whom it concerns.
func (t *taking) fits(holders []access.Cardholder, creds []access.Credential) error {
	concerned := slices.Clone(holders)
	known := map[access.CardholderID]bool{}
	for _, h := range holders {
		if err := validHolder(h); err != nil {
			return err
		}
		known[h.ID] = true
	}
	for _, c := range creds {
		if err := validCredential(c); err != nil {
			return err
		}
		if known[c.Holder] {
			continue
		}
		h, ok, err := t.s.holder(c.Holder)
		if err != nil {
			return err
		}
		if ok {
			known[c.Holder] = true
			concerned = append(concerned, h)
		}
	}
	if _, err := access.NewPeople(concerned, creds); err != nil {
		return fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	return nil
}

func (t *taking) holder(h access.Cardholder) error {
	old, ok, err := t.s.holder(h.ID)
	if err != nil {
		return err
	}
	row := appendHolder(nil, h)
	var before []byte
	if ok {
		before = appendHolder(nil, old)
	}
	if !ok || !bytes.Equal(before, row) {
		t.edits.set(tableHolders, []byte(h.ID), row)
		t.draft.holder([]byte(h.ID), before, row)
	}
	return nil
}

// credentials first takes away what the new ones are in the way of, then puts
// those.
func (t *taking) credentials(creds []access.Credential) error {
	var differ []access.Credential
	named := map[access.CredentialID]bool{}
	for _, c := range creds {
		named[c.ID] = true
	}
	for _, c := range creds {
		old, ok, err := t.s.credential(c.ID)
		if err != nil {
			return err
		}
		row := appendCredential(nil, c)
		if ok && old.Card == c.Card && bytes.Equal(appendCredential(nil, old), row) {
			continue
		}
		differ = append(differ, c)
		var before []byte
		if ok {
			before = appendCredential(nil, old)
			t.edits.set(tableCards, cardKey(old.Card), nil)
		}
		t.draft.credential(cardKey(c.Card), before, row)
		if err := t.evict(c.Card, named); err != nil {
			return err
		}
	}
	for _, c := range differ {
		t.edits.set(tableCards, cardKey(c.Card), appendCredential(nil, c))
		t.edits.set(tableIDs, []byte(c.ID), cardKey(c.Card))
	}
	return nil
}

// evict removes the credential that has the card, unless it is asked for itself.
func (t *taking) evict(card access.Card, named map[access.CredentialID]bool) error {
	other, ok, err := t.s.owner(card)
	if err != nil || !ok || named[other.ID] {
		return err
	}
	t.edits.set(tableIDs, []byte(other.ID), nil)
	t.draft.credential(cardKey(card), appendCredential(nil, other), nil)
	return nil
}

// commit makes the change in place, unless that is errFull.
func (t *taking) commit(m meta, by Author) error {
	s, sums := t.s, t.s.all.sums
	people := !t.edits.empty()
	if people {
		m.People = m.Version
	}
	changes, err := t.edits.apply(&m, &sums, s.view.group)
	if err != nil {
		return s.damaged(err)
	}
	if slices.ContainsFunc(m.Tables[:], tableMeta.full) {
		return errFull
	}
	next := s.all.with(t.rules, m)
	next.sums = sums
	told, err := t.describe(&m, next.fingerprint(), by)
	if err != nil {
		return err
	}
	changes = append(append(changes, t.rules...), told...)
	if !people {
		return s.commit(changes, m, nil)
	}
	return s.commit(changes, m, &sums)
}

func (t *taking) describe(m *meta, after string, by Author) (list []change, err error) {
	c := Change{Author: by, Before: t.s.all.fingerprint(), After: after}
	if len(t.rules) > 0 {
		c.Kind = access.KindRulesChanged
		if list, err = (&draft{}).describe(m, c); err != nil {
			return nil, err
		}
	}
	if t.draft.count == 0 {
		return list, nil
	}
	c.Kind = access.KindPeopleChanged
	told, err := t.draft.describe(m, c)
	return append(list, told...), err
}

// rebuild makes the change by new tables.
func (t *taking) rebuild(holders []access.Cardholder, creds []access.Credential, by Author) error {
	b := newBuild(context.Background(), t.s.o.Dir, nil)
	b.always = true
	defer b.discard()
	if _, err := b.old(t.s.view, ""); err != nil {
		return t.s.damaged(err)
	}
	for i, h := range holders {
		if err := b.holder(h, placeAt(i+1, 0, 0), false); err != nil {
			return err
		}
	}
	for i, c := range creds {
		if err := b.credential(c, placeAt(i+1, 0, 0)); err != nil {
			return err
		}
	}
	return t.s.rebuild(b, "", func(m *meta, next *contents) ([]change, error) {
		after := next.with(t.rules, *m)
		told, err := t.describe(m, after.fingerprint(), by)
		return append(told, t.rules...), err
	})
}

func (s *Store) damaged(err error) error {
	return fmt.Errorf("%w: %w; nothing is changed; restore a backup", ErrCorrupt, err)
}

// holder, credential and owner find what is in the store now, wherever it is.

func (s *Store) holder(id access.CardholderID) (h access.Cardholder, ok bool, err error) {
	if s.people == nil {
		return s.view.holder(id)
	}
	i, ok := slices.BinarySearchFunc(s.people.holders, id, func(h access.Cardholder, id access.CardholderID) int {
		return cmp.Compare(h.ID, id)
	})
	if ok {
		h = s.people.holders[i]
	}
	return h, ok, nil
}

func (s *Store) credential(id access.CredentialID) (c access.Credential, ok bool, err error) {
	if s.people == nil {
		card, ok, err := s.view.card(id)
		if err != nil || !ok {
			return c, false, err
		}
		return s.owner(card)
	}
	i, ok := slices.BinarySearchFunc(s.people.credentials, id, func(c access.Credential, id access.CredentialID) int {
		return cmp.Compare(c.ID, id)
	})
	if ok {
		c = s.people.credentials[i]
	}
	return c, ok, nil
}

func (s *Store) owner(card access.Card) (c access.Credential, ok bool, err error) {
	if s.people != nil {
		p, ok, err := s.people.people.Lookup(card)
		return p.Credential, ok, err
	}
	value, ok, err := s.view.get(tableCards, cardKey(card))
	if err == nil && ok {
		c, err = parseCredential(cardKey(card), value)
	}
	return c, ok, err
}
