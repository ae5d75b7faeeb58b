//go:build !unix

package limits

import "errors"

func filesLimit() (uint64, error) { return 0, errors.ErrUnsupported }
