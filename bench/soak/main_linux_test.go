package soak

import (
	"os"
	"runtime"
	"testing"

	"gatehouse/persistence/disktest"
)

func TestMain(m *testing.M) {
	disktest.Main()
	runtime.MemProfileRate = finely
	os.Exit(m.Run())
}
