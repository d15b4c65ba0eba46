// Package tensor provides dense arrays of 32-bit floats, the values that
// models take and give, and their wire form.
package tensor

import (
	"fmt"
	"math"
	"slices"
)

// Tensor is a dense array of 32-bit floats.
type Tensor struct {
	// Shape is the extent of each axis, outermost first; all positive. A
	// scalar has none.
	Shape []int64
	// Data holds the elements in row-major order; its length is the product of
	// Shape.
	Data []float32
}

// New returns a zeroed tensor. It panics when an extent is not positive, as
// make does: shapes from outside go through From or FromProto.
func New(shape ...int64) *Tensor {
	n, err := count(shape)
	if err != nil {
		panic("tensor: " + err.Error())
	}
	return &Tensor{Shape: slices.Clone(shape), Data: make([]float32, n)}
}

// From returns a tensor over data, which it does not copy. It fails when an
// extent is not positive or the shape does not have len(data) elements.
func From(data []float32, shape ...int64) (*Tensor, error) {
	n, err := count(shape)
	if err != nil {
		return nil, err
	}
	if n != len(data) {
		return nil, fmt.Errorf("shape %v has %d elements, data has %d", shape, n, len(data))
	}
	return &Tensor{Shape: slices.Clone(shape), Data: data}, nil
}

// Clone returns a copy that shares nothing with t.
func (t *Tensor) Clone() *Tensor {
	return &Tensor{Shape: slices.Clone(t.Shape), Data: slices.Clone(t.Data)}
}

// Dim returns the extent of axis i; a negative i counts from the last axis.
func (t *Tensor) Dim(i int) int64 {
	if i < 0 {
		i += len(t.Shape)
	}
	return t.Shape[i]
}

// Row returns element i of the outermost axis, without that axis. It shares
// t's data.
func (t *Tensor) Row(i int) *Tensor {
	n := len(t.Data) / int(t.Shape[0])
	return &Tensor{Shape: slices.Clone(t.Shape[1:]), Data: t.Data[i*n : (i+1)*n : (i+1)*n]}
}

// Is reports whether t has the given shape; -1 stands for any extent.
func (t *Tensor) Is(shape ...int64) bool {
	return slices.EqualFunc(t.Shape, shape, func(have, want int64) bool { return want < 0 || have == want })
}

// Finite reports whether no element is infinite or NaN.
func (t *Tensor) Finite() bool {
	return !slices.ContainsFunc(t.Data, func(v float32) bool {
		return math.IsNaN(float64(v)) || math.IsInf(float64(v), 0)
	})
}

// count returns the product of shape.
func count(shape []int64) (int, error) {
	n := int64(1)
	for i, d := range shape {
		if d <= 0 {
			return 0, fmt.Errorf("shape %v: axis %d must be positive", shape, i)
		}
		if n > math.MaxInt32/d {
			return 0, fmt.Errorf("shape %v: too many elements", shape)
		}
		n *= d
	}
	return int(n), nil
}
