// Package heap keeps the resident memory of a process level whose memory is
// mostly not Go's: it steers Go's garbage collector (Floor) and the C library's
// allocator (FewArenas).
//
// The collector lets the heap grow to twice what is live, so that a cache of 1
// MiB that fills costs 2 MiB of resident memory, and a small heap that is
// collected all the time costs processor time. A Floor keeps the size at which
// the next collection begins at one value for as long as what is live leaves room
// below it: resident memory is then level from the first requests on. Above that the
// heap grows by what more is live, not by twice that, until the collector would have
// too much to do.
package heap

import (
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync"
)

// Default is a floor for a process that serves models, bytes: about what such a
// process needs while it starts. A larger one is level later, as the heap grows up to
// it.
const Default = 32 << 20

const (
	// room is what the heap grows by at least before it is collected, bytes.
	room = 16 << 20
	// leastPercent bounds how often it is collected.
	leastPercent = 25
	// least is the heap that the collector starts with at GOGC=100; it grows with
	// GOGC (runtime/mgcpacer.go, defaultHeapMinimum).
	least = 4 << 20
)

// Floor holds the collector until it is released.
type Floor struct {
	size     uint64
	original int

	mu       sync.Mutex
	percent  int
	released bool
}

// Hold returns to the system what starting took and is free now, which otherwise
// goes little by little, takes the memory of a heap of size bytes, which otherwise
// comes little by little as the heap spreads over its pages, and then keeps the
// heap's size at the start of a collection at size bytes, until Release. It is for
// a process that has started, and a setting of all of it. When the operator has set
// GOGC or GOMEMLIMIT it does nothing.
func Hold(size uint64) *Floor {
	f := &Floor{size: size}
	_, percent := os.LookupEnv("GOGC")
	_, limit := os.LookupEnv("GOMEMLIMIT")
	if f.released = percent || limit; f.released {
		return f
	}
	debug.FreeOSMemory()
	f.percent = f.wanted()
	f.original = debug.SetGCPercent(f.percent)
	f.watch()
	touch(size + size/10) // as much more as the runtime lets a heap keep
	return f
}

// touch has the pages of a heap of size bytes resident. What it takes is free again
// when it returns, and is what the heap grows into.
func touch(size uint64) {
	const chunk, page = 256 << 10, 4 << 10
	samples := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}, {Name: "/memory/classes/heap/free:bytes"}}
	metrics.Read(samples)
	held := samples[0].Value.Uint64() + samples[1].Value.Uint64()
	var taken [][]byte
	for ; held < size; held += chunk {
		b := make([]byte, chunk)
		for i := 0; i < len(b); i += page {
			b[i] = 1
		}
		taken = append(taken, b)
	}
	runtime.KeepAlive(taken)
	runtime.GC() // or the next collection would count it as live, and set its goal by that
}

// Release gives the collector its earlier setting back.
func (f *Floor) Release() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.released {
		return
	}
	f.released = true
	debug.SetGCPercent(f.original)
}

// cycle is dropped at once, so that the next collection cleans it up. It is large
// enough not to share its place with objects that live on.
type cycle struct{ _ [32]byte }

// watch adjusts after every collection.
func (f *Floor) watch() {
	runtime.AddCleanup(&cycle{}, (*Floor).collected, f)
}

func (f *Floor) collected() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.released {
		return
	}
	if percent := f.wanted(); percent != f.percent {
		f.percent = percent
		debug.SetGCPercent(percent)
	}
	f.watch()
}

func (f *Floor) wanted() int {
	samples := []metrics.Sample{{Name: "/gc/heap/live:bytes"}, {Name: "/gc/scan/stack:bytes"}, {Name: "/gc/scan/globals:bytes"}}
	metrics.Read(samples)
	return Percent(f.size, samples[0].Value.Uint64(), samples[1].Value.Uint64()+samples[2].Value.Uint64())
}

// Percent is the GOGC with which the next collection begins at floor bytes or, when
// that is more, 16 MiB above what is live: the collector's goal is live + (live +
// roots) * GOGC / 100 (go.dev/doc/gc-guide). It is never below 25, and never so much
// that the least heap would exceed the floor.
func Percent(floor, live, roots uint64) int {
	grown := (max(floor, live+room) - live) * 100 / max(live+roots, 1)
	return int(max(min(grown, floor*100/least), leastPercent))
}
