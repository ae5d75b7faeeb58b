// Package site reads and checks site.yaml, the file that says what a building
// is made of: devices, areas, doors, schedules, access levels and people.
//
// It finds every mistake of a file in one run and says where each one is and
// what to do about it. It must not know actors, the store or a network, nor any
// driver by itself: its caller says which drivers there are, and whether a device
// answers is for the registry of devices.
package site
