package api_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/facestudio/facestudio/gateway/internal/api"
	"github.com/facestudio/facestudio/gateway/internal/record"
	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	gatewayv1 "github.com/facestudio/facestudio/proto/gen/facestudio/gateway/v1"
	"github.com/facestudio/facestudio/services/fault"
	"github.com/facestudio/facestudio/services/jobqueue"
)

// seen is what a watcher was told: the state of a change, or the stage of
// progress, with the number.
type seen struct {
	what   string
	number uint64
}

// follow watches until the end, or until stop says so.
func follow(ctx context.Context, t *testing.T, s *api.Service, name string, after uint64, stop func(*gatewayv1.WatchGenerationResponse) bool) ([]seen, error) {
	t.Helper()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var all []seen
	//nolint:contextcheck // the stream has it
	err := s.WatchGeneration(&gatewayv1.WatchGenerationRequest{Name: name, After: after}, &watcher{ctx: ctx, onSend: func(r *gatewayv1.WatchGenerationResponse) error {
		what := r.GetProgress().GetProgress().GetStage()
		if g := r.GetGeneration(); g != nil {
			what = strings.ToLower(strings.TrimPrefix(g.GetState().String(), "STATE_"))
		}
		all = append(all, seen{what, r.GetNumber()})
		if stop != nil && stop(r) {
			cancel()
		}
		return nil
	}})
	return all, err
}

func TestAWatcherThatComesBackMissesNoChange(t *testing.T) {
	h := open(t)
	g := h.create(t.Context(), t, &gatewayv1.CreateGenerationRequest{Generation: request(t)})
	first, _ := follow(t.Context(), t, h.service, g.GetName(), 0, func(*gatewayv1.WatchGenerationResponse) bool { return true })
	if len(first) != 1 || first[0] != (seen{"queued", 1}) {
		t.Fatalf("at first %v", first)
	}
	ended := make(chan struct{})
	h.work(t, func(ctx context.Context, c *jobqueue.Claim) error {
		defer close(ended)
		return finish(ctx, c, func(g *gatewayv1.Generation) {
			record.Started(g, time.Now())
			record.Succeeded(g, nil, time.Now())
		})
	})
	<-ended
	for after, want := range map[uint64][]seen{
		0: {{"succeeded", 3}},
		1: {{"running", 2}, {"succeeded", 3}},
		2: {{"succeeded", 3}},
		3: nil,
	} {
		got, err := follow(t.Context(), t, h.service, g.GetName(), after, nil)
		if err != nil || len(got) != len(want) {
			t.Errorf("after %d: %v, %v", after, got, err)
			continue
		}
		for i := range want {
			if got[i] != want[i] {
				t.Errorf("after %d: %v, want %v", after, got, want)
			}
		}
	}
	if _, err := follow(t.Context(), t, h.service, g.GetName(), 4, nil); !fault.Is(err, faultv1.Reason_REASON_INVALID_FIELD) {
		t.Errorf("a number that was not sent got %v", err)
	}
}

// line is a line in which everybody has the same place.
type line struct {
	refusal error
	place   jobqueue.Place
}

func (l line) Admit(jobqueue.Admission) error          { return l.refusal }
func (l line) Withdraw(jobqueue.RecordKey)             {}
func (l line) Place(jobqueue.RecordKey) jobqueue.Place { return l.place }

func TestAWatcherIsToldItsPlace(t *testing.T) {
	h := open(t)
	h.line = line{place: jobqueue.Place{Position: 7, Remaining: 90 * time.Second}}
	s := h.serve(h.blobs)
	g, err := s.CreateGeneration(t.Context(), &gatewayv1.CreateGenerationRequest{Generation: request(t)})
	if err != nil {
		t.Fatal(err)
	}
	var told *gatewayv1.Progress
	got, _ := follow(t.Context(), t, s, g.GetName(), 0, func(r *gatewayv1.WatchGenerationResponse) bool {
		told = r.GetProgress().GetProgress()
		return told != nil
	})
	if len(got) != 2 || got[1] != (seen{"queue", 1}) || told.GetPosition() != 7 || told.GetRemaining().AsDuration() != 90*time.Second {
		t.Errorf("got %v, %v", got, told)
	}
}

func TestAFullLineRefusesBeforeAnythingIsStored(t *testing.T) {
	h := open(t)
	full := fault.New(fault.Exhausted, faultv1.Reason_REASON_QUOTA_EXHAUSTED, "", "full")
	full.RetryAfter = time.Minute
	h.line = line{refusal: full}
	_, err := h.serve(h.blobs).CreateGeneration(t.Context(), &gatewayv1.CreateGenerationRequest{Generation: request(t)})
	if !fault.Is(err, faultv1.Reason_REASON_QUOTA_EXHAUSTED) || h.blobs.puts.Load() != 0 {
		t.Errorf("got %v, and %d pictures were stored", err, h.blobs.puts.Load())
	}
}

// A real line in front of a real queue: without a worker the third one does not
// fit.
func TestCreationIsBounded(t *testing.T) {
	h := open(t)
	l, err := jobqueue.NewLine(h.queue.Records(), jobqueue.LineSettings{MaxWaiting: 2, Bundle: served})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- l.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	h.line = l
	s := h.serve(h.blobs)
	for i := range 2 {
		g, err := s.CreateGeneration(t.Context(), &gatewayv1.CreateGenerationRequest{Generation: request(t)})
		if err != nil {
			t.Fatal(err)
		}
		id, _ := record.ParseName(g.GetName())
		for l.Place(jobqueue.RecordKey{Tenant: "default", ID: id}).Position != i+1 {
			if t.Context().Err() != nil {
				t.Fatal("the line does not see it")
			}
			time.Sleep(time.Millisecond) // the line is told, and plans twice a second
		}
	}
	req := request(t)
	req.Timeout = durationpb.New(time.Minute)
	if _, err := s.CreateGeneration(t.Context(), &gatewayv1.CreateGenerationRequest{Generation: req}); !fault.Is(err, faultv1.Reason_REASON_QUOTA_EXHAUSTED) {
		t.Errorf("got %v", err)
	}
}
