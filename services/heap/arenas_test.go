package heap_test

import (
	"testing"

	"github.com/facestudio/facestudio/services/heap"
)

func TestFewArenasMayBeRepeated(t *testing.T) {
	for range 2 {
		heap.FewArenas()
	}
	t.Setenv("MALLOC_ARENA_MAX", "4")
	heap.FewArenas()
}
