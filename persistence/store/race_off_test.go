//go:build !race

package store

const flipStride = 1
