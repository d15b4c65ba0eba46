package admin_test

import (
	"context"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/facestudio/facestudio/gateway/internal/admin"
	adminv1 "github.com/facestudio/facestudio/proto/gen/facestudio/admin/v1"
	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	priorv1 "github.com/facestudio/facestudio/proto/gen/facestudio/prior/v1"
	"github.com/facestudio/facestudio/services/fault"
	"github.com/facestudio/facestudio/services/jobqueue"
	"github.com/facestudio/facestudio/services/jobqueue/embedded"
	"github.com/facestudio/facestudio/services/testkit/scratch"
)

const bundle = "b0b0b0b0b0b0"

// broken is a prior that panics.
type broken struct {
	priorv1.UnimplementedPriorServiceServer
}

func (broken) EmbedImage(context.Context, *priorv1.EmbedImageRequest) (*priorv1.EmbedImageResponse, error) {
	panic("a bug")
}

// open is the service of a queue with a worker of the prior that always fails.
func open(t *testing.T) (*admin.Service, *jobqueue.Queue) {
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
	worker := jobqueue.NewServer(q, jobqueue.ServerSettings{
		Stage: "prior", Bundle: bundle, MaxAttempts: 1, BatchPoll: 50 * time.Millisecond,
	})
	priorv1.RegisterPriorServiceServer(worker, broken{})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- worker.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return admin.New(q, time.Now), q
}

func fail(t *testing.T, q *jobqueue.Queue, owner string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	ctx = jobqueue.WithCall(ctx, jobqueue.Call{Tenant: "ada", Owner: owner})
	client := priorv1.NewPriorServiceClient(jobqueue.NewConn(q, jobqueue.ConnSettings{Bundle: bundle}))
	if _, err := client.EmbedImage(ctx, &priorv1.EmbedImageRequest{}); !fault.Is(err, faultv1.Reason_REASON_ATTEMPTS_EXHAUSTED) {
		t.Fatalf("got %v", err)
	}
}

func TestDeadLetters(t *testing.T) {
	s, q := open(t)
	fail(t, q, "one")
	fail(t, q, "two")
	page, err := s.ListDeadLetters(t.Context(), &adminv1.ListDeadLettersRequest{Stage: "prior", PageSize: 1})
	if err != nil || len(page.GetDeadLetters()) != 1 {
		t.Fatalf("got %v, %v", page, err)
	}
	first := page.GetDeadLetters()[0]
	if first.GetId() != 1 || first.GetOwner() != "one" || first.GetReason() != "ATTEMPTS_EXHAUSTED" || first.GetTime() == nil {
		t.Errorf("got %v", first)
	}
	got, err := s.GetDeadLetter(t.Context(), &adminv1.GetDeadLetterRequest{Id: 1})
	if err != nil || got.String() != first.String() {
		t.Errorf("got %v, %v", got, err)
	}
	if _, err := s.RedriveDeadLetter(t.Context(), &adminv1.RedriveDeadLetterRequest{Id: 1}); err != nil {
		t.Fatal(err)
	}
	// It fails again, and its new letter has a new number.
	for {
		page, err = s.ListDeadLetters(t.Context(), &adminv1.ListDeadLettersRequest{After: 2})
		if err != nil {
			t.Fatal(err)
		}
		if len(page.GetDeadLetters()) > 0 {
			break
		}
	}
	if again := page.GetDeadLetters()[0]; again.GetId() != 3 || again.GetOwner() != "one" {
		t.Errorf("got %v", again)
	}
	if _, err := s.DropDeadLetter(t.Context(), &adminv1.DropDeadLetterRequest{Id: 2}); err != nil {
		t.Error(err)
	}
	if _, err := s.GetDeadLetter(t.Context(), &adminv1.GetDeadLetterRequest{Id: 2}); !fault.Is(err, faultv1.Reason_REASON_UNKNOWN_DEAD_LETTER) {
		t.Errorf("got %v", err)
	}
	if _, err := s.ListDeadLetters(t.Context(), &adminv1.ListDeadLettersRequest{PageSize: -1}); !fault.Is(err, faultv1.Reason_REASON_INVALID_FIELD) {
		t.Errorf("got %v", err)
	}
}

func TestStages(t *testing.T) {
	s, q := open(t)
	fail(t, q, "one") // the worker is there
	list, err := s.ListStages(t.Context(), &adminv1.ListStagesRequest{})
	if err != nil || len(list.GetStages()) != 2 || list.GetStages()[0].GetName() != "prior" {
		t.Fatalf("got %v, %v", list, err)
	}
	paused, err := s.PauseStage(t.Context(), &adminv1.PauseStageRequest{Name: "prior"})
	if err != nil || time.Until(paused.GetStages()[0].GetPausedUntil().AsTime()) < 30*time.Minute {
		t.Errorf("got %v, %v", paused, err)
	}
	resumed, err := s.ResumeStage(t.Context(), &adminv1.ResumeStageRequest{Name: "prior"})
	if err != nil || resumed.GetStages()[0].GetPausedUntil() != nil {
		t.Errorf("got %v, %v", resumed, err)
	}
	if _, err := s.PauseStage(t.Context(), &adminv1.PauseStageRequest{Name: "prior", Until: timestamppb.New(time.Unix(0, 0))}); !fault.Is(err, faultv1.Reason_REASON_INVALID_FIELD) {
		t.Errorf("got %v", err)
	}
	if _, err := s.ResumeStage(t.Context(), &adminv1.ResumeStageRequest{Name: "nobody"}); !fault.Is(err, faultv1.Reason_REASON_UNKNOWN_STAGE) {
		t.Errorf("got %v", err)
	}
}
