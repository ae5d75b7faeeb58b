package httpapi

import (
	"context"

	"gatehouse/access"
	"gatehouse/actors"
)

// Building is what the API needs of a building; see Of. Its methods are safe for
// concurrent use and return in bounded time.
type Building interface {
	Doors() []actors.DoorStatus
	Door(id access.DoorID) (actors.DoorStatus, error)
	Command(cmd access.Command, doors ...access.DoorID) (actors.CommandReport, error)
	ResetFire(operator access.OperatorID, doors ...access.DoorID) (actors.CommandReport, error)
	Events(after uint64, limit int) ([]access.Event, error)
	LastEvent() uint64
	// Find reads a bounded number of events; IndexLag is how many are on disk that
	// its index does not know of yet.
	Find(ctx context.Context, s access.Search) (access.Found, error)
	IndexLag() uint64
	// Reindex throws the index away; it is made again meanwhile.
	Reindex() error
	Health() actors.Health
	// Devices are all of the site, with what their checks came to.
	Devices() []actors.DeviceStatus
	// Links are those to other systems, an empty list without any.
	Links() []actors.LinkStatus
	// NoteRequestFailed records that requests ended in a panic, count of them.
	NoteRequestFailed(detail string, count uint64)
	Counts() (kinds, denials []actors.Count)
	// Archive is how far the archive has got; ok is false without one.
	Archive() (status actors.ArchiveStatus, ok bool)
	// Watch yields whenever there may be new events, until stop is called; ok is
	// false when too many watch.
	Watch() (grown <-chan struct{}, stop func(), ok bool)
	Tree() Tree
}

// Tree is the tree of actors at one moment.
type Tree struct {
	JSON any    // marshals to the tree
	Text string // indented, a line for each actor
}

// Of is a building of actors as the API sees it.
func Of(b *actors.Building) Building { return building{b} }

type building struct{ *actors.Building }

func (b building) Watch() (grown <-chan struct{}, stop func(), ok bool) {
	w, ok := b.Building.Watch()
	if !ok {
		return nil, nil, false
	}
	return w.C, w.Close, true
}

func (b building) Tree() Tree {
	root := b.Building.Tree()
	return Tree{JSON: root, Text: root.String()}
}
