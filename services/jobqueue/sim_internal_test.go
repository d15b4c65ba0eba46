package jobqueue

import (
	"container/heap"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
)

// sim runs the decisions of callers and workers against simStore, in one
// goroutine, all chance from one seed: words are delayed, reordered and lost,
// reads are stale, workers are killed, cut off and stopped. A seed that fails
// fails again.
type sim struct {
	t      *testing.T
	random *rand.Rand
	store  *simStore
	events simEvents
	drawn  int
	// calm ends all faults, so that what is left must end.
	calm bool

	callers []*simCaller
	workers []*simWorker
	// history is every outcome that was recorded, by key.
	history map[string][]simResult
	// before is what a stale read sees: the outcome that was removed or, for a
	// new one, none.
	before map[string]staleView
	// silences counts deliveries that began and ended without a word, by message.
	silences map[uint64]int
	failures map[uint64]int
	// cancelled is the keys whose work was cancelled, until somebody asks again.
	cancelled map[string]bool
	// asked is the keys that were called.
	asked map[string]bool
	// strays counts words that were none.
	strays int
}

type staleView struct {
	until  time.Duration
	result *simResult
}

type simEvent struct {
	at time.Duration
	n  int
	do func()
}

type simEvents []simEvent

func (e simEvents) Len() int { return len(e) }
func (e simEvents) Less(i, j int) bool {
	return e[i].at < e[j].at || e[i].at == e[j].at && e[i].n < e[j].n
}
func (e simEvents) Swap(i, j int) { e[i], e[j] = e[j], e[i] }
func (e *simEvents) Push(x any)   { *e = append(*e, x.(simEvent)) }
func (e *simEvents) Pop() any {
	last := (*e)[len(*e)-1]
	*e = (*e)[:len(*e)-1]
	return last
}

const (
	simAckWait     = 300 * time.Millisecond
	simMaxAttempts = 5
	simMaxKills    = 3
	simChaos       = 20 * time.Second
	simKeep        = time.Hour
)

func newSim(t *testing.T, seed uint64) *sim {
	t.Helper()
	s := &sim{
		t: t, random: rand.New(rand.NewPCG(seed, 0)), store: newSimStore(simAckWait), history: map[string][]simResult{},
		before: map[string]staleView{}, silences: map[uint64]int{}, failures: map[uint64]int{}, cancelled: map[string]bool{},
		asked: map[string]bool{},
	}
	s.store.changed = s.recorded
	return s
}

// after does something later.
func (s *sim) after(d time.Duration, do func()) {
	s.drawn++
	heap.Push(&s.events, simEvent{s.store.now + d, s.drawn, do})
}

// soon is the delay of a word.
func (s *sim) soon() time.Duration { return time.Duration(1+s.random.IntN(40)) * time.Millisecond }

// fails says whether a fault of this probability happens.
func (s *sim) fails(p float64) bool { return !s.calm && s.random.Float64() < p }

// recorded checks every outcome when it is recorded.
func (s *sim) recorded(key string, r *simResult) {
	for _, earlier := range s.history[key] {
		if reusable(earlier.code) {
			s.t.Fatalf("%v: %s had the outcome %v and got %v", s.store.now, key, earlier.code, r.code)
		}
	}
	if s.cancelled[key] {
		s.t.Fatalf("%v: %s was cancelled, nobody asked again, and it got %v", s.store.now, key, r.code)
	}
	s.cancelled[key] = r.by == byCanceller
	s.history[key] = append(s.history[key], *r)
	s.before[key] = staleView{s.store.now + s.soon(), nil}
	for _, c := range s.callers {
		if result := *r; c.key == key && c.state.listens && !s.fails(.2) {
			s.after(s.soon(), func() { c.hear(simTold{result: &result}) })
		}
	}
}

// word tells the call that published a message what was recorded or, if nil, to look. It
// may be lost, come twice, and come to nothing: somebody else may say it, of an outcome
// that cannot be opened.
func (s *sim) word(m simMessage, r *simResult) {
	if m.by == nil || s.fails(.2) {
		return
	}
	times := 1
	if s.fails(.1) {
		times++
	}
	if s.fails(.1) {
		s.strays++
		stray := s.callers[s.random.IntN(len(s.callers))]
		s.after(s.soon(), func() { stray.hear(simTold{&simResult{code: codes.Unavailable, revision: 1 << 40}, true}) })
	}
	for range times {
		s.after(s.soon(), func() { m.by.hear(simTold{r, true}) })
	}
}

