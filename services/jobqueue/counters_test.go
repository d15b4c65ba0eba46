package jobqueue_test

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/facestudio/facestudio/services/jobqueue"
)

func counters(t *testing.T, q *jobqueue.Queue) *jobqueue.Counters {
	t.Helper()
	c, err := q.Counters(t.Context(), "marbles", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

var marbles = jobqueue.RecordKey{Tenant: "ada", ID: "2026-11-25"}

func TestCountersAreBounded(t *testing.T) {
	c := counters(t, newHouse(t, quick()).q)
	for name, step := range map[string]struct{ take, most, want int64 }{
		"nothing":      {0, 0, 0},
		"all at once":  {5, 5, 5},
		"one too many": {6, 5, 0},
	} {
		key := jobqueue.RecordKey{Tenant: "ada", ID: name[:3]}
		got, err := c.Take(t.Context(), key, step.take, step.most)
		if got != step.want || errors.Is(err, jobqueue.ErrFull) != (step.take > step.most) {
			t.Errorf("%s: got %d, %v", name, got, err)
		}
	}
	if _, err := c.Take(t.Context(), marbles, 3, 4); err != nil {
		t.Fatal(err)
	}
	if got, err := c.Take(t.Context(), marbles, 2, 4); got != 3 || !errors.Is(err, jobqueue.ErrFull) {
		t.Errorf("over the bound: %d, %v", got, err)
	}
	if err := c.Give(t.Context(), marbles, 2); err != nil {
		t.Fatal(err)
	}
	if got, err := c.Take(t.Context(), marbles, 3, 4); got != 4 || err != nil {
		t.Errorf("after some came back: %d, %v", got, err)
	}
	if err := c.Give(t.Context(), marbles, 100); err != nil {
		t.Fatal(err)
	}
	if got, err := c.Value(t.Context(), marbles); got != 0 || err != nil {
		t.Errorf("more than there were came back: %d, %v", got, err)
	}
	if got, err := c.Value(t.Context(), jobqueue.RecordKey{Tenant: "bob", ID: marbles.ID}); got != 0 || err != nil {
		t.Errorf("another tenant has %d, %v", got, err)
	}
	if _, err := c.Take(t.Context(), jobqueue.RecordKey{Tenant: "*", ID: ">"}, 1, 1); err == nil {
		t.Error("a wild one is a key")
	}
}

// Two processes, many callers: exactly as many get one as there are, and a
// restart forgets nothing.
func TestCountersAreSharedAndDurable(t *testing.T) {
	dir := t.TempDir()
	h := newHouseIn(t, dir, quick())
	second, _ := h.open(quick())
	var got, refused atomic.Int64
	var all sync.WaitGroup
	for _, c := range []*jobqueue.Counters{counters(t, h.q), counters(t, second)} {
		for range 15 {
			all.Go(func() {
				switch _, err := c.Take(t.Context(), marbles, 1, 20); {
				case err == nil:
					got.Add(1)
				case errors.Is(err, jobqueue.ErrFull):
					refused.Add(1)
				default:
					t.Error(err)
				}
			})
		}
	}
	all.Wait()
	if got.Load() != 20 || refused.Load() != 10 {
		t.Errorf("%d got one, %d were refused", got.Load(), refused.Load())
	}
	h.nc.Close()
	h.server.Close()
	again := newHouseIn(t, dir, quick())
	if n, err := counters(t, again.q).Value(t.Context(), marbles); n != 20 || err != nil {
		t.Errorf("after a restart: %d, %v", n, err)
	}
}
