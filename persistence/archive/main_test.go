package archive

import (
	"testing"

	"gatehouse/supervisor/supervisortest"
)

// TestMain looks for leaked goroutines at the end.
func TestMain(m *testing.M) { supervisortest.Main(m) }
