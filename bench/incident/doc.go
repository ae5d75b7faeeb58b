// Package incident runs the seven duties of the night side by side: as they were,
// as fixes were published, and in this house. The same traffic goes through each,
// and what is left after a clean stop is counted.
//
// Each column of a duty is a process of its own (Column), so that goroutines,
// memory and files are that column's alone. The process that started it (Run)
// plays everybody else: devices' centre, slow clients, a Redis that dies. They
// speak JSON lines over the column's standard input and output.
//
// What was published with the incident stands beside what is measured here, and
// rules decide what it is called (marks.go) and whether the run may pass
// (gates.go). Nothing is decided by hand.
//
// It must not be used to compare machines: it says what leaks and what does not,
// and compares columns of one run.
package incident
