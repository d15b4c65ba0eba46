package tensor

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"

	mediav1 "github.com/facestudio/facestudio/proto/gen/facestudio/media/v1"
)

// ToProto returns the wire form of t; nil for nil.
func ToProto(t *Tensor) *mediav1.Tensor {
	if t == nil {
		return nil
	}
	data := make([]byte, 0, 4*len(t.Data))
	for _, v := range t.Data {
		data = binary.LittleEndian.AppendUint32(data, math.Float32bits(v))
	}
	return &mediav1.Tensor{Shape: slices.Clone(t.Shape), Data: data}
}

// FromProto reads the wire form. It fails when m is unset, when shape and data
// do not agree, or when an element is infinite or NaN.
func FromProto(m *mediav1.Tensor) (*Tensor, error) {
	if m == nil {
		return nil, errors.New("tensor is not set")
	}
	n, err := count(m.GetShape())
	if err != nil {
		return nil, err
	}
	if len(m.GetData()) != 4*n {
		return nil, fmt.Errorf("shape %v needs %d bytes of data, not %d", m.GetShape(), 4*n, len(m.GetData()))
	}
	t := &Tensor{Shape: slices.Clone(m.GetShape()), Data: make([]float32, n)}
	for i := range t.Data {
		t.Data[i] = math.Float32frombits(binary.LittleEndian.Uint32(m.GetData()[4*i:]))
	}
	if !t.Finite() {
		return nil, errors.New("tensor has an infinite or undefined element")
	}
	return t, nil
}
