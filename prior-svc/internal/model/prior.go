// Package model runs the prior's graph: it knows the tensors' names.
package model

import (
	"context"
	"fmt"

	"github.com/facestudio/facestudio/services/bundle"
	"github.com/facestudio/facestudio/services/ort"
	"github.com/facestudio/facestudio/services/tensor"
	"github.com/facestudio/facestudio/services/worker"
)

// Prior is the diffusion prior's graph.
type Prior struct{ session *ort.Session }

// New loads the prior of env's bundle.
func New(env worker.Env) (*Prior, error) {
	data, contract, err := env.Bundle.Graph(bundle.PriorModel, "")
	if err != nil {
		return nil, err
	}
	session, err := env.Runtime.Load(data, contract, ort.SessionOptions{Provider: env.Provider, IntraThreads: env.Threads, Slots: env.Slots})
	if err != nil {
		return nil, fmt.Errorf("load the prior: %w", err)
	}
	return &Prior{session}, nil
}

// Predict returns x0 [B,D] for x [B,D], timestep [B] and text [B,Dt].
func (p *Prior) Predict(ctx context.Context, x, timestep, text *tensor.Tensor) (*tensor.Tensor, error) {
	out, err := p.session.Run(ctx, map[string]*tensor.Tensor{"x": x, "timestep": timestep, "text": text})
	return out["x0"], err
}

// Close frees the graph.
func (p *Prior) Close() error { return p.session.Close() }
