package access

import (
	"cmp"
	"fmt"
	"slices"
)

// People is a Directory in memory. It is immutable and safe for concurrent use.
type People struct {
	list   []Person // by credential id
	byCard map[Card]int
}

// NewPeople joins credentials to their cardholders. The error joins one *Fault
// per mistake: an id or a card used twice, a credential of an unknown holder.
func NewPeople(holders []Cardholder, credentials []Credential) (*People, error) {
	var f faults
	known := map[CardholderID]Cardholder{}
	for i, h := range holders {
		h.Levels = slices.Clone(h.Levels)
		unique(&f, fmt.Sprintf("cardholders[%d].id", i), "cardholder", known, h.ID, h)
	}
	p := &People{}
	ids, cards := map[CredentialID]bool{}, map[Card]CredentialID{}
	for i, c := range credentials {
		path := fmt.Sprintf("credentials[%d]", i)
		unique(&f, path+".id", "credential", ids, c.ID, true)
		if other, taken := cards[c.Card]; taken {
			f.add(ErrDuplicate, path+".card", "give each credential a card of its own",
				"the credentials %q and %q have the same card", other, c.ID)
		}
		cards[c.Card] = c.ID
		h, ok := known[c.Holder]
		if !ok {
			f.add(ErrDangling, path+".holder", "add the cardholder first",
				"the credential %q belongs to the unknown cardholder %q", c.ID, c.Holder)
		}
		p.list = append(p.list, Person{Credential: c, Cardholder: h})
	}
	if err := f.err(); err != nil {
		return nil, err
	}
	p.sort()
	return p, nil
}

func (p *People) sort() {
	slices.SortFunc(p.list, func(a, b Person) int { return cmp.Compare(a.Credential.ID, b.Credential.ID) })
	p.byCard = make(map[Card]int, len(p.list))
	for i, person := range p.list {
		p.byCard[person.Credential.Card] = i
	}
}

// Recall finds who a card belongs to; ok is always true.
func (p *People) Recall(card Card) (person Person, known, ok bool) {
	person, known, _ = p.Lookup(card)
	return person, known, true
}

// Lookup finds who a card belongs to. It never fails.
func (p *People) Lookup(card Card) (Person, bool, error) {
	i, ok := p.byCard[card]
	if !ok {
		return Person{}, false, nil
	}
	return p.list[i], true, nil
}

// Len is the number of credentials.
func (p *People) Len() int { return len(p.list) }

// All is every credential with its cardholder, by credential id. The caller
// owns the slice, but must not change the levels in it.
func (p *People) All() []Person { return slices.Clone(p.list) }
