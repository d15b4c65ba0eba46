package jobqueue_test

import (
	"context"
	"testing"
	"time"

	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	jobqueuev1 "github.com/facestudio/facestudio/proto/gen/facestudio/jobqueue/v1"
	"github.com/facestudio/facestudio/services/fault"
	"github.com/facestudio/facestudio/services/jobqueue"
	"github.com/facestudio/facestudio/services/seal"
)

// letters waits until there are so many dead letters of a stage.
func letters(t *testing.T, q *jobqueue.Queue, stage string, n int) []jobqueue.DeadLetter {
	t.Helper()
	for {
		list, err := q.Dead().List(t.Context(), jobqueue.DeadFilter{Stage: stage}, 10)
		if err != nil {
			t.Fatal(err)
		}
		if len(list) == n {
			return list
		}
		pauseFor(t)
	}
}

func TestAFollowUpThatIsGivenUpIsADeadLetterAndCanBeRedriven(t *testing.T) {
	h := newHouse(t, quick())
	numbers := make(chan int, 8)
	works := make(chan bool, 1)
	follow(t, h.q, jobqueue.FollowUpSettings{Stage: "webhook"}, func(_ context.Context, a jobqueue.Attempt) (jobqueue.Followed, error) {
		numbers <- a.Number
		select {
		case <-works:
			return jobqueue.Followed{Value: []byte("told")}, nil
		default:
		}
		if a.Number < 2 {
			return jobqueue.Followed{Again: time.Now()}, nil
		}
		return jobqueue.Followed{Value: []byte("given up"), GivenUp: "the receiver answered 500"}, nil
	})
	key := ended(t, h.q, "7", &jobqueuev1.FollowUp{Group: "host"})
	l := letters(t, h.q, "webhook", 1)[0]
	if l.Reason != "ATTEMPTS_EXHAUSTED" || l.Attempts != 2 || l.Status != "the receiver answered 500" ||
		l.Tenant != "ada" || l.Owner != "7" || l.Bundle != "" || l.Method != "" || l.Class != jobqueue.Interactive {
		t.Errorf("the letter is %+v", l)
	}
	for _, want := range []int{1, 2} {
		if n := receive(t, numbers); n != want {
			t.Errorf("attempt %d came as %d", want, n)
		}
	}
	if got, err := h.q.Dead().Get(t.Context(), l.ID); err != nil || got != l {
		t.Errorf("got %+v, %v", got, err)
	}

	works <- true
	// The record may not tell yet that it was given up.
	if _, err := h.q.Dead().Redrive(t.Context(), l.ID); err != nil {
		t.Fatal(err)
	}
	if n := receive(t, numbers); n != 1 {
		t.Errorf("the redriven attempt came as %d", n)
	}
	letters(t, h.q, "webhook", 0)
	for {
		entry, err := h.q.Records().Get(t.Context(), key)
		if err != nil {
			t.Fatal(err)
		}
		if string(entry.Record.GetValue()) == "told" && entry.Record.GetFollowUp() == nil {
			break
		}
		pauseFor(t)
	}
}

func TestALetterWhoseRecordIsGoneCanOnlyBeDropped(t *testing.T) {
	h := newHouse(t, quick())
	follow(t, h.q, jobqueue.FollowUpSettings{}, func(context.Context, jobqueue.Attempt) (jobqueue.Followed, error) {
		return jobqueue.Followed{GivenUp: "nobody listens"}, nil
	})
	key := ended(t, h.q, "7", &jobqueuev1.FollowUp{})
	l := letters(t, h.q, "follow-up", 1)[0]
	if _, err := h.q.Ring().Destroy(t.Context(), seal.Scope{Tenant: key.Tenant, Name: "record-" + key.ID}); err != nil {
		t.Fatal(err)
	}
	if _, err := h.q.Dead().Redrive(t.Context(), l.ID); !fault.Is(err, faultv1.Reason_REASON_INVALID_FIELD) {
		t.Errorf("redriving got %v", err)
	}
	if err := h.q.Dead().Drop(t.Context(), l.ID); err != nil {
		t.Errorf("dropping got %v", err)
	}
}
