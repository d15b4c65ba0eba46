package jobqueue_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	jobqueuev1 "github.com/facestudio/facestudio/proto/gen/facestudio/jobqueue/v1"
	priorv1 "github.com/facestudio/facestudio/proto/gen/facestudio/prior/v1"
	"github.com/facestudio/facestudio/services/jobqueue"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// clocks are those of a caller and a worker that may be off.
var clocks = []struct {
	name           string
	caller, worker time.Duration
}{
	{name: "the caller's an hour slow", caller: -time.Hour},
	{name: "the caller's an hour fast", caller: time.Hour},
	{name: "the worker's an hour slow", worker: -time.Hour},
	{name: "the worker's an hour fast", worker: time.Hour},
	{name: "an hour apart each way", caller: -time.Hour, worker: time.Hour},
}

func TestClocksNeedNotAgree(t *testing.T) {
	for _, test := range clocks {
		t.Run(test.name, func(t *testing.T) {
			h := newHouse(t, quick())
			worker, _ := h.open(quick())
			for q, by := range map[*jobqueue.Queue]time.Duration{h.q: test.caller, worker: test.worker} {
				if err := jobqueue.SetClock(t.Context(), q, by, true); err != nil {
					t.Fatal(err)
				}
				if off := time.Until(q.Now()).Abs(); off > time.Minute {
					t.Errorf("the server's time is %v off", off)
				}
			}
			var runs atomic.Int64
			lefts := make(chan time.Duration, 8)
			serve(t, worker, jobqueue.ServerSettings{Stage: "prior"}, prior{
				embed: func(ctx context.Context, _ *priorv1.EmbedImageRequest) (*priorv1.EmbedImageResponse, error) {
					until, _ := ctx.Deadline()
					lefts <- time.Until(until)
					if runs.Add(1) > 1 {
						<-ctx.Done()
						return nil, ctx.Err()
					}
					return answer(1), nil
				},
			}.register)
			if o := receive(t, h.ask(as(within(t, time.Minute), "ada", "one"))); o.err != nil {
				t.Errorf("a call got %v", o.err)
			}
			if left := receive(t, lefts); !ofAMinute(left) {
				t.Errorf("of a minute the handler had %v", left)
			}
			// A deadline still ends what takes longer.
			if o := receive(t, h.ask(as(within(t, 300*time.Millisecond), "ada", "two"))); status.Code(o.err) != codes.DeadlineExceeded {
				t.Errorf("a call that took too long got %v", o.err)
			}
		})
	}
}

// TestAClockThatNobodyKnowsIsOff is before a process has asked the server again:
// work that a worker takes for late is not published over and over.
func TestAClockThatNobodyKnowsIsOff(t *testing.T) {
	h := newHouse(t, quick())
	worker, _ := h.open(quick())
	serve(t, worker, jobqueue.ServerSettings{Stage: "prior"}, prior{
		embed: func(context.Context, *priorv1.EmbedImageRequest) (*priorv1.EmbedImageResponse, error) {
			return answer(1), nil
		},
	}.register)
	if err := jobqueue.SetClock(t.Context(), h.q, -time.Hour, false); err != nil {
		t.Fatal(err)
	}
	if o := receive(t, h.ask(as(within(t, 2*time.Second), "ada", "one"))); status.Code(o.err) != codes.DeadlineExceeded {
		t.Errorf("the call got %v", o.err)
	}
	if n := publications(t, h); n > 30 {
		t.Errorf("in two seconds the work was published %d times", n)
	}
	if err := jobqueue.SetClock(t.Context(), h.q, -time.Hour, true); err != nil {
		t.Fatal(err)
	}
	if o := receive(t, h.ask(as(within(t, time.Minute), "ada", "one"))); o.err != nil {
		t.Errorf("once the time is known the call got %v", o.err)
	}
}

// TestRecordsOfAnotherClock: a worker whose clock is off does not take records for
// late, nor lets them go on for ever.
func TestRecordsOfAnotherClock(t *testing.T) {
	for _, test := range clocks {
		t.Run(test.name, func(t *testing.T) {
			h := newHouse(t, quick())
			worker, _ := h.open(quick())
			for q, by := range map[*jobqueue.Queue]time.Duration{h.q: test.caller, worker: test.worker} {
				if err := jobqueue.SetClock(t.Context(), q, by, true); err != nil {
					t.Fatal(err)
				}
			}
			key := jobqueue.RecordKey{Tenant: "ada", ID: "one"}
			_, err := h.q.Records().Create(t.Context(), key, &jobqueuev1.Record{Deadline: timestamppb.New(h.q.Now().Add(time.Minute))})
			if err != nil {
				t.Fatal(err)
			}
			ctx, stop := context.WithCancel(t.Context())
			lefts := make(chan time.Duration, 1)
			ended := make(chan error, 1)
			go func() {
				ended <- worker.Records().Work(ctx, jobqueue.WorkSettings{}, func(ctx context.Context, c *jobqueue.Claim) error {
					until, _ := ctx.Deadline()
					lefts <- time.Until(until)
					return c.Finish(ctx, nil)
				})
			}()
			if left := receive(t, lefts); !ofAMinute(left) {
				t.Errorf("of a minute the worker had %v", left)
			}
			stop()
			if err := receive(t, ended); err != nil {
				t.Error(err)
			}
		})
	}
}

// ofAMinute tells whether that may be left of a minute: the server's time is known
// to within what it took to tell it.
func ofAMinute(left time.Duration) bool { return left > 30*time.Second && left < 90*time.Second }

// publications is how often work was published.
func publications(t *testing.T, h *house) uint64 {
	t.Helper()
	return h.stream("WORK").CachedInfo().State.LastSeq
}
