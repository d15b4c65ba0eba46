//go:build cgo && linux

package heap

/*
#include <malloc.h>

static int few_arenas(int n) {
#ifdef __GLIBC__
	return mallopt(M_ARENA_MAX, n);
#else
	return 1;
#endif
}
*/
import "C"

import "os"

// arenas is enough for a model that runs while another is loaded: ONNX Runtime
// takes what its runs need from pools of its own.
const arenas = 2

// FewArenas keeps the C library from giving each thread an arena of its own,
// which it does by default up to eight a core. Go calls C from whatever thread it
// has at hand, so that each of them ends up with its own free memory of what the
// models needed: resident memory creeps up for hundreds of calls. Call it before
// models are loaded; it is for the whole process, cannot be undone, and does
// nothing where the operator has set MALLOC_ARENA_MAX, nor with a C library that
// has no arenas.
func FewArenas() {
	if _, set := os.LookupEnv("MALLOC_ARENA_MAX"); !set {
		C.few_arenas(arenas)
	}
}
