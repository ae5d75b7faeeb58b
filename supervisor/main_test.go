package supervisor_test

import (
	"os"
	"testing"

	"gatehouse/supervisor/supervisortest"
)

// TestMain looks for leaked goroutines at the end.
func TestMain(m *testing.M) { supervisortest.Main(tidy{m}) }

// tidy removes what all tests share.
type tidy struct{ tests *testing.M }

func (m tidy) Run() int {
	code := m.tests.Run()
	if storiesDir != "" {
		os.RemoveAll(storiesDir)
	}
	return code
}
