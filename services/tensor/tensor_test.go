package tensor_test

import (
	"math"
	"slices"
	"testing"

	mediav1 "github.com/facestudio/facestudio/proto/gen/facestudio/media/v1"
	"github.com/facestudio/facestudio/services/tensor"
)

func TestRowsShareAndClonesDoNot(t *testing.T) {
	a := tensor.New(2, 3)
	b := a.Clone()
	a.Row(1).Data[2] = 5
	if a.Data[5] != 5 || b.Data[5] != 0 {
		t.Errorf("%v, %v", a.Data, b.Data)
	}
	if row := a.Row(1); !row.Is(3) || a.Dim(-1) != 3 || a.Dim(0) != 2 || !a.Is(-1, 3) || a.Is(2) || a.Is(2, 4) {
		t.Errorf("shapes %v, %v", row.Shape, a.Shape)
	}
}

func TestFromRefuses(t *testing.T) {
	for name, shape := range map[string][]int64{
		"length": {2, 2}, "zero": {0}, "negative": {-5}, "overflow": {1 << 40, 1 << 40},
	} {
		if _, err := tensor.From(make([]float32, 5), shape...); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestProtoComesBack(t *testing.T) {
	for _, shape := range [][]int64{{}, {1}, {2, 3, 4}} {
		a := tensor.New(shape...)
		for i := range a.Data {
			a.Data[i] = float32(i) * -1.1e-7
		}
		b, err := tensor.FromProto(tensor.ToProto(a))
		if err != nil || !slices.Equal(a.Data, b.Data) || !slices.Equal(a.Shape, b.Shape) {
			t.Errorf("%v came back as %v, %v", a, b, err)
		}
	}
	if tensor.ToProto(nil) != nil {
		t.Error("nil became a message")
	}
}

func TestFromProtoRefuses(t *testing.T) {
	bad := tensor.New(1)
	bad.Data[0] = float32(math.Inf(-1))
	for name, m := range map[string]*mediav1.Tensor{
		"unset":    nil,
		"short":    {Shape: []int64{2}, Data: make([]byte, 7)},
		"zero":     {Shape: []int64{0}},
		"overflow": {Shape: []int64{1 << 62, 4}},
		"infinite": tensor.ToProto(bad),
	} {
		if _, err := tensor.FromProto(m); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestVectors(t *testing.T) {
	v := []float32{3, 4}
	if err := tensor.Normalize(v); err != nil || !slices.Equal(v, []float32{0.6, 0.8}) {
		t.Errorf("%v, %v", v, err)
	}
	for _, v := range [][]float32{{0, 0}, {}, {float32(math.NaN())}, {float32(math.Inf(1))}} {
		if err := tensor.Normalize(v); err == nil {
			t.Errorf("%v has a direction", v)
		}
	}
	mean, err := tensor.Mean([]float32{1, 2}, []float32{3, 6})
	if err != nil || !slices.Equal(mean, []float32{2, 4}) {
		t.Errorf("%v, %v", mean, err)
	}
	if _, err := tensor.Mean(); err == nil {
		t.Error("mean of nothing")
	}
	if _, err := tensor.Mean([]float32{1}, []float32{1, 2}); err == nil {
		t.Error("mean of unequal rows")
	}
	if c := tensor.Cosine([]float32{1, 0}, []float32{1, 1}); math.Abs(c-math.Sqrt2/2) > 1e-9 {
		t.Errorf("cosine %g", c)
	}
	if c := tensor.Cosine([]float32{0, 0}, []float32{1, 1}); c != 0 {
		t.Errorf("cosine %g", c)
	}
}
