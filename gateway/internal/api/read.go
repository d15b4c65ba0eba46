package api

import (
	"context"

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

// GetGeneration implements GenerationService.
func (s *Service) GetGeneration(ctx context.Context, req *gatewayv1.GetGenerationRequest) (*gatewayv1.Generation, error) {
	key, err := keyOf(ctx, req.GetName())
	if err != nil {
		return nil, err
	}
	return s.records.Get(ctx, key)
}

// ListGenerations implements GenerationService.
func (s *Service) ListGenerations(ctx context.Context, req *gatewayv1.ListGenerationsRequest) (*gatewayv1.ListGenerationsResponse, error) {
	call, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	size, err := pageSize(req.GetPageSize())
	if err != nil {
		return nil, err
	}
	list, err := s.records.List(ctx, call.Tenant)
	if err != nil {
		return nil, err
	}
	list, err = after(list, req.GetPageToken())
	if err != nil {
		return nil, err
	}
	if len(list) <= size {
		return &gatewayv1.ListGenerationsResponse{Generations: list}, nil
	}
	return &gatewayv1.ListGenerationsResponse{Generations: list[:size], NextPageToken: tokenOf(list[size-1])}, nil
}

// GetPicture implements GenerationService.
func (s *Service) GetPicture(ctx context.Context, req *gatewayv1.GetPictureRequest) (*gatewayv1.GetPictureResponse, error) {
	call, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	id, index, ok := record.ParsePictureName(req.GetName())
	if !ok {
		return nil, badName(req.GetName(), "generations/{generation}/pictures/{index}")
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
