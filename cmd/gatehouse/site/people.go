package site

import (
	"cmp"
	"math"

	"go.yaml.in/yaml/v3"

	"gatehouse/access"
)

func (p *parser) level(n *yaml.Node) {
	var l access.Level
	p.object(
		n, "a level",
		field{"id", "everywhere", id(p, &l.ID, p.levels)},
		field{"name", "", p.text(&l.Name)},
		field{"entries", "[{doors: all, schedule: always}]", p.list("entries", func(n *yaml.Node) {
			l.Entries = append(l.Entries, p.entry(n))
		})},
	)
	l.Name = cmp.Or(l.Name, string(l.ID))
	p.site.Rules.Levels = append(p.site.Rules.Levels, l)
}

func (p *parser) entry(n *yaml.Node) access.LevelEntry {
	var e access.LevelEntry
	p.object(
		n, "an entry of a level",
		field{"doors", "all", func(n *yaml.Node) {
			switch {
			case isText(n) && n.Value == "all":
				e.AllDoors = true
			case n.Kind != yaml.SequenceNode:
				p.wrong(n, "all or a list of the ids of doors")
			default:
				refs(p, &e.Doors, p.doors)(n)
			}
		}},
		field{"schedule", string(access.Always), ref(p, &e.Schedule, p.schedules)},
	)
	return e
}

func (p *parser) person(n *yaml.Node) {
	p.private = true
	defer func() { p.private = false }()
	var h access.Cardholder
	from, until := p.validity(&h.ValidFrom, &h.ValidUntil)
	p.object(
		n, "a person",
		field{"id", "p-1", id(p, &h.ID, p.people)},
		field{"name", "", p.text(&h.Name)},
		field{"levels", "", refs(p, &h.Levels, p.levels)},
		from, until,
		field{"suspended", "", p.truth(&h.Suspended)},
		field{"credentials", "", p.list("credentials", func(n *yaml.Node) { p.credential(n, h.ID) })},
	)
	h.Name = cmp.Or(h.Name, string(h.ID))
	p.site.Holders = append(p.site.Holders, h)
}

func (p *parser) credential(n *yaml.Node, holder access.CardholderID) {
	c := access.Credential{Holder: holder}
	from, until := p.validity(&c.ValidFrom, &c.ValidUntil)
	p.object(
		n, "a credential",
		field{"id", "c-1", id(p, &c.ID, p.credentials)},
		field{"facility", "9", number(p, &c.Card.Facility, 0, math.MaxUint32)},
		field{"number", "1", number(p, &c.Card.Number, 1, math.MaxUint64)},
		from, until,
		field{"suspended", "", p.truth(&c.Suspended)},
	)
	p.checkCard(n, c.Card)
	p.site.Credentials = append(p.site.Credentials, c)
}

// checkCard: two people with one card would be one person, and a card that fits
// no format opens nothing. No message names a card number; its position is
// enough.
func (p *parser) checkCard(n *yaml.Node, card access.Card) {
	if card.Number == 0 {
		return // not read: said already
	}
	if first, taken := p.cards[card]; taken {
		p.at(child(n, "number"), "this card (facility and number) is listed twice, first at line %d — a card belongs to one person: correct one of them", first.Line)
		return
	}
	p.cards[card] = n
	for _, f := range p.formats {
		if _, _, err := f.Encode(card); err == nil {
			return
		}
	}
	if len(p.formats) > 0 {
		p.warn(child(n, "number"), "no reader here can read this card: facility and number fit none of the readers' formats — correct them or a reader's format")
	}
}
