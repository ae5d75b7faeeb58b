package supervisor_test

import (
	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func same[T any](r *rapid.T, what string, want, got T) {
	if diff := gocmp.Diff(want, got); diff != "" {
		r.Fatalf("%s (-want +got):\n%s", what, diff)
	}
}
