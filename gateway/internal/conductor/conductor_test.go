package conductor_test

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/facestudio/facestudio/gateway/internal/conductor"
	"github.com/facestudio/facestudio/gateway/internal/flow"
	"github.com/facestudio/facestudio/gateway/internal/record"
	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	gatewayv1 "github.com/facestudio/facestudio/proto/gen/facestudio/gateway/v1"
	"github.com/facestudio/facestudio/services/fault"
	"github.com/facestudio/facestudio/services/jobqueue"
)

const digest = "b00d1e"

// claim is a claim that remembers what was written.
type claim struct {
	value []byte
	// earlier is how many claims there were before.
	earlier uint64
	losses  uint64
	finish  func() error

	mu       sync.Mutex
	updates  []*gatewayv1.Generation
	finished []*gatewayv1.Generation
}

func newClaim(t *testing.T) *claim {
	t.Helper()
	value, err := record.Encode(&gatewayv1.Generation{
		Name: "generations/1", Bundle: digest, State: gatewayv1.State_STATE_QUEUED,
		CreateTime: timestamppb.New(time.Unix(100, 0)),
	})
	if err != nil {
		t.Fatal(err)
	}
	return &claim{value: value}
}

func (c *claim) Key() jobqueue.RecordKey { return jobqueue.RecordKey{Tenant: "acme", ID: "1"} }
func (c *claim) Value() []byte           { return c.value }
func (c *claim) Attempt() uint64         { return c.earlier + 1 }
func (c *claim) Losses() uint64          { return c.losses }

func (c *claim) Update(_ context.Context, value []byte) error {
	return c.note(&c.updates, value)
}

func (c *claim) Finish(_ context.Context, value []byte) error {
	if c.finish != nil {
		return c.finish()
	}
	return c.note(&c.finished, value)
}

func (c *claim) note(list *[]*gatewayv1.Generation, value []byte) error {
	g, err := record.Decode(value)
	c.mu.Lock()
	defer c.mu.Unlock()
	*list = append(*list, g)
	return err
}

type runner func(context.Context, flow.Job, flow.Report) (flow.Result, error)

func (r runner) Run(ctx context.Context, job flow.Job, report flow.Report) (flow.Result, error) {
	return r(ctx, job, report)
}

// news is told and forgets.
type news struct{}

func (news) Tell(jobqueue.RecordKey, *gatewayv1.ProgressEvent) error {
	return errors.New("nobody listens")
}

func conduct(ctx context.Context, c *claim, run runner) error {
	ctx = jobqueue.WithCall(ctx, jobqueue.Call{Tenant: "acme", Class: jobqueue.Batch})
	return conductor.New(run, news{}, conductor.Settings{
		Bundle: digest, Now: time.Now, Log: slog.New(slog.DiscardHandler),
	}).Conduct(ctx, c)
}

var pictures = []*gatewayv1.ResultPicture{{Name: "generations/1/pictures/0"}}

// Only the calls of a first attempt have nothing to look for.
func TestTheFirstAttemptIsTold(t *testing.T) {
	for name, earlier := range map[string]uint64{"first": 0, "second": 1} {
		t.Run(name, func(t *testing.T) {
			c := newClaim(t)
			c.earlier = earlier
			err := conduct(t.Context(), c, func(_ context.Context, job flow.Job, _ flow.Report) (flow.Result, error) {
				if job.First != (earlier == 0) {
					t.Errorf("first is %v", job.First)
				}
				return flow.Result{Pictures: pictures}, nil
			})
			if err != nil {
				t.Fatal(err)
			}
		})
	}
}

func TestSuccessIsRecorded(t *testing.T) {
	c := newClaim(t)
	err := conduct(t.Context(), c, func(_ context.Context, job flow.Job, _ flow.Report) (flow.Result, error) {
		if job.Class != jobqueue.Batch || job.Key != c.Key() || job.Generation.GetState() != gatewayv1.State_STATE_RUNNING {
			t.Errorf("job is %+v", job)
		}
		return flow.Result{Pictures: pictures, Verdicts: []*gatewayv1.PhotoVerdict{{Used: true}}}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(c.updates) != 1 || c.updates[0].GetState() != gatewayv1.State_STATE_RUNNING || c.updates[0].GetStartTime() == nil {
		t.Errorf("updates are %v", c.updates)
	}
	if len(c.finished) != 1 {
		t.Fatalf("finished %d times", len(c.finished))
	}
	g := c.finished[0]
	if g.GetState() != gatewayv1.State_STATE_SUCCEEDED || len(g.GetPictures()) != 1 || g.GetFault() != nil ||
		g.GetEndTime() == nil || len(g.GetPhotoVerdicts()) != 1 {
		t.Errorf("recorded %v", g)
	}
}

func TestEndsAreRecordedOnce(t *testing.T) {
	noFace := fault.New(fault.Invalid, faultv1.Reason_REASON_NO_FACE_FOUND, "style", "no face; send another")
	tests := map[string]struct {
		cause  error
		err    error
		state  gatewayv1.State
		reason faultv1.Reason
	}{
		"fault":    {err: noFace, state: gatewayv1.State_STATE_FAILED, reason: faultv1.Reason_REASON_NO_FACE_FOUND},
		"cancel":   {cause: jobqueue.ErrCancelRequested, state: gatewayv1.State_STATE_CANCELLED, reason: faultv1.Reason_REASON_CANCELLED},
		"deadline": {cause: context.DeadlineExceeded, state: gatewayv1.State_STATE_FAILED, reason: faultv1.Reason_REASON_DEADLINE_PASSED},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			c := newClaim(t)
			ctx, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			err := conduct(ctx, c, func(ctx context.Context, _ flow.Job, _ flow.Report) (flow.Result, error) {
				if test.cause != nil {
					cancel(test.cause)
					<-ctx.Done()
					return flow.Result{}, context.Cause(ctx)
				}
				return flow.Result{Verdicts: []*gatewayv1.PhotoVerdict{{}}}, test.err
			})
			if err != nil {
				t.Fatal(err)
			}
			if len(c.finished) != 1 {
				t.Fatalf("finished %d times", len(c.finished))
			}
			g := c.finished[0]
			if g.GetState() != test.state || g.GetFault().GetReason() != test.reason {
				t.Errorf("recorded %v", g)
			}
		})
	}
}

