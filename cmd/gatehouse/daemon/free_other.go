//go:build !(linux || darwin || freebsd)

package daemon

import "errors"

// FreeBytes does not know: nothing is removed for want of space.
func FreeBytes(string) (int64, error) { return 0, errors.ErrUnsupported }
