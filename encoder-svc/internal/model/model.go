// Package model runs the encoder's graphs: it knows their tensors' names and
// how many elements they take at once, and nothing of what they are for.
package model

import (
	"context"
	"errors"
	"slices"

	"github.com/facestudio/facestudio/services/bundle"
	"github.com/facestudio/facestudio/services/ort"
	"github.com/facestudio/facestudio/services/tensor"
	"github.com/facestudio/facestudio/services/worker"
)

// maxBatch bounds the elements of one run: enough to fill a processor, little
// enough to keep its memory small.
const maxBatch = 8

// Embedder is a graph that turns rows into embeddings.
type Embedder struct {
	session  *ort.Session
	batching bundle.Batching
	input    string
}

// NewEmbedder loads the graph of a role whose output is "embed". name is that
// of an image encoder, empty for other roles.
func NewEmbedder(env worker.Env, role bundle.Role, name, input string) (*Embedder, error) {
	session, err := load(env, role, name)
	if err != nil {
		return nil, err
	}
	return &Embedder{session: session, batching: env.Bundle.Manifest.Batching(role, maxBatch), input: input}, nil
}

func load(env worker.Env, role bundle.Role, name string) (*ort.Session, error) {
	data, contract, err := env.Bundle.Graph(role, name)
	if err != nil {
		return nil, err
	}
	return env.Runtime.Load(data, contract, ort.SessionOptions{Provider: env.Provider, IntraThreads: env.Threads, Slots: env.Slots})
}

// Close frees the graph.
func (e *Embedder) Close() error { return e.session.Close() }

// Floats embeds rows of one shape, for example [3,S,S]: one embedding each.
func (e *Embedder) Floats(ctx context.Context, rows []*tensor.Tensor) ([][]float32, error) {
	return batches(e.batching, rows, func(rows []*tensor.Tensor) (*tensor.Tensor, error) {
		in := tensor.New(append([]int64{int64(len(rows))}, rows[0].Shape...)...)
		for i, row := range rows {
			copy(in.Row(i).Data, row.Data)
		}
		out, err := e.session.Run(ctx, map[string]*tensor.Tensor{e.input: in})
		return out["embed"], err
	})
}

// Ints embeds rows of ids of one length: one embedding each.
func (e *Embedder) Ints(ctx context.Context, rows [][]int64) ([][]float32, error) {
	return batches(e.batching, rows, func(rows [][]int64) (*tensor.Tensor, error) {
		in := ort.Ints{Shape: []int64{int64(len(rows)), int64(len(rows[0]))}, Data: slices.Concat(rows...)}
		out, err := e.session.RunInts(ctx, map[string]ort.Ints{e.input: in}, nil)
		return out["embed"], err
	})
}

// batches runs rows in batches of the allowed sizes. What fills up a batch
// that is too small is left out of the result.
func batches[T any](sizes bundle.Batching, rows []T, run func([]T) (*tensor.Tensor, error)) ([][]float32, error) {
	results := make([][]float32, 0, len(rows))
	for batch := range slices.Chunk(rows, sizes.Max) {
		wanted := len(batch)
		batch = slices.Clone(batch)
		for len(batch) < sizes.Min {
			batch = append(batch, batch[0])
		}
		out, err := run(batch)
		if err != nil {
			return nil, err
		}
		if !out.Finite() {
			return nil, errors.New("the model computed values that are infinite or undefined")
		}
		for i := range wanted {
			results = append(results, out.Row(i).Data)
		}
	}
	return results, nil
}
