package index

import (
	"hash/fnv"
	"iter"

	"gatehouse/access"
)

// The fields that terms are made of. Their numbers are in the files.
const (
	termDoor byte = iota + 1
	termCardholder
	termKind
	termReason
)

// termsOf are the terms of an event.
func termsOf(e *access.Event) iter.Seq[uint32] {
	return fieldTerms(e.Door, e.Cardholder, e.Kind, e.Reason)
}

// wanted are the terms that an event must have to match.
func wanted(f *access.Filter) (terms []uint32) {
	for t := range fieldTerms(f.Door, f.Cardholder, f.Kind, f.Reason) {
		terms = append(terms, t)
	}
	return terms
}

func fieldTerms(door access.DoorID, holder access.CardholderID, kind access.Kind, reason access.Reason) iter.Seq[uint32] {
	return func(yield func(uint32) bool) {
		_ = (door == "" || yield(textTerm(termDoor, string(door)))) &&
			(holder == "" || yield(textTerm(termCardholder, string(holder)))) &&
			(kind == access.KindNone || yield(numberTerm(termKind, uint16(kind)))) &&
			(reason == access.ReasonNone || yield(numberTerm(termReason, uint16(reason))))
	}
}

// FNV-1a, without allocating.
const (
	fnvOffset = 2166136261
	fnvPrime  = 16777619
)

func textTerm(field byte, text string) uint32 {
	h := (uint32(fnvOffset) ^ uint32(field)) * fnvPrime
	for i := range len(text) {
		h = (h ^ uint32(text[i])) * fnvPrime
	}
	return spread(h)
}

func numberTerm(field byte, n uint16) uint32 {
	h := (uint32(fnvOffset) ^ uint32(field)) * fnvPrime
	h = (h ^ uint32(n&0xff)) * fnvPrime
	return spread((h ^ uint32(n>>8)) * fnvPrime)
}

// spread lets the highest bits depend on all: they choose a group's table.
func spread(h uint32) uint32 {
	h ^= h >> 16
	h *= 0x85EBCA6B
	h ^= h >> 13
	h *= 0xC2B2AE35
	return h ^ h>>16
}

// markOf tells an event from another with the same sequence: that of another
// journal in the same place.
func markOf(e *access.Event) uint64 {
	b := make([]byte, 0, 128)
	for _, n := range []uint64{e.Seq, uint64(wall(e.Time)), uint64(e.Mono), uint64(e.Kind), e.Source.Boot, e.Source.Run, e.Source.Number} {
		b = le.AppendUint64(b, n)
	}
	h := fnv.New64a()
	_, _ = h.Write(append(b, e.Source.Name...))
	return h.Sum64()
}
