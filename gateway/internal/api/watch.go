package api

import (
	"context"
	"strings"
	"time"

	"google.golang.org/grpc"

	"github.com/facestudio/facestudio/gateway/internal/record"
	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	gatewayv1 "github.com/facestudio/facestudio/proto/gen/facestudio/gateway/v1"
	"github.com/facestudio/facestudio/services/fault"
	"github.com/facestudio/facestudio/services/jobqueue"
)

// cancelWait is how long CancelGeneration waits for whoever works on the
// generation to end it.
const cancelWait = 5 * time.Second

// WatchGeneration implements GenerationService. Only the watcher itself waits
// when it reads slowly: it misses progress, never a change.
func (s *Service) WatchGeneration(req *gatewayv1.WatchGenerationRequest, stream grpc.ServerStreamingServer[gatewayv1.WatchGenerationResponse]) error {
	ctx, cancel := context.WithCancel(stream.Context())
	defer cancel()
	key, err := keyOf(ctx, req.GetName())
	if err != nil {
		return err
	}
	end, err := s.watch(key.Tenant)
	if err != nil {
		return err
	}
	defer end()
	news, err := s.records.Follow(ctx, key)
	if err != nil {
		return err
	}
	changes, err := s.records.Watch(ctx, key)
	if err != nil {
		return err
	}
	w := &watch{send: stream.Send, number: req.GetAfter()}
	tick := time.NewTicker(placeEvery)
	defer tick.Stop()
	for {
		select {
		case g, ok := <-changes:
			if !ok {
				return gone(ctx, req.GetName())
			}
			if err := w.changed(g); err != nil || record.Ended(g.GetState()) {
				return err
			}
			err = w.waits(s.place(key))
		case p, ok := <-news:
			if !ok {
				// Progress is a courtesy: the changes go on without it.
				news = nil
				continue
			}
			err = w.progress(p, s.place(key))
		case <-tick.C:
			err = w.waits(s.place(key))
		}
		if err != nil {
			return err
		}
	}
}

// place tells where a generation is in the line.
func (s *Service) place(key jobqueue.RecordKey) jobqueue.Place {
	if s.set.Line == nil {
		return jobqueue.Place{}
	}
	return s.set.Line.Place(key)
}

// gone tells why there are no more changes.
func gone(ctx context.Context, name string) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return fault.New(fault.NotFound, faultv1.Reason_REASON_UNKNOWN_GENERATION, "name", "%s has expired", name)
}

// CancelGeneration implements GenerationService. When somebody works on the
// generation it waits a moment for the end; if that takes longer the answer is
// the generation as it stands, which ends soon after.
func (s *Service) CancelGeneration(ctx context.Context, req *gatewayv1.CancelGenerationRequest) (*gatewayv1.Generation, error) {
	key, err := keyOf(ctx, req.GetName())
	if err != nil {
		return nil, err
	}
	g, err := s.records.Cancel(ctx, key)
	if err != nil {
		return nil, err
	}
	if record.Ended(g.GetState()) {
		if s.set.Ended != nil {
			s.set.Ended(key.Tenant, g)
		}
		return g, nil
	}
	waiting, stop := context.WithTimeout(ctx, cancelWait)
	defer stop()
	changes, err := s.records.Watch(waiting, key)
	if err != nil {
		return nil, err
	}
	for change := range changes {
		if g = change; record.Ended(g.GetState()) {
			break
		}
	}
	return g, nil
}

// stateWord is a state as a sentence says it.
func stateWord(s gatewayv1.State) string {
	return strings.ToLower(strings.TrimPrefix(s.String(), "STATE_"))
}
