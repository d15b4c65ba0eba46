// Package segmenter is the segmenter stage: it finds which pixels of a picture
// belong to which person, with the model of a bundle.
package segmenter

import (
	"context"
	"errors"
	"fmt"

	"google.golang.org/grpc"

	segmenterv1 "github.com/facestudio/facestudio/proto/gen/facestudio/segmenter/v1"
	"github.com/facestudio/facestudio/segmenter-svc/internal/model"
	"github.com/facestudio/facestudio/segmenter-svc/internal/people"
	"github.com/facestudio/facestudio/segmenter-svc/internal/rpc"
	"github.com/facestudio/facestudio/services/imaging"
	"github.com/facestudio/facestudio/services/worker"
)

// Service is the segmenter stage. It implements worker.Stage.
type Service struct {
	server *rpc.Server
	model  *model.Segmenter
}

// Build is New as worker.Main takes it.
func Build(ctx context.Context, env worker.Env) (worker.Stage, error) { return New(ctx, env) }

// New loads the bundle's person segmenter and runs it once.
func New(ctx context.Context, env worker.Env) (*Service, error) {
	network, err := model.New(env)
	if err != nil {
		return nil, err
	}
	manifest := &env.Bundle.Manifest
	finder := people.New(network, manifest.Segmenter, manifest.Pixels)
	side := manifest.Canvas.Default
	whole := imaging.Box{W: float64(side), H: float64(side)}
	if _, err := finder.Masks(ctx, imaging.NewRGB(side, side), []imaging.Box{whole}, side, side); err != nil {
		return nil, errors.Join(fmt.Errorf("warm up: %w", err), network.Close())
	}
	return &Service{
		server: &rpc.Server{Bundle: env.Bundle, Pictures: env.Blobs, People: finder},
		model:  network,
	}, nil
}

// Register registers segmenter.v1.
func (s *Service) Register(to grpc.ServiceRegistrar) {
	segmenterv1.RegisterSegmenterServiceServer(to, s.server)
}

// Close frees the model. No call may be under way.
func (s *Service) Close() error { return s.model.Close() }
