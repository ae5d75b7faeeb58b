//go:build !linux

package redis_test

import "testing"

func connectFaults(*testing.T) []fault { return nil }
