package testkit

import (
	"testing"

	"github.com/facestudio/facestudio/services/seal"
)

// Ring returns a ring of data keys in memory.
func Ring(tb testing.TB) *seal.Ring {
	tb.Helper()
	r, err := seal.NewInMemory(tb.Context())
	if err != nil {
		tb.Fatal(err)
	}
	return r
}
