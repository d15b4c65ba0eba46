package api

import (
	"context"
	"time"

	"github.com/facestudio/facestudio/gateway/internal/filter"
	"github.com/facestudio/facestudio/gateway/internal/record"
	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	gatewayv1 "github.com/facestudio/facestudio/proto/gen/facestudio/gateway/v1"
	"github.com/facestudio/facestudio/services/fault"
	"github.com/facestudio/facestudio/services/jobqueue"
)

const (
	defaultPage = 20
	maxPage     = 100
)

// generationFilters is what filters of generations may say.
var generationFilters = filter.MustLanguage(gatewayv1.State(0).Type())

// maxWait bounds how long GetGeneration waits.
const maxWait = time.Minute

// GetGeneration implements GenerationService. A wait ends early when the gateway
// stops: the caller asks again elsewhere.
func (s *Service) GetGeneration(ctx context.Context, req *gatewayv1.GetGenerationRequest) (*gatewayv1.Generation, error) {
	key, err := keyOf(ctx, req.GetName())
	if err != nil {
		return nil, err
	}
	wait := req.GetWait()
	if d := wait.AsDuration(); wait != nil && (wait.CheckValid() != nil || d < 0 || d > maxWait) {
		return nil, fault.InvalidField("wait", "it is outside 0..%v: leave it out to be answered at once, or ask again after the longest", maxWait)
	}
	g, err := s.records.Get(ctx, key)
	if err != nil || wait.AsDuration() == 0 || record.Ended(g.GetState()) {
		return g, err
	}
	end, err := s.watch(key.Tenant)
	if err != nil {
		return nil, err
	}
	defer end()
	return s.awaitEnd(ctx, key, g, wait.AsDuration())
}

// awaitEnd waits for the end of a generation and returns it as it then stands.
func (s *Service) awaitEnd(ctx context.Context, key jobqueue.RecordKey, g *gatewayv1.Generation, wait time.Duration) (*gatewayv1.Generation, error) {
	waiting, stop := context.WithTimeout(ctx, wait)
	defer stop()
	changes, err := s.records.Watch(waiting, key)
	if waiting.Err() != nil {
		return g, ctx.Err() // over before it began
	}
	if err != nil {
		return nil, err
	}
	for {
		select {
		case change, ok := <-changes:
			if !ok && waiting.Err() == nil {
				return nil, gone(ctx, g.GetName())
			}
			if !ok {
				return g, ctx.Err()
			}
			if g = change; record.Ended(g.GetState()) {
				return g, nil
			}
		case <-waiting.Done():
			return g, ctx.Err()
		case <-s.set.Stopping:
			return g, nil
		}
	}
}

// ListGenerations implements GenerationService.
func (s *Service) ListGenerations(ctx context.Context, req *gatewayv1.ListGenerationsRequest) (*gatewayv1.ListGenerationsResponse, error) {
	call, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	wanted, err := generationFilters.Parse(req.GetFilter())
	if err != nil {
		return nil, err
	}
	// Only the generations of the page are read, unless a filter asks what all are.
	var passes func(*gatewayv1.Generation) bool
	if req.GetFilter() != "" {
		passes = func(g *gatewayv1.Generation) bool {
			return wanted.Passes(filter.Entry{CreateTime: g.GetCreateTime().AsTime(), Labels: g.GetLabels(), State: g.GetState().String()})
		}
	}
	l := listing{
		sign: s.set.Sign, collection: "generations", tenant: call.Tenant, filter: req.GetFilter(),
		size: req.GetPageSize(), token: req.GetPageToken(),
	}
	places, err := s.records.Places(ctx, call.Tenant, passes)
	if err != nil {
		return nil, err
	}
	places, size, err := restOf(l, places)
	if err != nil {
		return nil, err
	}
	out := new(gatewayv1.ListGenerationsResponse)
	for i, p := range places {
		if len(out.GetGenerations()) == size {
			out.NextPageToken = l.tokenOf(placeOf(places[i-1]))
			break
		}
		g, err := s.records.At(ctx, call.Tenant, p)
		if err != nil {
			return nil, err
		}
		if g != nil {
			out.Generations = append(out.Generations, g)
		}
	}
	return out, nil
}

// GetPicture implements GenerationService.
func (s *Service) GetPicture(ctx context.Context, req *gatewayv1.GetPictureRequest) (*gatewayv1.GetPictureResponse, error) {
	call, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	id, index, ok := record.ParsePictureName(req.GetName())
	if !ok {
		return nil, BadName(req.GetName(), "generations/{generation}/pictures/{index}")
	}
	g, err := s.records.Get(ctx, jobqueue.RecordKey{Tenant: call.Tenant, ID: id})
	if err != nil {
		return nil, err
	}
	if index >= len(g.GetPictures()) {
		return nil, fault.New(fault.NotFound, faultv1.Reason_REASON_UNKNOWN_GENERATION, "name",
			"%s has %d pictures and is %s: there is no picture %d", g.GetName(), len(g.GetPictures()), stateWord(g.GetState()), index)
	}
	b := g.GetPictures()[index].GetBlob()
	data, err := s.blobs.Get(ctx, call.Tenant, b)
	if err != nil {
		return nil, at(err, "name")
	}
	return &gatewayv1.GetPictureResponse{Data: data, MediaType: b.GetMediaType()}, nil
}
