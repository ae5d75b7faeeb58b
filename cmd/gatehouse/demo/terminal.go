package demo

import (
	"fmt"
	"io"
	"os"
	"syscall"
)

// Colour says whether to print in colour to f: it is a terminal, and neither
// NO_COLOR is set nor TERM dumb. lookup is os.LookupEnv.
func Colour(f *os.File, lookup func(string) (string, bool)) bool {
	if value, set := lookup("NO_COLOR"); set && value != "" {
		return false
	}
	if term, _ := lookup("TERM"); term == "dumb" {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// Unblocked opens the terminal or pipe behind f once more, so that writes to it
// can have a deadline: those to a process's own standard output cannot. Where
// that does not work, and for files, which never block for long, it is f.
func Unblocked(f *os.File) io.Writer {
	info, err := f.Stat()
	if err != nil || info.Mode()&(os.ModeCharDevice|os.ModeNamedPipe) == 0 {
		return f
	}
	again, err := os.OpenFile(fmt.Sprintf("/proc/self/fd/%d", f.Fd()), os.O_WRONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return f
	}
	return again
}
