package guidance_test

import (
	"context"
	"slices"
	"testing"

	"github.com/facestudio/facestudio/denoiser-svc/internal/guidance"
	"github.com/facestudio/facestudio/services/tensor"
)

// linear gives one token of two values: the sums of image and of face.
type linear struct{ rows int64 }

func (l *linear) Tokens(_ context.Context, image, face *tensor.Tensor) (*tensor.Tensor, error) {
	l.rows = image.Dim(0)
	tokens := tensor.New(l.rows, 1, 2)
	for i := range int(l.rows) {
		tokens.Row(i).Data[0] = sum(image.Row(i).Data)
		tokens.Row(i).Data[1] = sum(face.Row(i).Data)
	}
	return tokens, nil
}

func sum(v []float32) (s float32) {
	for _, x := range v {
		s += x
	}
	return s
}

func TestBlend(t *testing.T) {
	faces := [][]float32{{1, 0}, {0, 3}}
	for name, c := range map[string]struct {
		wish guidance.Wish
		want []float32
		rows int64
	}{
		"style": {guidance.Wish{Style: []float32{4, 4, 4}, Alphas: []float32{1, 1}}, []float32{12, 1, 12, 3}, 3},
		"text":  {guidance.Wish{Text: []float32{1, 1, 2}, Alphas: []float32{0, 0}}, []float32{4, 1, 4, 3}, 3},
		"both":  {guidance.Wish{Style: []float32{4, 4, 4}, Text: []float32{1, 1, 2}, Alphas: []float32{0.25, 0.25}}, []float32{6, 1, 6, 3}, 5},
		"own":   {guidance.Wish{Style: []float32{4, 4, 4}, Text: []float32{1, 1, 2}, Alphas: []float32{1, 0}}, []float32{12, 1, 4, 3}, 5},
	} {
		c.wish.Faces = faces
		var l linear
		got, err := guidance.Blend(t.Context(), &l, c.wish)
		if err != nil {
			t.Fatal(err)
		}
		if !got.Conditional.Is(2, 1, 2) || !slices.Equal(got.Conditional.Data, c.want) || l.rows != c.rows {
			t.Errorf("%s: %v of %d rows, want %v", name, got.Conditional.Data, l.rows, c.want)
		}
		if !got.Unconditional.Is(2, 1, 2) || slices.Max(got.Unconditional.Data) != 0 {
			t.Errorf("%s: unconditional %v", name, got.Unconditional)
		}
	}
}

// unet predicts latent + 10 * first token + timestep.
type unet struct{ batch int64 }

func (u *unet) Denoise(_ context.Context, latent, timestep, tokens, _ *tensor.Tensor) (*tensor.Tensor, error) {
	u.batch = latent.Dim(0)
	out := latent.Clone()
	for i := range int(u.batch) {
		for k := range out.Row(i).Data {
			out.Row(i).Data[k] += 10*tokens.Row(i).Data[0] + timestep.Data[i]
		}
	}
	return out, nil
}

func TestPredictor(t *testing.T) {
	c := guidance.Context{Conditional: tensor.New(1, 1, 1), Unconditional: tensor.New(1, 1, 1)}
	c.Conditional.Data[0], c.Unconditional.Data[0] = 2, 1
	for name, k := range map[string]struct {
		scale float32
		least int
		batch int64
		want  float32
	}{
		"guided":           {3, 1, 2, 1 + 5 + 10 + 3*10},
		"without guidance": {1, 1, 1, 1 + 5 + 20},
		"in pairs":         {1, 2, 2, 1 + 5 + 20},
	} {
		var u unet
		p := guidance.New(&u, c, tensor.New(1, 2, 2), 3, k.scale, guidance.Batching{Least: k.least})
		for range 2 {
			latent := slices.Repeat([]float32{1}, 12)
			if err := p.Predict(t.Context(), latent, latent, 5); err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(latent, slices.Repeat([]float32{k.want}, 12)) || u.batch != k.batch {
				t.Errorf("%s: %v in a batch of %d, want %g", name, latent, u.batch, k.want)
			}
		}
	}
}
