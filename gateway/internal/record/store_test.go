package record_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/facestudio/facestudio/gateway/internal/record"
	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	gatewayv1 "github.com/facestudio/facestudio/proto/gen/facestudio/gateway/v1"
	"github.com/facestudio/facestudio/services/fault"
	"github.com/facestudio/facestudio/services/jobqueue"
	"github.com/facestudio/facestudio/services/jobqueue/embedded"
	"github.com/facestudio/facestudio/services/testkit/scratch"
)

var key = jobqueue.RecordKey{Tenant: "acme", ID: "0123456789abcdefghijklmnop"}

func openQueue(t *testing.T) *jobqueue.Queue {
	t.Helper()
	server, err := embedded.Start(t.Context(), embedded.Settings{Dir: scratch.Dir(t)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	nc, err := server.Connect()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	q, err := jobqueue.Open(t.Context(), nc, jobqueue.Settings{MaxBytes: 64 << 20})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(q.Close)
	return q
}

func queued(key jobqueue.RecordKey) *gatewayv1.Generation {
	return &gatewayv1.Generation{
		Name: record.Name(key.ID), Prompt: "smiling", State: gatewayv1.State_STATE_QUEUED,
		CreateTime: timestamppb.Now(), Timeout: durationpb.New(time.Minute),
	}
}

func create(t *testing.T, s *record.Store) {
	t.Helper()
	if err := s.Create(t.Context(), key, jobqueue.Interactive, queued(key)); err != nil {
		t.Fatal(err)
	}
}

// work runs do for every claim until the test ends.
func work(t *testing.T, q *jobqueue.Queue, do func(context.Context, *jobqueue.Claim) error) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		done <- q.Records().Work(ctx, jobqueue.WorkSettings{Grace: time.Millisecond, Backoff: time.Millisecond}, do)
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// states reads changes until a state comes, and returns all that came.
func states(t *testing.T, changes <-chan *gatewayv1.Generation, until gatewayv1.State) []gatewayv1.State {
	t.Helper()
	var seen []gatewayv1.State
	for g := range changes {
		if n := len(seen); n == 0 || seen[n-1] != g.GetState() {
			seen = append(seen, g.GetState())
		}
		if g.GetState() == until {
			return seen
		}
	}
	t.Fatalf("%v did not come after %v", until, seen)
	return nil
}

func TestLifeOfAGeneration(t *testing.T) {
	q := openQueue(t)
	s := record.New(q, time.Now)
	create(t, s)
	if err := s.Create(t.Context(), key, jobqueue.Interactive, queued(key)); !errors.Is(err, record.ErrExists) {
		t.Fatalf("a second create got %v", err)
	}
	changes, err := s.Watch(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	news, err := s.Follow(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	work(t, q, func(ctx context.Context, c *jobqueue.Claim) error {
		g, err := record.Decode(c.Value())
		if err != nil {
			return err
		}
		// By the server's clock, to within what it took to tell its time.
		if deadline, ok := ctx.Deadline(); !ok || (deadline.Sub(g.GetCreateTime().AsTime())-time.Minute).Abs() > 30*time.Second {
			t.Errorf("deadline is %v", deadline)
		}
		record.Started(g, time.Now())
		value, err := record.Encode(g)
		if err != nil {
			return err
		}
		if err := c.Update(ctx, value); err != nil {
			return err
		}
		if err := s.Tell(c.Key(), &gatewayv1.ProgressEvent{Progress: &gatewayv1.Progress{Step: 3}}); err != nil { //nolint:contextcheck // news are told without one
			return err
		}
		record.Succeeded(g, []*gatewayv1.ResultPicture{{Width: 128}}, time.Now())
		if value, err = record.Encode(g); err != nil {
			return err
		}
		return c.Finish(ctx, value)
	})
	seen := states(t, changes, gatewayv1.State_STATE_SUCCEEDED)
	if seen[0] != gatewayv1.State_STATE_QUEUED && seen[0] != gatewayv1.State_STATE_RUNNING {
		t.Errorf("states are %v", seen)
	}
	if p := <-news; p.GetProgress().GetStep() != 3 {
		t.Errorf("progress is %v", p)
	}
	g, err := s.Get(t.Context(), key)
	if err != nil || g.GetState() != gatewayv1.State_STATE_SUCCEEDED || len(g.GetPictures()) != 1 || g.GetStartTime() == nil {
		t.Errorf("got %v, %v", g, err)
	}
	if again, err := s.Cancel(t.Context(), key); err != nil || again.GetState() != gatewayv1.State_STATE_SUCCEEDED {
		t.Errorf("cancelling what has ended got %v, %v", again, err)
	}
}

func TestCancelOfWaitingGenerationIsOneWrite(t *testing.T) {
	q := openQueue(t)
	s := record.New(q, time.Now)
	create(t, s)
	g, err := s.Cancel(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	if g.GetState() != gatewayv1.State_STATE_CANCELLED || g.GetFault().GetReason() != faultv1.Reason_REASON_CANCELLED || g.GetEndTime() == nil {
		t.Errorf("got %v", g)
	}
	stored, err := s.Get(t.Context(), key)
	if err != nil || stored.GetState() != gatewayv1.State_STATE_CANCELLED {
		t.Errorf("stored %v, %v", stored, err)
	}
	entry, err := q.Records().Get(t.Context(), key)
	if err != nil || !entry.Record.GetTerminal() {
		t.Errorf("record is %v, %v", entry, err)
	}
}

func TestCancelReachesWhoeverWorks(t *testing.T) {
	q := openQueue(t)
	s := record.New(q, time.Now)
	create(t, s)
	working := make(chan struct{})
	work(t, q, func(ctx context.Context, c *jobqueue.Claim) error {
		close(working)
		<-ctx.Done()
		if !errors.Is(context.Cause(ctx), jobqueue.ErrCancelRequested) {
			t.Errorf("cause is %v", context.Cause(ctx))
		}
		g, err := record.Decode(c.Value())
		if err != nil {
			return err
		}
		record.Cancelled(g, time.Now())
		value, err := record.Encode(g)
		if err != nil {
			return err
		}
		return c.Finish(ctx, value)
	})
	<-working
	if _, err := s.Cancel(t.Context(), key); err != nil {
		t.Fatal(err)
	}
	changes, err := s.Watch(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	states(t, changes, gatewayv1.State_STATE_CANCELLED)
}

func TestUnknownGenerations(t *testing.T) {
	s := record.New(openQueue(t), time.Now)
	create(t, s)
	other := jobqueue.RecordKey{Tenant: "other", ID: key.ID}
	for name, err := range map[string]error{
		"get":    second(s.Get(t.Context(), other)),
		"watch":  second(s.Watch(t.Context(), other)),
		"cancel": second(s.Cancel(t.Context(), other)),
	} {
		if !fault.Is(err, faultv1.Reason_REASON_UNKNOWN_GENERATION) {
			t.Errorf("%s of another tenant's generation got %v", name, err)
		}
	}
	for name, passes := range map[string]func(*gatewayv1.Generation) bool{
		"all": nil, "those that pass": func(g *gatewayv1.Generation) bool { return g.GetName() == record.Name(key.ID) },
	} {
		list, err := s.Places(t.Context(), "other", passes)
		if err != nil || len(list) != 0 {
			t.Errorf("%s: another tenant lists %v, %v", name, list, err)
		}
		if list, err = s.Places(t.Context(), key.Tenant, passes); err != nil || len(list) != 1 || list[0].GetName() != record.Name(key.ID) {
			t.Errorf("%s: the tenant lists %v, %v", name, list, err)
		}
	}
	none, err := s.Places(t.Context(), key.Tenant, func(*gatewayv1.Generation) bool { return false })
	if err != nil || len(none) != 0 {
		t.Errorf("none passes, and the tenant lists %v, %v", none, err)
	}
}

func second[T any](_ T, err error) error { return err }
