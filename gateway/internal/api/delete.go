package api

import (
	"context"

	"github.com/facestudio/facestudio/gateway/internal/record"
	gatewayv1 "github.com/facestudio/facestudio/proto/gen/facestudio/gateway/v1"
	mediav1 "github.com/facestudio/facestudio/proto/gen/facestudio/media/v1"
	"github.com/facestudio/facestudio/services/blob"
)

// DeleteGeneration implements GenerationService. The pictures go before the
// record, so that a deletion that was broken off can be repeated.
func (s *Service) DeleteGeneration(ctx context.Context, req *gatewayv1.DeleteGenerationRequest) (*gatewayv1.DeleteGenerationResponse, error) {
	key, err := keyOf(ctx, req.GetName())
	if err != nil {
		return nil, err
	}
	g, err := s.records.Get(ctx, key)
	if err != nil {
		return nil, err
	}
	if !record.Ended(g.GetState()) {
		return nil, record.NotEnded(g)
	}
	out := &gatewayv1.DeleteGenerationResponse{Name: g.GetName()}
	out.Pictures, out.SharedPictures, err = s.blobs.Drop(ctx, key.Tenant, blob.Week, results(g),
		func(ctx context.Context) (func(*mediav1.Blob) bool, error) { return s.usedResults(ctx, key.Tenant, g) })
	if err != nil {
		return nil, err
	}
	if s.set.ForgetWork != nil {
		if _, err := s.set.ForgetWork(ctx, key); err != nil {
			return nil, err
		}
	}
	if err := s.records.Delete(ctx, key); err != nil {
		return nil, err
	}
	if s.set.Drop != nil {
		var inputs []*mediav1.Blob
		for _, p := range picturesOf(g) {
			inputs = append(inputs, p.GetBlob())
		}
		s.set.Drop(key.Tenant, inputs)
	}
	return out, nil
}

// results are the pictures that a generation made.
func results(g *gatewayv1.Generation) []*mediav1.Blob {
	blobs := make([]*mediav1.Blob, len(g.GetPictures()))
	for i, p := range g.GetPictures() {
		blobs[i] = p.GetBlob()
	}
	return blobs
}

// usedResults tells which pictures other generations have, or may be making:
// equal requests have equal pictures.
func (s *Service) usedResults(ctx context.Context, tenant string, g *gatewayv1.Generation) (func(*mediav1.Blob) bool, error) {
	had, making := make(map[string]bool), false
	err := s.records.Each(ctx, tenant, func(other *gatewayv1.Generation) {
		if other.GetName() == g.GetName() {
			return
		}
		making = making || !record.Ended(other.GetState()) && other.GetSeed() == g.GetSeed()
		for _, b := range results(other) {
			had[b.GetSha256()] = true
		}
	})
	if err != nil {
		return nil, err
	}
	return func(b *mediav1.Blob) bool { return making || had[b.GetSha256()] }, nil
}
