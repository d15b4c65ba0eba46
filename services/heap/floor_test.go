package heap_test

import (
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"testing"

	"github.com/facestudio/facestudio/services/heap"
)

func TestPercent(t *testing.T) {
	for name, c := range map[string]struct {
		floor, live, roots uint64
		want               int
	}{
		"a quarter is live":      {32 << 20, 8 << 20, 0, 300},
		"roots count":            {32 << 20, 7 << 20, 1 << 20, 312},
		"half is live":           {32 << 20, 16 << 20, 0, 100},
		"nearly all is live":     {32 << 20, 30 << 20, 2 << 20, 50},
		"more than all is live":  {32 << 20, 100 << 20, 1 << 20, 25},
		"before any collection":  {32 << 20, 0, 0, 800},
		"roots outweigh what is": {32 << 20, 1 << 20, 100 << 20, 30},
	} {
		t.Run(name, func(t *testing.T) {
			if got := heap.Percent(c.floor, c.live, c.roots); got != c.want {
				t.Errorf("got %d, want %d", got, c.want)
			}
		})
	}
}

func goal() uint64 {
	s := []metrics.Sample{{Name: "/gc/heap/goal:bytes"}}
	metrics.Read(s)
	return s[0].Value.Uint64()
}

func TestFloorHoldsTheGoalWhileTheLiveHeapGrows(t *testing.T) {
	unset(t)
	const floor = 64 << 20
	f := heap.Hold(floor)
	defer f.Release()
	var live [][]byte
	for range 6 {
		live = append(live, make([]byte, 4<<20))
		// The adjustment follows a collection; the one after it has the goal.
		for runtime.GC(); goal() < floor-floor/50 || goal() > floor+floor/50; runtime.GC() {
			if t.Context().Err() != nil {
				t.Fatal("the goal does not come to the floor")
			}
			runtime.Gosched()
		}
	}
	runtime.KeepAlive(live)
	f.Release()
	before := debug.SetGCPercent(100)
	if before != 100 {
		t.Errorf("after the release GOGC is %d", before)
	}
}

// unset takes the operator's settings out of the test's environment.
func unset(t *testing.T) {
	t.Helper()
	for _, name := range []string{"GOGC", "GOMEMLIMIT"} {
		if old, set := os.LookupEnv(name); set {
			t.Setenv(name, old) // restores it
			if err := os.Unsetenv(name); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func TestHoldTakesTheMemoryOfTheFloorAtOnce(t *testing.T) {
	unset(t)
	const floor = 64 << 20
	defer heap.Hold(floor).Release()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	if resident := m.HeapSys - m.HeapReleased; resident < floor {
		t.Errorf("%d of %d bytes are resident", resident, floor)
	}
	if m.HeapAlloc > floor/2 {
		t.Errorf("%d bytes are still in use", m.HeapAlloc)
	}
}

func TestHoldLeavesTheOperatorsSettingAlone(t *testing.T) {
	t.Setenv("GOGC", "77")
	before := debug.SetGCPercent(77)
	defer debug.SetGCPercent(before)
	heap.Hold(64 << 20).Release()
	if got := debug.SetGCPercent(77); got != 77 {
		t.Errorf("GOGC became %d", got)
	}
}
