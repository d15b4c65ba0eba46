package e2e_test

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	gatewayv1 "github.com/facestudio/facestudio/proto/gen/facestudio/gateway/v1"
	"github.com/facestudio/facestudio/services/jobqueue"
	"github.com/facestudio/facestudio/services/testkit/scratch"
)

// The environment of TestChaos. The seed and the duration decide the faults: a
// failing run is run again with both.
const (
	chaosDuration = "CHAOS_DURATION"
	chaosSeed     = "CHAOS_SEED"
	// chaosLogs is a folder for the logs of all programs; empty: none.
	chaosLogs = "CHAOS_LOGS"
)

// clients is how many ask for pictures at the same time.
const clients = 4

func settings(t *testing.T) (duration time.Duration, seed uint64) {
	t.Helper()
	duration, seed = time.Minute, 1
	var err error
	if text := os.Getenv(chaosDuration); text != "" {
		if duration, err = time.ParseDuration(text); err != nil {
			t.Fatalf("%s: %v", chaosDuration, err)
		}
	}
	if text := os.Getenv(chaosSeed); text != "" {
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatalf("%s: %v", chaosSeed, err)
		}
	}
	return duration, seed
}

// Programs and servers are killed, paused and cut off while clients create, watch
// and cancel generations. Whatever was accepted ends once, for everybody alike,
// with the picture that is made when nothing happens.
func TestChaos(t *testing.T) {
	duration, seed := settings(t)
	a := newArena(t)
	if dir := os.Getenv(chaosLogs); dir != "" {
		t.Cleanup(func() { a.keepLogs(dir) })
	}
	faults := plan(seed, duration, a.programs())
	addresses := make([]string, 0, each)
	for _, name := range a.programs() {
		if kindOf(name) == "gateway" {
			addresses = append(addresses, a.address(name))
		}
	}
	c := newCrowd(t, seed, addresses)
	begun := time.Now()
	asking, stop := context.WithCancel(t.Context())
	defer stop()
	done := make(chan struct{})
	go func() {
		defer close(done)
		c.run(asking, clients)
	}()
	for _, m := range moments(faults) {
		a.until(begun.Add(m.at), nil)
		if m.begin {
			t.Log(m.trouble)
		}
		a.trouble(m)
	}
	a.until(begun.Add(duration), nil)
	a.settle()
	stop()
	a.until(time.Now().Add(clientPatience), done)
	<-done
	took := time.Since(begun)

	c.lookAgain()
	found := append(a.broken, c.judge(undisturbedBy(t))...)
	found = append(found, a.leaks(c)...)
	t.Log(c.table(faults, a, took))
	for _, wrong := range found {
		t.Error(wrong)
	}
	if t.Failed() {
		t.Logf("again: %s=%v %s=%d make chaos", chaosDuration, duration, chaosSeed, seed)
	}
}

// until supervises until a time, or until done is closed.
func (a *arena) until(at time.Time, done <-chan struct{}) {
	a.t.Helper()
	for time.Now().Before(at) {
		a.supervise()
		select {
		case <-done:
			return
		case <-time.After(min(200*time.Millisecond, time.Until(at))):
		}
	}
}

// undisturbedBy makes pictures in a mesh to which nothing happens.
func undisturbedBy(t *testing.T) func(number uint64) [][]byte {
	t.Helper()
	conn, _ := inOneProcess(t, scratch.Dir(t))
	client := gatewayv1.NewGenerationServiceClient(conn)
	return func(number uint64) [][]byte { return pictures(t, client, numbered(t, number)) }
}

// lookAgain has every gateway tell every generation once more.
func (c *crowd) lookAgain() {
	var all sync.WaitGroup
	for i := range clients {
		all.Go(func() {
			for n := i; n < len(c.tales); n += clients {
				if c.tales[n].name == "" {
					continue
				}
				ctx, done := context.WithTimeout(c.t.Context(), patience)
				for at := range c.gateways {
					c.look(ctx, c.tales[n], at)
				}
				done()
			}
		})
	}
	all.Wait()
}

func (c *crowd) judge(want func(uint64) [][]byte) []string {
	var found []string
	names := map[string]uint64{}
	for _, life := range c.tales {
		for _, wrong := range life.judge(want) {
			found = append(found, fmt.Sprintf("generation %d (%s): %s", life.number, life.name, wrong))
		}
		if other, ok := names[life.name]; ok && life.name != "" {
			found = append(found, fmt.Sprintf("generations %d and %d are both %s", other, life.number, life.name))
		}
		names[life.name] = life.number
	}
	return found
}

