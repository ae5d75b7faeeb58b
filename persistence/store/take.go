package store

import (
	"encoding/json"
	"fmt"

	"gatehouse/access"
)

// Take takes what a site file says into the store, as one transaction: the rules
// are replaced, people that it names are replaced, people that it does not name
// stay. A card that it gives to another credential than before is taken from the
// old one, which is removed. It returns the version of rules and people together,
// raised by one if anything changed; rules.Version is not looked at. The boot
// image is replaced before it returns. Errors: ErrInvalid (an id used twice or
// unusable, a credential of an unknown holder, two credentials with one card:
// nothing is changed), ErrBroken, or that of the image.
func (s *Store) Take(rules access.Rules, holders []access.Cardholder, creds []access.Credential) (version uint64, changed bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := s.all.meta
	changes, err := s.asked(rules, holders, creds)
	if err != nil {
		return m.Version, false, err
	}
	if changes = s.differing(changes); len(changes) == 0 && s.broken == nil {
		return m.Version, false, s.replaceImage()
	}
	m.Version++
	if err := s.commit(changes, m); err != nil {
		return s.all.meta.Version, s.all.meta.Version == m.Version, err
	}
	return m.Version, true, nil
}

// asked is everything that the site file says, checked together with the people
// that stay.
func (s *Store) asked(rules access.Rules, holders []access.Cardholder, creds []access.Credential) ([]change, error) {
	rules.Version = 0 // kept in the meta record
	list := rowList{seen: map[rowKey]bool{}}
	list.add(bucketRules, bucketRules, rules)
	for _, h := range holders {
		list.add(bucketHolders, string(h.ID), h)
	}
	for _, c := range creds {
		list.add(bucketCredentials, string(c.ID), c)
	}
	if list.err != nil {
		return nil, list.err
	}
	old, err := s.all.decode()
	if err != nil {
		return nil, err
	}
	merged, replaced := mergeCredentials(old.Credentials, creds)
	for _, id := range replaced {
		list.changes = append(list.changes, change{bucketCredentials, string(id), nil})
	}
	if _, err := access.NewPeople(mergeHolders(old.Holders, holders), merged); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	return list.changes, nil
}

// rowList collects rows until one cannot be stored.
type rowList struct {
	changes []change
	seen    map[rowKey]bool
	err     error
}

type rowKey struct{ bucket, key string }

func (l *rowList) add(bucket, key string, v any) {
	if l.err != nil {
		return
	}
	if l.err = validID(bucket, key); l.err != nil {
		return
	}
	if l.seen[rowKey{bucket, key}] {
		l.err = fmt.Errorf("%w: the id %q stands twice in %s; give each its own", ErrInvalid, key, bucket)
		return
	}
	l.seen[rowKey{bucket, key}] = true
	row, err := json.Marshal(v)
	if err != nil {
		l.err = fmt.Errorf("%w: %q in %s: %w", ErrInvalid, key, bucket, err)
		return
	}
	l.changes = append(l.changes, change{bucket, key, row})
}

func mergeHolders(old, asked []access.Cardholder) []access.Cardholder {
	named := map[access.CardholderID]bool{}
	for _, h := range asked {
		named[h.ID] = true
	}
	merged := asked[:len(asked):len(asked)]
	for _, h := range old {
		if !named[h.ID] {
			merged = append(merged, h)
		}
	}
	return merged
}

// mergeCredentials also names the old credentials whose card went to another one.
func mergeCredentials(old, asked []access.Credential) (merged []access.Credential, replaced []access.CredentialID) {
	named, cards := map[access.CredentialID]bool{}, map[access.Card]bool{}
	for _, c := range asked {
		named[c.ID], cards[c.Card] = true, true
	}
	merged = asked[:len(asked):len(asked)]
	for _, c := range old {
		switch {
		case named[c.ID]:
		case cards[c.Card]:
			replaced = append(replaced, c.ID)
		default:
			merged = append(merged, c)
		}
	}
	return merged, replaced
}
