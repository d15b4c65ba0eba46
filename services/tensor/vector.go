package tensor

import (
	"errors"
	"fmt"
	"math"
)

// Norm returns the Euclidean length of v, summed in float64.
func Norm(v []float32) float64 {
	var sum float64
	for _, x := range v {
		sum += float64(x) * float64(x)
	}
	return math.Sqrt(sum)
}

// Normalize scales v to unit length in place. It fails, and leaves v alone,
// when v is zero or not finite.
func Normalize(v []float32) error {
	n := Norm(v)
	if n == 0 || math.IsNaN(n) || math.IsInf(n, 0) {
		return errors.New("vector has no direction")
	}
	for i, x := range v {
		v[i] = float32(float64(x) / n)
	}
	return nil
}

// Mean returns the mean of equally long rows, summed in float64. It fails when
// there are none or their lengths differ.
func Mean(rows ...[]float32) ([]float32, error) {
	if len(rows) == 0 {
		return nil, errors.New("mean of no rows")
	}
	mean := make([]float32, len(rows[0]))
	for r, row := range rows {
		if len(row) != len(mean) {
			return nil, fmt.Errorf("row %d has %d elements, the first has %d", r, len(row), len(mean))
		}
	}
	for i := range mean {
		var sum float64
		for _, row := range rows {
			sum += float64(row[i])
		}
		mean[i] = float32(sum / float64(len(rows)))
	}
	return mean, nil
}

// Cosine returns the cosine similarity of two equally long vectors, -1..1. It
// is 0 when either is zero.
func Cosine(a, b []float32) float64 {
	var dot float64
	for i, x := range a {
		dot += float64(x) * float64(b[i])
	}
	n := Norm(a) * Norm(b)
	if n == 0 {
		return 0
	}
	return dot / n
}
