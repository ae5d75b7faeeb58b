package soak

import (
	"encoding/json"
	"fmt"

	"gatehouse/supervisor"
)

// place is a place in a tree of actors, as the API shows it. The virtual soak
// reads its tree in the same form, so that both are judged alike.
type place struct {
	Path        string  `json:"path"`
	State       string  `json:"state"`
	Incarnation uint64  `json:"incarnation"`
	Restarts    uint64  `json:"restarts"`
	Queued      int64   `json:"queued"`
	Refused     uint64  `json:"refused"`
	Timers      int64   `json:"timers"`
	Workers     int64   `json:"workers"`
	Zombies     int64   `json:"zombies"`
	Children    []place `json:"children"`
}

// parseTree reads a tree in JSON.
func parseTree(text []byte) (place, error) {
	var p place
	if err := json.Unmarshal(text, &p); err != nil {
		return place{}, fmt.Errorf("the tree of actors: %w", err)
	}
	return p, nil
}

// placesOf is a tree of this process.
func placesOf(t supervisor.Tree) (place, error) {
	text, err := json.Marshal(t)
	if err != nil {
		return place{}, fmt.Errorf("the tree of actors: %w", err)
	}
	return parseTree(text)
}

// each visits the place and all below it.
func (p *place) each(visit func(*place)) {
	visit(p)
	for i := range p.Children {
		p.Children[i].each(visit)
	}
}
