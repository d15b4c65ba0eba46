package people_test

import (
	"context"
	"errors"
	"math"
	"testing"

	"github.com/facestudio/facestudio/segmenter-svc/internal/people"
	"github.com/facestudio/facestudio/services/bundle"
	"github.com/facestudio/facestudio/services/imaging"
	"github.com/facestudio/facestudio/services/tensor"
)

var half = bundle.Pixels{Mean: [3]float32{0.5, 0.5, 0.5}, Std: [3]float32{0.5, 0.5, 0.5}}

// echo is a network whose mask is the cue plane times a level, so that what it
// was given can be seen.
type echo struct {
	level  float32
	inputs []*tensor.Tensor
	err    error
}

func (e *echo) Masks(_ context.Context, inputs []*tensor.Tensor) ([]*tensor.Tensor, error) {
	e.inputs = inputs
	masks := make([]*tensor.Tensor, len(inputs))
	for i, in := range inputs {
		masks[i] = tensor.New(1, in.Dim(1), in.Dim(2))
		for j, v := range in.Row(3).Data {
			masks[i].Data[j] = e.level * v
		}
	}
	return masks, e.err
}

func TestMasksFollowTheCue(t *testing.T) {
	network := &echo{level: 1}
	s := people.New(network, bundle.Segmenter{Cue: "box_plane", MultipleOf: 16}, half)
	p := imaging.NewRGB(40, 24)
	imaging.FillBox(p, imaging.Box{W: 40, H: 24}, 1, [3]uint8{255, 255, 255})
	masks, err := s.Masks(t.Context(), p, []imaging.Box{{X: 10, Y: 5, W: 8, H: 6}}, 40, 24)
	if err != nil {
		t.Fatal(err)
	}
	if in := network.inputs[0]; !in.Is(4, 32, 48) {
		t.Errorf("input shape %v", in.Shape)
	}
	for i, v := range network.inputs[0].Data[:3*32*48] {
		if v != 1 {
			t.Fatalf("pixel %d is %v: the edges are not repeated", i, v)
		}
	}
	for y := range 24 {
		for x := range 40 {
			want := uint8(0)
			if x >= 10 && x < 18 && y >= 5 && y < 11 {
				want = 255
			}
			if got := masks[0].Pix[y*40+x]; got != want {
				t.Fatalf("mask at (%d,%d) is %d, want %d", x, y, got, want)
			}
		}
	}
}

func TestMasksSumToOne(t *testing.T) {
	s := people.New(&echo{level: 0.9}, bundle.Segmenter{MultipleOf: 16}, half)
	boxes := []imaging.Box{{X: 0, Y: 0, W: 20, H: 32}, {X: 10, Y: 0, W: 22, H: 32}, {X: 12, Y: 8, W: 10, H: 10}}
	for name, side := range map[string][2]int{"as it is": {32, 32}, "smaller": {13, 9}, "larger": {71, 50}} {
		masks, err := s.Masks(t.Context(), imaging.NewRGB(32, 32), boxes, side[0], side[1])
		if err != nil {
			t.Fatal(err)
		}
		for i := range masks[0].Pix {
			sum := 0
			for _, m := range masks {
				sum += int(m.Pix[i])
			}
			if sum > 255 {
				t.Fatalf("%s: masks sum to %d at %d", name, sum, i)
			}
		}
		if masks[0].W != side[0] || masks[0].H != side[1] {
			t.Errorf("%s: mask of %dx%d", name, masks[0].W, masks[0].H)
		}
	}
}

func TestMasksOfALargePicture(t *testing.T) {
	network := &echo{level: 1}
	s := people.New(network, bundle.Segmenter{MultipleOf: 16}, half)
	masks, err := s.Masks(t.Context(), imaging.NewRGB(2000, 1000), []imaging.Box{{X: 500, Y: 250, W: 1000, H: 500}}, 200, 100)
	if err != nil {
		t.Fatal(err)
	}
	if in := network.inputs[0]; !in.Is(4, 256, 512) {
		t.Errorf("input shape %v", in.Shape)
	}
	var sum float64
	for _, v := range masks[0].Pix {
		sum += float64(v) / 255
	}
	if math.Abs(sum-5000) > 200 {
		t.Errorf("the mask covers %v pixels, want about 5000", sum)
	}
}

func TestMasksFail(t *testing.T) {
	failure := errors.New("no")
	s := people.New(&echo{err: failure}, bundle.Segmenter{MultipleOf: 16}, half)
	if _, err := s.Masks(t.Context(), imaging.NewRGB(9, 9), []imaging.Box{{W: 3, H: 3}}, 9, 9); !errors.Is(err, failure) {
		t.Errorf("got %v", err)
	}
}
