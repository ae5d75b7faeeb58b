package heartbeat_test

import (
	"testing"

	"gatehouse/edge/edgetest"
)

// connectFaults are those that take a socket of Linux's.
func connectFaults(t *testing.T) []fault {
	return []fault{{name: "connect hangs", addr: edgetest.FullBacklog(t), limits: dial, want: "connect: "}}
}
