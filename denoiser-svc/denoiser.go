// Package denoiser is the denoiser stage: it makes pictures of guidance by
// sampling a bundle's U-Net and decoding the latents.
package denoiser

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"google.golang.org/grpc"

	"github.com/facestudio/facestudio/denoiser-svc/internal/model"
	"github.com/facestudio/facestudio/denoiser-svc/internal/paint"
	"github.com/facestudio/facestudio/denoiser-svc/internal/rpc"
	denoiserv1 "github.com/facestudio/facestudio/proto/gen/facestudio/denoiser/v1"
	"github.com/facestudio/facestudio/services/diffusion"
	"github.com/facestudio/facestudio/services/imaging"
	"github.com/facestudio/facestudio/services/worker"
)

// Service is the denoiser stage. It implements worker.Stage.
type Service struct {
	models  *model.Models
	painter *paint.Painter
	server  *rpc.Server
}

// Build is New as worker.Main takes it.
func Build(ctx context.Context, env worker.Env) (worker.Stage, error) { return New(ctx, env) }

// New loads the bundle's guidance projection, U-Net and VAE, and runs each of
// them once.
func New(ctx context.Context, env worker.Env) (*Service, error) {
	models, err := model.Load(env)
	if err != nil {
		return nil, err
	}
	s := &Service{models: models}
	s.painter, err = paint.New(models, env.Bundle, env.Slots, env.Batch) //nolint:contextcheck // a run serves the contexts of many calls
	if err == nil {
		s.server = &rpc.Server{Bundle: env.Bundle, Blobs: env.Blobs, Painter: s.painter, Log: env.Log}
		err = s.warmUp(ctx, env)
	}
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// warmUp makes a picture of the default size in one step, with the background
// kept, which needs every graph.
func (s *Service) warmUp(ctx context.Context, env worker.Env) error {
	m := &env.Bundle.Manifest
	side := m.Canvas.Default
	job := &paint.Job{
		Width: side, Height: side, Steps: 1, Scale: m.Sampling.GuidanceScale, Alpha: 1, Method: diffusion.Method(m.Sampling.Sampler),
		Style:      make([]float32, m.Embeddings.Image),
		People:     []paint.Person{{Alpha: 1, Face: make([]float32, m.Embeddings.Face), Mask: slices.Repeat([]float32{1}, side*side)}},
		Background: paint.Keep, Picture: imaging.NewRGB(side, side),
	}
	if _, err := s.painter.Paint(ctx, job, nil, func(paint.Progress) error { return nil }); err != nil {
		return fmt.Errorf("warm up: %w", err)
	}
	return nil
}

// Register registers denoiser.v1.
func (s *Service) Register(to grpc.ServiceRegistrar) {
	denoiserv1.RegisterDenoiserServiceServer(to, s.server)
}

// Close frees the models. No call may be under way.
func (s *Service) Close() error {
	if s.painter != nil {
		s.painter.Close()
	}
	return s.models.Close()
}