// A timeout that passed because nobody serves the bundle is told as that.
func TestALateEndIsExplained(t *testing.T) {
	unserved := fault.New(fault.Unavailable, faultv1.Reason_REASON_BUNDLE_NOT_SERVED, "bundle", "nobody serves it")
	for name, test := range map[string]struct {
		explain error
		end     error
		want    faultv1.Reason
	}{
		"nobody was there":   {unserved, context.DeadlineExceeded, faultv1.Reason_REASON_BUNDLE_NOT_SERVED},
		"somebody was there": {nil, context.DeadlineExceeded, faultv1.Reason_REASON_DEADLINE_PASSED},
		"another end":        {unserved, fault.InvalidField("alpha", "too much"), faultv1.Reason_REASON_INVALID_FIELD},
	} {
		c := newClaim(t)
		err := conductor.New(runner(func(context.Context, flow.Job, flow.Report) (flow.Result, error) {
			return flow.Result{}, test.end
		}), news{}, conductor.Settings{
			Bundle: digest, Now: time.Now, Log: slog.New(slog.DiscardHandler), Unserved: func(context.Context) error { return test.explain },
		}).Conduct(t.Context(), c)
		if err != nil || len(c.finished) != 1 || c.finished[0].GetFault().GetReason() != test.want {
			t.Errorf("%s: %v, recorded %v", name, err, c.finished)
		}
	}
}

func TestCancelledBeforeItsTurnRunsNothing(t *testing.T) {
	c := newClaim(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(jobqueue.ErrCancelRequested)
	err := conduct(ctx, c, func(context.Context, flow.Job, flow.Report) (flow.Result, error) {
		t.Error("the flow ran")
		return flow.Result{}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(c.finished) != 1 || c.finished[0].GetState() != gatewayv1.State_STATE_CANCELLED {
		t.Errorf("recorded %v", c.finished)
	}
}

func TestAGenerationThatKillsGatewaysIsGivenUp(t *testing.T) {
	for losses, want := range map[uint64]gatewayv1.State{2: gatewayv1.State_STATE_SUCCEEDED, 3: gatewayv1.State_STATE_FAILED} {
		c := newClaim(t)
		c.losses = losses
		err := conduct(t.Context(), c, func(context.Context, flow.Job, flow.Report) (flow.Result, error) {
			return flow.Result{Pictures: pictures}, nil
		})
		if err != nil || len(c.finished) != 1 || c.finished[0].GetState() != want {
			t.Errorf("after %d losses: %v, recorded %v", losses, err, c.finished)
		}
	}
}

func TestLostLeaseWritesNothing(t *testing.T) {
	c := newClaim(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	err := conduct(ctx, c, func(ctx context.Context, _ flow.Job, _ flow.Report) (flow.Result, error) {
		cancel(jobqueue.ErrLeaseLost)
		return flow.Result{}, ctx.Err()
	})
	if err == nil || len(c.finished) != 0 {
		t.Errorf("err is %v, recorded %v", err, c.finished)
	}
}

func TestFailedFinishIsAnError(t *testing.T) {
	c := newClaim(t)
	c.finish = func() error { return jobqueue.ErrLeaseLost }
	err := conduct(t.Context(), c, func(context.Context, flow.Job, flow.Report) (flow.Result, error) {
		return flow.Result{Pictures: pictures}, nil
	})
	if !errors.Is(err, jobqueue.ErrLeaseLost) {
		t.Errorf("got %v", err)
	}
}

func TestOtherBundleIsLeftToItsGateway(t *testing.T) {
	c := newClaim(t)
	err := conductor.New(runner(func(context.Context, flow.Job, flow.Report) (flow.Result, error) {
		t.Error("the flow ran")
		return flow.Result{}, nil
	}), news{}, conductor.Settings{Bundle: "another", Now: time.Now, Log: slog.New(slog.DiscardHandler)}).Conduct(t.Context(), c)
	if err == nil || len(c.finished) != 0 {
		t.Errorf("err is %v, recorded %v", err, c.finished)
	}
}

func TestProgressReachesTheRecordNowAndThen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClaim(t)
		err := conduct(t.Context(), c, func(_ context.Context, _ flow.Job, report flow.Report) (flow.Result, error) {
			for step := range int32(25) {
				report(&gatewayv1.ProgressEvent{Progress: &gatewayv1.Progress{Stage: "denoise", Step: step}})
				time.Sleep(100 * time.Millisecond)
			}
			return flow.Result{Pictures: pictures}, nil
		})
		if err != nil {
			t.Fatal(err)
		}
		// One for the start, then one a second.
		if len(c.updates) != 3 || c.updates[2].GetProgress().GetStage() != "denoise" {
			t.Errorf("updates are %v", c.updates)
		}
		if c.finished[0].GetProgress() != nil {
			t.Error("an ended generation still tells progress")
		}
	})
}
