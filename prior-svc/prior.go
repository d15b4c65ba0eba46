// Package prior is the prior stage: it samples image embeddings that fit a
// text (paper 3.1) with the diffusion prior of a bundle. All noise comes from
// the request's seed, in the generator's stream 1, so that it shares nothing
// with the noise of the picture.
package prior

import (
	"context"
	"errors"
	"fmt"

	"google.golang.org/grpc"

	"github.com/facestudio/facestudio/prior-svc/internal/model"
	"github.com/facestudio/facestudio/prior-svc/internal/rpc"
	"github.com/facestudio/facestudio/prior-svc/internal/sample"
	priorv1 "github.com/facestudio/facestudio/proto/gen/facestudio/prior/v1"
	"github.com/facestudio/facestudio/services/tensor"
	"github.com/facestudio/facestudio/services/worker"
)

// Service is the prior stage. It implements worker.Stage.
type Service struct {
	model  *model.Prior
	server *rpc.Server
}

// Build is New as worker.Main takes it.
func Build(ctx context.Context, env worker.Env) (worker.Stage, error) { return New(ctx, env) }

// New loads the bundle's prior and runs it once. It fails with ROLE_MISSING
// when the bundle has none.
func New(ctx context.Context, env worker.Env) (*Service, error) {
	network, err := model.New(env)
	if err != nil {
		return nil, err
	}
	s := &Service{model: network}
	manifest := &env.Bundle.Manifest
	sampler, err := sample.New(network, manifest)
	if err == nil {
		s.server = &rpc.Server{Bundle: env.Bundle, Sampler: sampler}
		text := tensor.New(int64(manifest.Embeddings.Text))
		_, err = sampler.Sample(ctx, sample.Request{Text: text.Data, Steps: 1, Scale: sampler.Scale()})
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("warm up the prior: %w", err), s.Close())
	}
	return s, nil
}

// Register registers prior.v1.
func (s *Service) Register(to grpc.ServiceRegistrar) {
	priorv1.RegisterPriorServiceServer(to, s.server)
}

// Close frees the model. No call may be under way.
func (s *Service) Close() error { return s.model.Close() }
