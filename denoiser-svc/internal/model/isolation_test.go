package model_test

import (
	"slices"
	"testing"

	"github.com/facestudio/facestudio/services/bundle"
	"github.com/facestudio/facestudio/services/diffusion"
	"github.com/facestudio/facestudio/services/onnx"
	"github.com/facestudio/facestudio/services/ort"
	"github.com/facestudio/facestudio/services/tensor"
	"github.com/facestudio/facestudio/services/testkit"
)

// attended is a U-Net that also tells what its first cross-attention gave.
type attended struct {
	session *ort.Session
	output  string
	side    int64
	m       *bundle.Manifest
}

func loadAttended(t *testing.T) *attended {
	t.Helper()
	b := testkit.TinyBundle(t)
	data, contract, err := b.Graph(bundle.UNet, "")
	if err != nil {
		t.Fatal(err)
	}
	a := &attended{output: crossAttention(t, data), side: int64(b.Manifest.Canvas.Max / b.Manifest.Latent.Factor), m: &b.Manifest}
	contract.Outputs = append(slices.Clone(contract.Outputs),
		onnx.Value{Name: a.output, Type: onnx.Float32, Shape: []int64{onnx.Dynamic, onnx.Dynamic, onnx.Dynamic, onnx.Dynamic}})
	a.session, err = testkit.Runtime(t).Load(withOutput(t, data, a.output), contract, ort.SessionOptions{IntraThreads: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := a.session.Close(); err != nil {
			t.Error(err)
		}
	})
	return a
}

// run returns what the attention gave at each place of its level, [h][w][D],
// and the prediction [c,h,w]. mask has the people's rows of the canvas [N,h,w].
func (a *attended) run(t *testing.T, tokens, mask *tensor.Tensor) (attention [][][]float32, prediction []float32) {
	t.Helper()
	latent := tensor.New(1, int64(a.m.Latent.Channels), a.side, a.side)
	diffusion.Noise{Seed: 1}.Fill(latent.Data, 0)
	out, err := a.session.Run(t.Context(), map[string]*tensor.Tensor{
		"latent": latent, "timestep": {Shape: []int64{1}, Data: []float32{500}},
		"context": {Shape: append([]int64{1}, tokens.Shape...), Data: tokens.Data},
		"mask":    {Shape: append([]int64{1}, mask.Shape...), Data: mask.Data},
	})
	if err != nil {
		t.Fatal(err)
	}
	features := out[a.output].Row(0)
	height, width := int(features.Dim(1)), int(features.Dim(2))
	for y := range height {
		var row [][]float32
		for x := range width {
			place := make([]float32, features.Dim(0))
			for d := range place {
				place[d] = features.Data[(d*height+y)*width+x]
			}
			row = append(row, place)
		}
		attention = append(attention, row)
	}
	return attention, out["prediction"].Data
}

func (a *attended) tokens(people int, seed uint64) *tensor.Tensor {
	tokens := tensor.New(int64(people), int64(a.m.Guidance.Tokens), int64(a.m.Guidance.Width))
	diffusion.Noise{Seed: seed}.Fill(tokens.Data, 0)
	return tokens
}

// halves are the masks of two people, left and right of the middle, above the
// lower half, which is nobody's.
func (a *attended) halves() *tensor.Tensor {
	mask := tensor.New(2, a.side, a.side)
	for y := range a.side / 2 {
		for x := range a.side {
			mask.Data[(2*x/a.side*a.side+y)*a.side+x] = 1
		}
	}
	return mask
}

func TestARegionDoesNotHearAnotherPersonsContext(t *testing.T) {
	a := loadAttended(t)
	mask, tokens := a.halves(), a.tokens(2, 5)
	before, predicted := a.run(t, tokens, mask)
	changed := tokens.Clone()
	diffusion.Noise{Seed: 6}.Fill(changed.Row(1).Data, 0)
	after, other := a.run(t, changed, mask)
	if slices.Equal(predicted, other) {
		t.Error("the second person's context does not matter")
	}
	side := len(before)
	for y := range side {
		for x := range side {
			same := slices.Equal(before[y][x], after[y][x])
			switch {
			case y >= side/2:
				if slices.ContainsFunc(before[y][x], func(v float32) bool { return v != 0 }) {
					t.Errorf("place %d, %d is nobody's, and hears somebody", x, y)
				}
			case x < side/2 && !same:
				t.Errorf("place %d, %d is the first person's, and hears the second", x, y)
			case x >= side/2 && same:
				t.Errorf("place %d, %d is the second person's, and does not hear them", x, y)
			}
		}
	}
}

func TestPeopleWithEmptyMasksChangeNoBit(t *testing.T) {
	a := loadAttended(t)
	mask, tokens := a.halves(), a.tokens(2, 5)
	_, want := a.run(t, tokens, mask)
	for _, seed := range []uint64{7, 8} {
		more, empty := a.tokens(4, seed), tensor.New(4, a.side, a.side)
		copy(more.Data, tokens.Data)
		copy(empty.Data, mask.Data)
		if _, got := a.run(t, more, empty); !slices.Equal(got, want) {
			t.Error("two more people, who are nowhere, change the prediction")
		}
	}
}

func TestOrderOfPeopleDoesNotMatter(t *testing.T) {
	a := loadAttended(t)
	mask, tokens := a.halves(), a.tokens(2, 5)
	_, want := a.run(t, tokens, mask)
	turn := func(v *tensor.Tensor) *tensor.Tensor {
		turned := v.Clone()
		copy(turned.Row(0).Data, v.Row(1).Data)
		copy(turned.Row(1).Data, v.Row(0).Data)
		return turned
	}
	_, got := a.run(t, turn(tokens), turn(mask))
	for i, v := range want {
		// Sums in another order.
		if d := got[i] - v; d > 1e-5 || d < -1e-5 {
			t.Fatalf("value %d of the prediction is %g, and %g with the people in another order", i, v, got[i])
		}
	}
}
