// Package house is the third column: a building of this house as the daemon runs
// it (doors on a virtual rig, a journal and a store on the disk, the API on a
// loopback port), with one of the seven duties added in the place that it has in
// the tree.
//
// Unlike the other columns it keeps all of the house's rules. It must not know how
// it is measured.
package house
