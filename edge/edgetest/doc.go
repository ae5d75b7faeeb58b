// Package edgetest holds what tests of links to other systems need: servers that do
// each thing wrong that a server can, and a count of what a link leaves behind. It
// must not know any link.
package edgetest
