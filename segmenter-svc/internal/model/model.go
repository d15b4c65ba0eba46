// Package model runs the person segmenter's graph.
package model

import (
	"context"
	"errors"

	"github.com/facestudio/facestudio/services/bundle"
	"github.com/facestudio/facestudio/services/ort"
	"github.com/facestudio/facestudio/services/tensor"
	"github.com/facestudio/facestudio/services/worker"
)

// Segmenter is the person segmenter's graph.
type Segmenter struct {
	session  *ort.Session
	batching bundle.Batching
}

// New loads the graph.
func New(env worker.Env) (*Segmenter, error) {
	data, contract, err := env.Bundle.Graph(bundle.PersonSegmenter, "")
	if err != nil {
		return nil, err
	}
	session, err := env.Runtime.Load(data, contract, ort.SessionOptions{
		Provider: env.Provider, IntraThreads: env.Threads, Slots: env.Slots,
	})
	if err != nil {
		return nil, err
	}
	// A picture is large: more than one at a time would only cost memory.
	return &Segmenter{session: session, batching: env.Bundle.Manifest.Batching(bundle.PersonSegmenter, 1)}, nil
}

// Masks computes the mask [1,H,W], 0..1, of each input [4,H,W]: the picture and
// the cue plane of one person.
func (s *Segmenter) Masks(ctx context.Context, inputs []*tensor.Tensor) ([]*tensor.Tensor, error) {
	masks := make([]*tensor.Tensor, len(inputs))
	for i, input := range inputs {
		// Each input has a run of its own, so its mask does not depend on the
		// others; a graph that must have two gets it twice.
		in := tensor.New(append([]int64{int64(s.batching.Min)}, input.Shape...)...)
		for row := range s.batching.Min {
			copy(in.Row(row).Data, input.Data)
		}
		out, err := s.session.Run(ctx, map[string]*tensor.Tensor{"pixels": in})
		if err != nil {
			return nil, err
		}
		masks[i] = out["mask"].Row(0)
		if !masks[i].Finite() {
			return nil, errors.New("the model computed values that are infinite or undefined")
		}
	}
	return masks, nil
}

// Close frees the graph.
func (s *Segmenter) Close() error { return s.session.Close() }
