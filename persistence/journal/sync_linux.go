package journal

import (
	"errors"
	"os"
	"syscall"
)

// datasync makes contents and length durable, without the times that Sync would
// also write.
func datasync(f *os.File) error {
	for {
		err := syscall.Fdatasync(int(f.Fd()))
		if !errors.Is(err, syscall.EINTR) {
			return os.NewSyscallError("fdatasync", err)
		}
	}
}
