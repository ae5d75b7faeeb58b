package demo

import (
	"container/heap"
	"time"

	"gatehouse/access"
	"gatehouse/devices"
)

// Kind says what somebody does.
type Kind uint8

const (
	Present Kind = iota // holds Read to Reader
	Press               // presses the REX button
	LetGo               // lets go of it
	Open                // pulls at the door; tell Crowd.Opened whether it gave way
	Handle              // leaves by a mechanical handle, which no lock keeps shut
	Force               // forces the door
	Close               // lets the door fall shut

	// What the crowd does by itself.
	arrive // somebody comes
	decide // who is somewhere decides where to go
	prowl  // somebody looks for a door to force
)

// Action is what somebody does at a door.
type Action struct {
	Due    time.Time
	Kind   Kind
	Door   access.DoorID
	Reader access.ReaderID  // of Present
	Read   devices.CardRead // of Present

	serial uint64
	who    int  // of the people
	way    *way // nil: nobody goes anywhere
}

// agenda is what will be done, the earliest first.
type agenda struct {
	list   actionHeap
	serial uint64
}

func (a *agenda) add(do Action) {
	a.serial++
	do.serial = a.serial
	heap.Push(&a.list, do)
}

// next takes the earliest action if it is due.
func (a *agenda) next(now time.Time) (Action, bool) {
	if len(a.list) == 0 || a.list[0].Due.After(now) {
		return Action{}, false
	}
	return heap.Pop(&a.list).(Action), true
}

type actionHeap []Action

func (h actionHeap) Len() int { return len(h) }

func (h actionHeap) Less(i, j int) bool {
	if h[i].Due.Equal(h[j].Due) {
		return h[i].serial < h[j].serial
	}
	return h[i].Due.Before(h[j].Due)
}

func (h actionHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }

func (h *actionHeap) Push(x any) { *h = append(*h, x.(Action)) }

func (h *actionHeap) Pop() any {
	old := *h
	last := old[len(old)-1]
	old[len(old)-1] = Action{}
	*h = old[:len(old)-1]
	return last
}
