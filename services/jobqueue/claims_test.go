package jobqueue_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/facestudio/facestudio/services/fault"
	"github.com/facestudio/facestudio/services/jobqueue"
)

func TestAnotherWorkerTakesOverWhenTheLeaseEnds(t *testing.T) {
	h := newHouse(t, quick())
	key := jobqueue.RecordKey{Tenant: "ada", ID: "one"}
	create(t, h.q.Records(), key, record("a"))

	// The first worker is cut off while it works.
	cut, nc := h.open(quick())
	claimed, cause, result := make(chan uint64, 1), make(chan error, 1), make(chan error, 1)
	ended := make(chan error, 1)
	go func() {
		ended <- cut.Records().Work(t.Context(), jobqueue.WorkSettings{Lease: 2 * time.Second}, func(ctx context.Context, c *jobqueue.Claim) error {
			claimed <- c.Attempt()
			<-ctx.Done()
			cause <- context.Cause(ctx)
			result <- c.Finish(ctx, []byte("too late"))
			return nil
		})
	}()
	if n := receive(t, claimed); n != 1 {
		t.Errorf("the first attempt is %d", n)
	}
	done := make(chan uint64, 1)
	workOn(t, h.q.Records(), jobqueue.WorkSettings{}, func(ctx context.Context, c *jobqueue.Claim) error {
		err := c.Finish(ctx, []byte("by the second"))
		done <- c.Attempt()
		return err
	})
	nc.Close()
	if n := receive(t, done); n != 2 {
		t.Errorf("the second attempt is %d", n)
	}
	if err := receive(t, cause); !errors.Is(err, jobqueue.ErrLeaseLost) {
		t.Errorf("the first worker's context ended with %v", err)
	}
	if err := receive(t, result); err == nil {
		t.Error("the first worker wrote after it lost its lease")
	}
	if err := receive(t, ended); fault.From(err).Kind != fault.Unavailable {
		t.Errorf("the first worker ended with %v", err)
	}
	entry, err := h.q.Records().Get(t.Context(), key)
	if err != nil || string(entry.Record.GetValue()) != "by the second" {
		t.Errorf("got %v, %v", entry, err)
	}
}

func TestTwoWorkersShareRecordsWithoutDoingOneTwice(t *testing.T) {
	h := newHouse(t, quick())
	other, _ := h.open(quick())
	const count = 40
	var mu sync.Mutex
	runs := map[string]int{}
	done := make(chan struct{}, count)
	for _, q := range []*jobqueue.Queue{h.q, other} {
		workOn(t, q.Records(), jobqueue.WorkSettings{Slots: 4}, func(ctx context.Context, c *jobqueue.Claim) error {
			mu.Lock()
			runs[c.Key().ID]++
			mu.Unlock()
			defer func() { done <- struct{}{} }()
			return c.Finish(ctx, []byte("done"))
		})
	}
	for i := range count {
		create(t, h.q.Records(), jobqueue.RecordKey{Tenant: "ada", ID: fmt.Sprint("r", i)}, record("a"))
	}
	for range count {
		receive(t, done)
	}
	mu.Lock()
	defer mu.Unlock()
	for id, n := range runs {
		if n != 1 {
			t.Errorf("%s ran %d times", id, n)
		}
	}
}

func TestCancelReachesTheHolderAndKeepsItsWrites(t *testing.T) {
	h := newHouse(t, quick())
	r, key := h.q.Records(), jobqueue.RecordKey{Tenant: "ada", ID: "one"}
	create(t, r, key, record("a"))
	started, finished := make(chan struct{}), make(chan error, 1)
	workOn(t, r, jobqueue.WorkSettings{}, func(ctx context.Context, c *jobqueue.Claim) error {
		if err := c.Update(ctx, []byte("b")); err != nil {
			return err
		}
		close(started)
		<-ctx.Done()
		if !errors.Is(context.Cause(ctx), jobqueue.ErrCancelRequested) {
			t.Errorf("the cause is %v", context.Cause(ctx))
		}
		// Written with a revision from before the cancel: it is caught up with.
		finished <- c.Finish(ctx, append(slices.Clone(c.Value()), " cancelled"...))
		return nil
	})
	receive(t, started)
	if _, err := r.Cancel(t.Context(), key); err != nil {
		t.Fatal(err)
	}
	if err := receive(t, finished); err != nil {
		t.Fatal(err)
	}
	entry, err := r.Get(t.Context(), key)
	if err != nil || !entry.Record.GetTerminal() || string(entry.Record.GetValue()) != "b cancelled" {
		t.Fatalf("got %v, %v", entry, err)
	}
	if again, err := r.Cancel(t.Context(), key); err != nil || again.Revision != entry.Revision {
		t.Fatalf("a second cancel changed the record: %v, %v", again, err)
	}
}

func TestRecordsWithoutTimeOrWishAreClaimedToBeEnded(t *testing.T) {
	h := newHouse(t, quick())
	r := h.q.Records()
	late := record("")
	late.Deadline = timestamppb.New(time.Now().Add(-time.Second))
	create(t, r, jobqueue.RecordKey{Tenant: "ada", ID: "late"}, late)
	create(t, r, jobqueue.RecordKey{Tenant: "ada", ID: "unwanted"}, record(""))
	if _, err := r.Cancel(t.Context(), jobqueue.RecordKey{Tenant: "ada", ID: "unwanted"}); err != nil {
		t.Fatal(err)
	}
	type end struct {
		id    string
		cause error
	}
	ends := make(chan end, 2)
	workOn(t, r, jobqueue.WorkSettings{}, func(ctx context.Context, c *jobqueue.Claim) error {
		ends <- end{c.Key().ID, context.Cause(ctx)}
		return c.Finish(ctx, nil)
	})
	for range 2 {
		e := receive(t, ends)
		want := map[string]error{"late": context.DeadlineExceeded, "unwanted": jobqueue.ErrCancelRequested}[e.id]
		if !errors.Is(e.cause, want) {
			t.Errorf("%s ended with %v", e.id, e.cause)
		}
	}
}

func TestStoppingHandsRecordsBackAtOnce(t *testing.T) {
	h := newHouse(t, quick())
	key := jobqueue.RecordKey{Tenant: "ada", ID: "one"}
	create(t, h.q.Records(), key, record("a"))
	claimed, cause := make(chan struct{}), make(chan error, 1)
	stop := workOn(t, h.q.Records(), jobqueue.WorkSettings{Lease: time.Hour, Grace: time.Millisecond}, func(ctx context.Context, _ *jobqueue.Claim) error {
		close(claimed)
		<-ctx.Done()
		cause <- context.Cause(ctx)
		return ctx.Err()
	})
	receive(t, claimed)
	stop()
	if err := receive(t, cause); !errors.Is(err, jobqueue.ErrShutdown) {
		t.Errorf("the cause is %v", err)
	}
	// The lease would have lasted an hour.
	done := make(chan struct{})
	workOn(t, h.q.Records(), jobqueue.WorkSettings{}, func(ctx context.Context, c *jobqueue.Claim) error {
		defer close(done)
		return c.Finish(ctx, nil)
	})
	receive(t, done)
}
