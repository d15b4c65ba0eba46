// Package guidance turns embeddings into what steers the U-Net: the tokens of
// the style picture and of the prompt, blended, for each person, and
// classifier-free guidance around the U-Net itself.
package guidance

import (
	"context"
	"fmt"
	"slices"

	"github.com/facestudio/facestudio/services/diffusion"
	"github.com/facestudio/facestudio/services/tensor"
)

// Linear is the one projection of both branches (paper 3.1): image embeddings
// [B,D] and face embeddings [B,F] to tokens [B,T,C].
type Linear interface {
	Tokens(ctx context.Context, image, face *tensor.Tensor) (*tensor.Tensor, error)
}

// Wish is what a picture should show.
type Wish struct {
	// Style is e_h [D] of the style picture; needed when an alpha is above 0.
	Style []float32
	// Text is e_T [D], which the prior made; needed when an alpha is below 1.
	Text []float32
	// Alphas weigh Style against Text for each person, 0..1.
	Alphas []float32
	// Faces has e_f [F] of each person, at least one; zeros mean nobody.
	Faces [][]float32
}

// Context are the tokens that the U-Net attends to, [N,T,C] each.
type Context struct {
	// Conditional has each person's own guidance e_g.
	Conditional *tensor.Tensor
	// Unconditional has, for each person alike, that of zeroed embeddings.
	Unconditional *tensor.Tensor
}

// Blend returns the tokens of w, for each person
//
//	e_g = alpha Linear(e_h || e_f) + (1 - alpha) Linear(e_T || e_f)
//
// (paper 3.1), with each person's own alpha, and those of zeroed e_h and e_f
// through the same Linear. A branch that no alpha weighs is not computed.
func Blend(ctx context.Context, linear Linear, w Wish) (Context, error) {
	var branches [][]float32
	if slices.ContainsFunc(w.Alphas, func(alpha float32) bool { return alpha > 0 }) {
		branches = append(branches, w.Style)
	}
	if slices.ContainsFunc(w.Alphas, func(alpha float32) bool { return alpha < 1 }) {
		branches = append(branches, w.Text)
	}
	people := len(w.Faces)
	// The last row stays zero: it is the unconditional one.
	rows := len(branches)*people + 1
	image := tensor.New(int64(rows), int64(len(branches[0])))
	face := tensor.New(int64(rows), int64(len(w.Faces[0])))
	for b, embedding := range branches {
		for n, e := range w.Faces {
			copy(image.Row(b*people+n).Data, embedding)
			copy(face.Row(b*people+n).Data, e)
		}
	}
	tokens, err := linear.Tokens(ctx, image, face)
	if err != nil {
		return Context{}, fmt.Errorf("guidance tokens: %w", err)
	}
	shape := []int64{int64(people), tokens.Dim(1), tokens.Dim(2)}
	c := Context{Conditional: tensor.New(shape...), Unconditional: tensor.New(shape...)}
	for n := range people {
		// With one branch, first and last are the same rows.
		first, last := tokens.Row(n).Data, tokens.Row((len(branches)-1)*people+n).Data
		diffusion.Blend(c.Conditional.Row(n).Data, first, last, w.Alphas[n])
		copy(c.Unconditional.Row(n).Data, tokens.Row(rows-1).Data)
	}
	return c, nil
}
