// Package rpc serves prior.v1: messages in, domain, messages out.
package rpc

import (
	"context"
	"fmt"

	"github.com/facestudio/facestudio/prior-svc/internal/sample"
	priorv1 "github.com/facestudio/facestudio/proto/gen/facestudio/prior/v1"
	"github.com/facestudio/facestudio/services/diffusion"
	"github.com/facestudio/facestudio/services/fault"
	"github.com/facestudio/facestudio/services/tensor"
)

// Limits of a request, as prior.proto says them.
const (
	maxSteps = 100
	maxScale = 20
)

// Bundle tells whether a request means the bundle that is served.
type Bundle interface {
	Serves(digest string) error
}

// Server implements prior.v1. All its fields are needed.
type Server struct {
	priorv1.UnimplementedPriorServiceServer

	Bundle  Bundle
	Sampler *sample.Sampler
}

// EmbedImage implements prior.v1.
func (s *Server) EmbedImage(ctx context.Context, req *priorv1.EmbedImageRequest) (*priorv1.EmbedImageResponse, error) {
	if err := s.Bundle.Serves(req.GetBundle()); err != nil {
		return nil, err
	}
	r, err := s.request(req)
	if err != nil {
		return nil, err
	}
	drawn, err := s.Sampler.Sample(ctx, r)
	if err != nil {
		return nil, err
	}
	embedding, err := tensor.From(drawn, int64(len(drawn)))
	if err != nil {
		return nil, fmt.Errorf("embedding: %w", err)
	}
	return &priorv1.EmbedImageResponse{Embedding: tensor.ToProto(embedding)}, nil
}

func (s *Server) request(req *priorv1.EmbedImageRequest) (sample.Request, error) {
	text, err := tensor.FromProto(req.GetTextEmbedding())
	if err != nil {
		return sample.Request{}, fault.InvalidField("text_embedding", "%v; send one row of EmbedTexts", err)
	}
	if width := s.Sampler.TextWidth(); !text.Is(int64(width)) {
		return sample.Request{}, fault.InvalidField("text_embedding", "the shape is %v, this bundle takes [%d]", text.Shape, width)
	}
	r := sample.Request{
		Text:  text.Data,
		Noise: diffusion.Noise{Seed: req.GetSeed(), Index: req.GetIndex()},
		Steps: int(req.GetSteps()),
		Scale: req.GetGuidanceScale(),
	}
	if r.Steps == 0 {
		r.Steps = s.Sampler.Steps()
	}
	if r.Steps < 1 || r.Steps > maxSteps {
		return sample.Request{}, fault.InvalidField("steps", "steps must be 1 to %d, not %d; 0 takes the bundle's default", maxSteps, r.Steps)
	}
	if r.Scale == 0 {
		r.Scale = s.Sampler.Scale()
	}
	// Also false for NaN.
	if !(r.Scale > 0 && r.Scale <= maxScale) {
		return sample.Request{}, fault.InvalidField("guidance_scale", "the scale must be above 0 and at most %d, not %g; 0 takes the bundle's default", maxScale, r.Scale)
	}
	return r, nil
}
