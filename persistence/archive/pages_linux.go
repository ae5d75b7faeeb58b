package archive

import (
	"os"

	"golang.org/x/sys/unix"
)

// dropPages asks the kernel to forget its copy of f, so that reading it back
// reads the disk, and the night does not push the day's pages out of memory. A
// kernel that will not do it changes no result.
func dropPages(f *os.File) { _ = unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED) }
