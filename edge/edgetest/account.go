package edgetest

import (
	"os"
	"runtime"
)

// Account is what the process holds at one moment.
type Account struct {
	Goroutines, Files int
}

// Take takes stock. Files is 0 where the kernel does not list them.
func Take() Account {
	a := Account{Goroutines: runtime.NumGoroutine()}
	if list, err := os.ReadDir("/proc/self/fd"); err == nil {
		a.Files = len(list) - 1 // the list's own
	}
	return a
}

// Stacks are the stacks of all goroutines, for a message.
func Stacks() string {
	b := make([]byte, 1<<20)
	return string(b[:runtime.Stack(b, true)])
}
