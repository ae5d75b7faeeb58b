package demo

import (
	"fmt"
	"math/rand/v2"
	"time"

	"gatehouse/access"
	"gatehouse/cmd/gatehouse/site"
)

const (
	peopleCount = 200
	facility    = 7
	maxNumber   = 65_535 // of a card, in H10301
)

var firstNames = []string{
	"Ada", "Amir", "Anna", "Ben", "Carla", "Chen", "David", "Elif", "Emil", "Eva", "Felix", "Grace", "Hana",
	"Hugo", "Ida", "Ines", "Ivan", "Jan", "Joana", "Karim", "Lea", "Liam", "Luca", "Maja", "Marek", "Mia",
	"Nadia", "Noah", "Nora", "Omar", "Paula", "Petra", "Priya", "Rosa", "Sven", "Tara", "Theo", "Vera", "Yuki", "Zoe",
}

var lastNames = []string{
	"Adler", "Baker", "Bauer", "Berg", "Costa", "Dahl", "Demir", "Ekman", "Farkas", "Fischer", "Garcia", "Haas",
	"Hansen", "Horvat", "Ito", "Jensen", "Kaya", "Keller", "Kim", "Klein", "Kovac", "Lang", "Lind", "Lopez",
	"Marino", "Meyer", "Moreau", "Nagy", "Novak", "Okafor", "Olsen", "Patel", "Peters", "Popov", "Rahman", "Rossi",
	"Sato", "Schulz", "Silva", "Singh", "Stein", "Suzuki", "Tran", "Vogel", "Wagner", "Weber", "Wolf", "Yilmaz", "Young", "Zhou",
}

// groups say how many people have which levels; the rest are staff.
var groups = []struct {
	size   int
	levels []access.LevelID
}{
	{8, []access.LevelID{"everywhere"}},
	{16, []access.LevelID{"staff", "servers"}},
	{16, []access.LevelID{"contractors"}},
	{8, []access.LevelID{"cleaning"}},
}

// populate adds the people. One has a lost card, one has left the company.
func populate(s *site.Site, seed uint64) {
	r := rand.New(rand.NewPCG(seed, 0x9e0913))
	names, numbers := map[string]bool{}, map[uint64]bool{}
	place := r.Perm(peopleCount) // in which group somebody is
	for i := range peopleCount {
		id := access.CardholderID(fmt.Sprintf("p-%03d", i+1))
		h := access.Cardholder{ID: id, Name: freshName(r, names), Levels: levelsOf(place[i])}
		c := access.Credential{
			ID: access.CredentialID(fmt.Sprintf("c-%03d", i+1)), Holder: id,
			Card: access.Card{Facility: facility, Number: freshNumber(r, numbers)},
		}
		switch place[i] {
		case peopleCount - 1:
			c.Suspended = true
		case peopleCount - 2:
			h.ValidUntil = time.Date(2025, 7, 1, 0, 0, 0, 0, time.UTC)
		}
		s.Holders = append(s.Holders, h)
		s.Credentials = append(s.Credentials, c)
	}
}

func levelsOf(place int) []access.LevelID {
	for _, g := range groups {
		if place < g.size {
			return g.levels
		}
		place -= g.size
	}
	return []access.LevelID{"staff"}
}

func freshName(r *rand.Rand, taken map[string]bool) string {
	for {
		name := firstNames[r.IntN(len(firstNames))] + " " + lastNames[r.IntN(len(lastNames))]
		if !taken[name] {
			taken[name] = true
			return name
		}
	}
}

func freshNumber(r *rand.Rand, taken map[uint64]bool) uint64 {
	for {
		number := 1 + r.Uint64N(maxNumber)
		if !taken[number] {
			taken[number] = true
			return number
		}
	}
}
