package e2e_test

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// trouble is something bad that happens to a target for a while.
type trouble struct {
	kind   string
	target string
	begin  time.Duration
	length time.Duration
}

func (f trouble) String() string {
	return fmt.Sprintf("%6.1fs %-9s %-14s for %.1fs", f.begin.Seconds(), f.kind, f.target, f.length.Seconds())
}

func (f trouble) end() time.Duration { return f.begin + f.length }

// The kinds of faults.
const (
	killed   = "kill"      // kill -9, started again after the length
	paused   = "pause"     // SIGSTOP, and SIGCONT after the length
	cutOff   = "cut"       // its connections to the servers are closed and refused
	silenced = "half-open" // its connections stay, and nothing arrives
	delayed  = "delay"     // everything to and from the servers takes 200 ms longer
	filled   = "fill"      // a stream takes nothing more
	blackout = "blackout"  // all servers are killed at once
)

// What trouble can hit beside the programs of the mesh.
var (
	servers = []string{"nats-1", "nats-2", "nats-3"}
	stores  = []string{"WORK", "KV_records", "KV_results"}
)

// everyServer is the target of a blackout.
const everyServer = "nats"

// shortest and longest are the lengths of the kinds. Pauses and cuts are longer
// than leases and AckWait, and shorter, about as often.
var shortest, longest = time.Second, 11 * time.Second

// meanGap is the mean time between the beginnings of two faults.
const meanGap = 2500 * time.Millisecond

// plan draws the faults of a run from its seed: the same seed and duration give
// the same faults. One target has one fault at a time, and a majority of the
// servers is left alone, except in a blackout.
func plan(seed uint64, duration time.Duration, programs []string) []trouble {
	draw := rand.New(rand.NewPCG(seed, 0)) //nolint:gosec // to be repeated, not to be secret
	pick := func(from []string) string { return from[draw.IntN(len(from))] }
	var faults []trouble
	busy := func(f trouble) bool {
		return slices.ContainsFunc(faults, func(other trouble) bool {
			both := other.target == f.target || isServer(other.target) && isServer(f.target) ||
				other.kind == filled && f.kind == filled
			return both && f.begin < other.end()+time.Second
		})
	}
	for at := meanGap; at < duration; at += time.Duration(draw.ExpFloat64() * float64(meanGap)) {
		f := trouble{begin: at, length: shortest + time.Duration(draw.Int64N(int64(longest-shortest)))}
		switch n := draw.IntN(100); {
		case n < 30:
			f.kind, f.target = killed, pick(programs)
		case n < 38:
			f.kind, f.target = killed, pick(servers)
		case n < 52:
			f.kind, f.target = paused, pick(programs)
		case n < 60:
			f.kind, f.target = paused, pick(servers)
		case n < 71:
			f.kind, f.target = cutOff, pick(programs)
		case n < 82:
			f.kind, f.target = silenced, pick(programs)
		case n < 90:
			f.kind, f.target = delayed, pick(programs)
		case n < 97:
			f.kind, f.target = filled, pick(stores)
			f.length = min(f.length, 4*time.Second)
		default:
			f.kind, f.target = blackout, everyServer
			f.length = min(f.length, 4*time.Second)
		}
		if f.end() < duration && !busy(f) {
			faults = append(faults, f)
		}
	}
	return faults
}

func isServer(target string) bool { return target == everyServer || slices.Contains(servers, target) }

// moment is the beginning or the end of a fault.
type moment struct {
	at      time.Duration
	begin   bool
	trouble trouble
}

func moments(faults []trouble) []moment {
	var all []moment
	for _, f := range faults {
		all = append(all, moment{f.begin, true, f}, moment{f.end(), false, f})
	}
	slices.SortStableFunc(all, func(a, b moment) int { return cmp.Compare(a.at, b.at) })
	return all
}

func TestPlansRepeatAndLeaveAMajority(t *testing.T) {
	programs := []string{"gateway-1", "gateway-2", "denoiser-svc-1"}
	for seed := range uint64(20) {
		faults := plan(seed, 10*time.Minute, programs)
		if !slices.Equal(faults, plan(seed, 10*time.Minute, programs)) {
			t.Fatalf("seed %d gives two plans", seed)
		}
		if len(faults) < 60 {
			t.Errorf("seed %d gives only %d faults", seed, len(faults))
		}
		disturbed := map[string]int{}
		for _, m := range moments(faults) {
			step := 1
			if !m.begin {
				step = -1
			}
			disturbed[m.trouble.target] += step
			down := 0
			for target, n := range disturbed {
				if n > 1 {
					t.Fatalf("seed %d: %s has two faults at once", seed, target)
				}
				if isServer(target) {
					down += n
				}
			}
			if down > 1 {
				t.Fatalf("seed %d: two servers are disturbed at once", seed)
			}
		}
	}
}