// lookup is a read, which may be stale.
func (s *sim) lookup(key string) *simResult {
	now := s.store.lookup(key)
	if view := s.before[key]; s.store.now < view.until && s.fails(.5) {
		return view.result
	}
	return now
}

// gone tells callers to look again.
func (s *sim) gone(key string) {
	for _, c := range s.callers {
		if c.key == key && c.state.listens && !s.fails(.2) {
			s.after(s.soon(), func() { c.hear(simTold{}) })
		}
	}
}

func (s *sim) run() {
	s.after(simChaos, func() { s.calm = true })
	for s.events.Len() > 0 {
		e := heap.Pop(&s.events).(simEvent)
		s.store.now = e.at
		e.do()
		if s.store.now > simChaos+5*time.Minute {
			s.t.Fatalf("not at rest: %d messages, dead letters %v", len(s.store.queue), s.store.dead)
		}
		if s.calm && s.atRest() {
			return
		}
	}
}

func (s *sim) atRest() bool {
	for _, c := range s.callers {
		if !c.ended {
			return false
		}
	}
	return len(s.store.queue) == 0
}

// TestSimulation runs many seeds. FACESTUDIO_SIM_SEED=n runs one again,
// FACESTUDIO_SIM_RUNS=n that many.
func TestSimulation(t *testing.T) {
	first, runs := uint64(1), uint64(500)
	if text := os.Getenv("FACESTUDIO_SIM_RUNS"); text != "" {
		runs, _ = strconv.ParseUint(text, 10, 64)
	}
	if text := os.Getenv("FACESTUDIO_SIM_SEED"); text != "" {
		first, _ = strconv.ParseUint(text, 10, 64)
		runs = 1
	}
	total := map[string]int{}
	for seed := first; seed < first+runs; seed++ {
		ok := t.Run(fmt.Sprint("seed", seed), func(t *testing.T) {
			s := newSim(t, seed)
			for i := range 12 {
				key := fmt.Sprint("k", i)
				for range 1 + s.random.IntN(3) {
					s.after(time.Duration(s.random.IntN(int(simChaos))), func() { s.call(key) })
				}
			}
			for n := range 3 {
				// In the middle of a roll-out, the first knows nothing of words.
				w := &simWorker{s: s, older: n == 0 && s.random.IntN(2) == 0}
				s.workers = append(s.workers, w)
				s.after(s.soon(), w.next)
			}
			s.run()
			s.count(total)
		})
		if !ok {
			t.Fatalf("rerun with FACESTUDIO_SIM_SEED=%d", seed)
		}
	}
	// A simulation in which nothing happens shows nothing.
	for _, what := range []string{"OK", "InvalidArgument", "Canceled", "returned", "killed", "isolate", "quarantine", "handed back", "joined", "innocent", "by word", "stray words"} {
		if runs >= 100 && total[what] == 0 {
			t.Errorf("%q never happened: %v", what, total)
		}
	}
	t.Logf("%d schedules: %v", runs, total)
}

func (s *sim) count(total map[string]int) {
	for _, outcomes := range s.history {
		for _, r := range outcomes {
			total[r.code.String()]++
		}
	}
	for _, letter := range s.store.dead {
		total[letter.what.String()]++
	}
	for _, note := range s.store.notes {
		total["handed back"] += int(note.GetHandedBack())
	}
	for _, c := range s.callers {
		if c.got != nil {
			total["returned"]++
		}
		if c.joined {
			total["joined"]++
		}
		if c.byWord {
			total["by word"]++
		}
	}
	total["stray words"] += s.strays
	for _, w := range s.workers {
		total["killed"] += w.killed
		total["innocent"] += w.innocent
	}
}

// outcomeOf is what a handler answers to a key: k0 kills its worker, k1 fails in
// a way that may pass for ever, k2 is bad input.
func outcomeOf(key string) codes.Code {
	switch key {
	case "k1":
		return codes.Unavailable
	case "k2":
		return codes.InvalidArgument
	default:
		return codes.OK
	}
}
