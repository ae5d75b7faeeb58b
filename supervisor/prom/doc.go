// Package prom shows running trees to Prometheus: what a system owns, and how
// each place in its tree is. It knows trees and metrics. It must not know what a
// tree is about, nor who serves the metrics.
//
//	registry.MustRegister(prom.New(sys, prom.Options{}))
//
// # How many series
//
// A tree can be larger than what Prometheus should keep. At most
// Options.MaxPlaces places have series of their own; the rest is summed under
// path="other". Supervisors come first, then the places nearest to the root,
// in the order of the tree. A place that has series keeps them until it leaves
// the tree; then they vanish, and the next place in that order has room.
//
// A tree whose children come and go quickly makes new series all the time,
// although never more than the limit at once. There, let MaxPlaces be about the
// number of places that stay.
//
// # What the sums are
//
// The gauges of path="other" are sums over the places that have no series of
// their own at this moment. Its counters only grow: what was counted of a place
// stays counted when the place leaves the tree, or gets series of its own. So
// rates can be added over all paths, totals cannot. What a place counted between
// the last scrape and its end is not seen.
package prom
