package jobqueue_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	jobqueuev1 "github.com/facestudio/facestudio/proto/gen/facestudio/jobqueue/v1"
	"github.com/facestudio/facestudio/services/jobqueue"
)

type doing func(context.Context, jobqueue.Attempt) (jobqueue.Followed, error)

// follow runs FollowUp until the test ends or stop is called.
func follow(t *testing.T, q *jobqueue.Queue, s jobqueue.FollowUpSettings, do doing) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- q.Records().FollowUp(ctx, s, do) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(stop)
	return stop
}

// ended stores a record and ends its work.
func ended(t *testing.T, q *jobqueue.Queue, id string, up *jobqueuev1.FollowUp) jobqueue.RecordKey {
	t.Helper()
	key := jobqueue.RecordKey{Tenant: "ada", ID: id}
	revision, err := q.Records().Create(t.Context(), key, &jobqueuev1.Record{Value: []byte("made"), FollowUp: up})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := q.Records().Update(t.Context(), key, &jobqueuev1.Record{Value: []byte("ended"), Terminal: true, FollowUp: up}, revision); err != nil {
		t.Fatal(err)
	}
	return key
}

func TestAFollowUpIsRepeatedUntilItIsDone(t *testing.T) {
	h := newHouse(t, quick())
	attempts := make(chan jobqueue.Attempt, 8)
	follow(t, h.q, jobqueue.FollowUpSettings{}, func(_ context.Context, a jobqueue.Attempt) (jobqueue.Followed, error) {
		attempts <- a
		switch a.Number {
		case 1:
			return jobqueue.Followed{Value: []byte("tried"), Again: time.Now().Add(10 * time.Millisecond)}, nil
		case 2:
			if string(a.Value) == "tried" {
				return jobqueue.Followed{Again: time.Now(), Value: []byte("tried again")}, nil
			}
			return jobqueue.Followed{}, errors.New("the value is not what was written")
		default:
			return jobqueue.Followed{Value: []byte("told")}, nil
		}
	})
	key := ended(t, h.q, "1", &jobqueuev1.FollowUp{})
	ended(t, h.q, "2", nil)
	var numbers []int
	for range 3 {
		a := receive(t, attempts)
		if a.Key != key {
			t.Errorf("a record without one has a follow-up: %v", a.Key)
		}
		numbers = append(numbers, a.Number)
	}
	if !slices.Equal(numbers, []int{1, 2, 3}) {
		t.Errorf("attempts are %v", numbers)
	}
	changes, err := h.q.Records().Watch(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	for e := range changes {
		if string(e.Record.GetValue()) == "told" {
			if e.Record.GetFollowUp() != nil || !e.Record.GetTerminal() {
				t.Errorf("the record is %v", e.Record)
			}
			return
		}
	}
}

// A record that is not ended has no follow-up yet; an attempt that a stop or a
// death cuts off is made by somebody else.
func TestAnotherProcessGoesOnWithAFollowUp(t *testing.T) {
	h := newHouse(t, quick())
	key := jobqueue.RecordKey{Tenant: "ada", ID: "1"}
	begun := make(chan jobqueue.Attempt, 8)
	hang := func(ctx context.Context, a jobqueue.Attempt) (jobqueue.Followed, error) {
		begun <- a
		<-ctx.Done()
		return jobqueue.Followed{}, ctx.Err()
	}
	stop := follow(t, h.q, jobqueue.FollowUpSettings{}, hang)
	revision, err := h.q.Records().Create(t.Context(), key, &jobqueuev1.Record{FollowUp: &jobqueuev1.FollowUp{}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.q.Records().Update(t.Context(), key, &jobqueuev1.Record{Terminal: true, FollowUp: &jobqueuev1.FollowUp{}}, revision); err != nil {
		t.Fatal(err)
	}
	receive(t, begun)
	stop()

	// The one that stops hands it back; the next one dies with it.
	dying, nc := h.open(quick())
	ctx, cancel := context.WithCancel(context.Background())
	dead := make(chan struct{})
	go func() {
		defer close(dead)
		_ = dying.Records().FollowUp(ctx, jobqueue.FollowUpSettings{Lease: 2 * time.Second}, func(ctx context.Context, a jobqueue.Attempt) (jobqueue.Followed, error) {
			begun <- a
			nc.Close()
			<-ctx.Done()
			return jobqueue.Followed{}, ctx.Err()
		})
	}()
	if a := receive(t, begun); a.Number != 1 {
		t.Errorf("what was handed back counts: %d", a.Number)
	}
	last, _ := h.open(quick())
	follow(t, last, jobqueue.FollowUpSettings{}, func(_ context.Context, a jobqueue.Attempt) (jobqueue.Followed, error) {
		begun <- a
		return jobqueue.Followed{}, nil
	})
	if a := receive(t, begun); a.Number != 2 {
		t.Errorf("the third attempt has number %d", a.Number)
	}
	cancel()
	receive(t, dead)
}

// Many processes: each follow-up is done once while nobody dies.
func TestFollowUpsAreSharedOut(t *testing.T) {
	h := newHouse(t, quick())
	var mu sync.Mutex
	count := map[string]int{}
	all := make(chan string, 64)
	for range 3 {
		q, _ := h.open(quick())
		follow(t, q, jobqueue.FollowUpSettings{Slots: 2}, func(_ context.Context, a jobqueue.Attempt) (jobqueue.Followed, error) {
			mu.Lock()
			count[a.Key.ID]++
			mu.Unlock()
			all <- a.Key.ID
			return jobqueue.Followed{}, nil
		})
	}
	for i := range 20 {
		ended(t, h.q, string('a'+rune(i)), &jobqueuev1.FollowUp{})
	}
	for range 20 {
		receive(t, all)
	}
	mu.Lock()
	defer mu.Unlock()
	for id, n := range count {
		if n != 1 {
			t.Errorf("%s was done %d times", id, n)
		}
	}
}