// leaks is what is left of work that has ended: in the queue, in workers' hands,
// in slots that do not come back, in records that nobody knows.
func (a *arena) leaks(c *crowd) []string {
	a.t.Helper()
	var found []string
	for _, subject := range left(a.t, a.js) {
		found = append(found, subject+" is left in the queue")
	}
	m := a.servers.mesh(a.servers.urls())
	m.MaxMiB, m.SealKeyFile = storeMiB, filepath.Join(binaries(a.t), "seal.keys")
	q, err := m.OpenQueue(a.t.Context(), a.servers.connect(), slog.New(slog.DiscardHandler))
	if err != nil {
		return append(found, err.Error())
	}
	defer q.Close()
	var busy []string
	ctx, done := context.WithTimeout(a.t.Context(), patience)
	defer done()
	for {
		if busy = slots(ctx, q); len(busy) == 0 || ctx.Err() != nil {
			break
		}
		breathe(ctx)
	}
	found = append(found, busy...)
	ctx, done = context.WithTimeout(a.t.Context(), patience)
	defer done()
	listed, err := c.list(ctx)
	if err != nil {
		return append(found, fmt.Sprintf("list: %v", err))
	}
	known := map[string]bool{}
	for _, life := range c.tales {
		known[life.name] = true
	}
	for name, state := range listed {
		if state <= gatewayv1.State_STATE_RUNNING {
			found = append(found, fmt.Sprintf("%s is %v for ever", name, state))
		}
		if !known[name] && !known[""] {
			found = append(found, name+" was asked for once and made twice")
		}
	}
	letters, err := q.Dead().List(ctx, jobqueue.DeadFilter{}, 100)
	for _, l := range letters {
		if l.Stage != "" && l.Reason != "KILLED_WORKERS" {
			found = append(found, fmt.Sprintf("a dead letter: %+v", l))
		}
	}
	if err != nil {
		found = append(found, fmt.Sprintf("list dead letters: %v", err))
	}
	return found
}

// slots finds stages that have something to do, or fewer free slots than workers.
func slots(ctx context.Context, q *jobqueue.Queue) []string {
	stages, err := q.Stages(ctx)
	if err != nil {
		return []string{fmt.Sprintf("stages: %v", err)}
	}
	var found []string
	for _, s := range stages {
		if s.Waiting+s.InHand > 0 || s.Class == jobqueue.Interactive && s.IdleSlots < each {
			found = append(found, fmt.Sprintf("%s is not idle: %+v", s.Stage, s))
		}
	}
	return found
}

func (c *crowd) list(ctx context.Context) (map[string]gatewayv1.State, error) {
	all := map[string]gatewayv1.State{}
	for token := ""; ; {
		page, err := c.gateways[0].ListGenerations(ctx, &gatewayv1.ListGenerationsRequest{PageSize: 100, PageToken: token})
		if err != nil {
			return nil, err
		}
		for _, g := range page.GetGenerations() {
			all[g.GetName()] = g.GetState()
		}
		if token = page.GetNextPageToken(); token == "" {
			return all, nil
		}
	}
}

// table is what happened, for docs/measurements.md.
func (c *crowd) table(faults []trouble, a *arena, took time.Duration) string {
	kinds, ends := map[string]int{}, map[string]int{}
	for _, f := range faults {
		kinds[f.kind]++
	}
	var slowest time.Duration
	who := "none"
	for _, life := range c.tales {
		if life.name == "" || len(life.sightings) == 0 {
			ends["not accepted"]++
			continue
		}
		last := life.sightings[len(life.sightings)-1]
		ends[strings.ToLower(strings.TrimPrefix(last.state.String(), "STATE_"))]++
		for _, s := range life.sightings {
			if len(life.wrong) == 0 && s.ended() {
				if d := s.got.Sub(life.accepted); d > slowest {
					slowest, who = d, life.name
				}
				break
			}
		}
	}
	slices.SortFunc(c.ends, time.Time.Compare)
	var stall time.Duration
	for i := 1; i < len(c.ends); i++ {
		stall = max(stall, c.ends[i].Sub(c.ends[i-1]))
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%v, %d faults:", took.Round(time.Second), len(faults))
	for _, kind := range slices.Sorted(maps.Keys(kinds)) {
		fmt.Fprintf(&b, " %s %d", kind, kinds[kind])
	}
	fmt.Fprintf(&b, "\n%d generations:", len(c.tales))
	for _, end := range slices.Sorted(maps.Keys(ends)) {
		fmt.Fprintf(&b, " %s %d", end, ends[end])
	}
	fmt.Fprintf(&b, "\nlongest time without an end %v, longest from accepted to ended %v (%s), programs that gave up by themselves %d",
		stall.Round(10*time.Millisecond), slowest.Round(10*time.Millisecond), who, a.gaveUp)
	return b.String()
}

// keepLogs writes what every program logged.
func (a *arena) keepLogs(dir string) {
	for i, p := range a.past {
		_ = os.WriteFile(filepath.Join(dir, fmt.Sprintf("%03d-%s.log", i, p.name)), []byte(p.output()), 0o600)
	}
}
