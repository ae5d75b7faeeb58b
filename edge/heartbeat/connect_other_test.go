//go:build !linux

package heartbeat_test

import "testing"

func connectFaults(*testing.T) []fault { return nil }
