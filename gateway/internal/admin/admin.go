// Package admin is what an operator does with the queue of a running mesh:
// QueueService. It sees the work of all tenants, and never payloads.
package admin

import (
	"context"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/timestamppb"

	adminv1 "github.com/facestudio/facestudio/proto/gen/facestudio/admin/v1"
	"github.com/facestudio/facestudio/services/fault"
	"github.com/facestudio/facestudio/services/jobqueue"
)

const (
	defaultPage = 100
	maxPage     = 1000
	// defaultPause is so short that a pause which was forgotten ends.
	defaultPause = time.Hour
)

// Service implements QueueService. It may be used by many goroutines.
type Service struct {
	adminv1.UnimplementedQueueServiceServer
	queue *jobqueue.Queue
	now   func() time.Time
}

// New returns the service of a queue. now is the clock of pauses.
func New(q *jobqueue.Queue, now func() time.Time) *Service { return &Service{queue: q, now: now} }

// Register registers the service.
func (s *Service) Register(to grpc.ServiceRegistrar) { adminv1.RegisterQueueServiceServer(to, s) }

// ListDeadLetters implements QueueService.
func (s *Service) ListDeadLetters(ctx context.Context, req *adminv1.ListDeadLettersRequest) (*adminv1.ListDeadLettersResponse, error) {
	size := int(req.GetPageSize())
	if size < 0 || size > maxPage {
		return nil, fault.InvalidField("page_size", "%d is outside 0..%d: 0 means %d", size, maxPage, defaultPage)
	}
	if size == 0 {
		size = defaultPage
	}
	filter := jobqueue.DeadFilter{Stage: req.GetStage(), Tenant: req.GetTenant(), After: req.GetAfter()}
	list, err := s.queue.Dead().List(ctx, filter, size)
	if err != nil {
		return nil, err
	}
	out := &adminv1.ListDeadLettersResponse{}
	for _, letter := range list {
		out.DeadLetters = append(out.DeadLetters, letterOf(letter))
	}
	return out, nil
}

// GetDeadLetter implements QueueService.
func (s *Service) GetDeadLetter(ctx context.Context, req *adminv1.GetDeadLetterRequest) (*adminv1.DeadLetter, error) {
	letter, err := s.queue.Dead().Get(ctx, req.GetId())
	if err != nil {
		return nil, err
	}
	return letterOf(letter), nil
}

// RedriveDeadLetter implements QueueService.
func (s *Service) RedriveDeadLetter(ctx context.Context, req *adminv1.RedriveDeadLetterRequest) (*adminv1.DeadLetter, error) {
	letter, err := s.queue.Dead().Redrive(ctx, req.GetId())
	if err != nil {
		return nil, err
	}
	return letterOf(letter), nil
}

// DropDeadLetter implements QueueService.
func (s *Service) DropDeadLetter(ctx context.Context, req *adminv1.DropDeadLetterRequest) (*adminv1.DropDeadLetterResponse, error) {
	if err := s.queue.Dead().Drop(ctx, req.GetId()); err != nil {
		return nil, err
	}
	return &adminv1.DropDeadLetterResponse{}, nil
}

// ListStages implements QueueService.
func (s *Service) ListStages(ctx context.Context, _ *adminv1.ListStagesRequest) (*adminv1.ListStagesResponse, error) {
	list, err := s.queue.Stages(ctx)
	return &adminv1.ListStagesResponse{Stages: stagesOf(list)}, err
}

// PauseStage implements QueueService.
func (s *Service) PauseStage(ctx context.Context, req *adminv1.PauseStageRequest) (*adminv1.PauseStageResponse, error) {
	until := s.now().Add(defaultPause)
	if req.GetUntil() != nil {
		until = req.GetUntil().AsTime()
	}
	list, err := s.queue.Pause(ctx, req.GetName(), until)
	return &adminv1.PauseStageResponse{Stages: stagesOf(list)}, err
}

// ResumeStage implements QueueService.
func (s *Service) ResumeStage(ctx context.Context, req *adminv1.ResumeStageRequest) (*adminv1.ResumeStageResponse, error) {
	list, err := s.queue.Resume(ctx, req.GetName())
	return &adminv1.ResumeStageResponse{Stages: stagesOf(list)}, err
}

func letterOf(l jobqueue.DeadLetter) *adminv1.DeadLetter {
	return &adminv1.DeadLetter{
		Id: l.ID, Stage: l.Stage, Bundle: l.Bundle, Class: l.Class, Tenant: l.Tenant, Method: l.Method, Owner: l.Owner,
		Reason: l.Reason, Attempts: l.Attempts, Status: l.Status, TraceId: l.TraceID, Time: timestamppb.New(l.Time),
		Size: int64(l.Size),
	}
}

func stagesOf(list []jobqueue.StageStatus) []*adminv1.Stage {
	out := make([]*adminv1.Stage, len(list))
	for i, s := range list {
		out[i] = &adminv1.Stage{
			Name: s.Stage, Bundle: s.Bundle, Class: s.Class, Waiting: s.Waiting, InHand: s.InHand, IdleSlots: s.IdleSlots,
		}
		if !s.PausedUntil.IsZero() {
			out[i].PausedUntil = timestamppb.New(s.PausedUntil)
		}
	}
	return out
}
