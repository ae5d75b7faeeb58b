//go:build !(linux || darwin || freebsd || netbsd || openbsd)

package persistence

import (
	"errors"
	"os"
)

// flock refuses: two owners of one data directory would destroy it.
func flock(*os.File) error { return errors.ErrUnsupported }

func funlock(*os.File) error { return errors.ErrUnsupported }
