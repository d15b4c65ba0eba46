// Package image computes image embeddings e_h (paper 3.1): the outputs of
// several vision encoders after each other, of a picture whose faces are masked
// out (paper 3.3).
package image

import (
	"context"
	"fmt"
	"slices"

	"github.com/facestudio/facestudio/services/bundle"
	"github.com/facestudio/facestudio/services/imaging"
	"github.com/facestudio/facestudio/services/tensor"
)

// Network embeds pictures [3,S,S].
type Network interface {
	Floats(ctx context.Context, rows []*tensor.Tensor) ([][]float32, error)
}

// Encoder is one vision encoder and how it takes pictures.
type Encoder struct {
	// Network computes the embedding.
	Network Network
	// Spec is its entry of the manifest.
	Spec bundle.ImageEncoder
}

// Embedder embeds pictures. It may be used by many goroutines.
type Embedder struct {
	encoders []Encoder
	mask     bundle.StyleFaceMask
}

// New returns an embedder that concatenates the encoders' outputs in their
// order.
func New(encoders []Encoder, mask bundle.StyleFaceMask) *Embedder {
	return &Embedder{encoders: encoders, mask: mask}
}

// Masked is a picture with the faces that are to be masked out of it.
type Masked struct {
	Picture *imaging.RGB
	Faces   []imaging.Box
}

// Embed returns e_h of each picture. It changes the pictures: their faces are
// filled.
func (e *Embedder) Embed(ctx context.Context, pictures []Masked) ([][]float32, error) {
	grey := uint8(e.mask.Fill)
	for _, p := range pictures {
		for _, box := range p.Faces {
			imaging.FillBox(p.Picture, box, e.mask.Scale, [3]uint8{grey, grey, grey})
		}
	}
	embeddings := make([][]float32, len(pictures))
	for _, encoder := range e.encoders {
		size := encoder.Spec.Size
		rows := make([]*tensor.Tensor, len(pictures))
		for i, p := range pictures {
			rows[i] = tensor.New(3, int64(size), int64(size))
			imaging.Resize(p.Picture, size, size).Plane(rows[i].Data, encoder.Spec.Mean, encoder.Spec.Std)
		}
		parts, err := encoder.Network.Floats(ctx, rows)
		if err != nil {
			return nil, fmt.Errorf("embed the pictures: %w", err)
		}
		for i, part := range parts {
			embeddings[i] = slices.Concat(embeddings[i], part)
		}
	}
	return embeddings, nil
}
