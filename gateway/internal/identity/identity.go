// Package identity is the arithmetic of face embeddings e_f: the mean of one
// person's photos, the photos that do not fit the others, and the mix of
// several people (paper 3.2). Embeddings are unit vectors of one length.
package identity

import (
	"errors"
	"fmt"
	"math"

	"github.com/facestudio/facestudio/services/tensor"
)

// Mean returns the mean of one person's embeddings, renormalised:
//
//	e_f = m / |m|, m = (1/n) sum_i e_f^i
//
// It fails when there are none or they cancel each other out.
func Mean(rows [][]float32) ([]float32, error) {
	mean, err := tensor.Mean(rows...)
	if err != nil {
		return nil, fmt.Errorf("average face embeddings: %w", err)
	}
	if err := tensor.Normalize(mean); err != nil {
		return nil, fmt.Errorf("average face embeddings: %w", err)
	}
	return mean, nil
}

// Agreement returns, for each of a person's embeddings, its cosine similarity
// to the mean of the others; 1 for a single one.
func Agreement(rows [][]float32) []float64 {
	out := make([]float64, len(rows))
	for i, row := range rows {
		out[i] = 1
		if len(rows) == 1 {
			break
		}
		rest := make([]float32, len(row))
		for j, other := range rows {
			for k := range rest {
				if j != i {
					rest[k] += other[k]
				}
			}
		}
		out[i] = tensor.Cosine(row, rest)
	}
	return out
}

// Outliers returns which embeddings are not of the person that most are of: the
// one that agrees least with the others goes, while its agreement is below
// least (Levels.Same) and more than two are left. Of two that disagree it is not
// known which one is wrong, so both stay.
func Outliers(rows [][]float32, least float64) []bool {
	out := make([]bool, len(rows))
	for {
		var left [][]float32
		var at []int
		for i, row := range rows {
			if !out[i] {
				left, at = append(left, row), append(at, i)
			}
		}
		if len(left) < 3 {
			return out
		}
		worst, lowest := -1, least
		for i, a := range Agreement(left) {
			if a < lowest {
				worst, lowest = at[i], a
			}
		}
		if worst < 0 {
			return out
		}
		out[worst] = true
	}
}

// Mix returns the mix of several people by weight (paper 3.2), renormalised:
//
//	e_f = m / |m|, m = sum_i beta_i e_f^i, beta_i = weight_i / sum_j weight_j
//
// Weights are above 0 and finite. It fails when there is nobody, or when the
// faces cancel each other out.
func Mix(rows [][]float32, weights []float32) ([]float32, error) {
	if len(rows) == 0 || len(rows) != len(weights) {
		return nil, fmt.Errorf("mix of %d people with %d weights", len(rows), len(weights))
	}
	var total float64
	for _, w := range weights {
		if !(w > 0) || math.IsInf(float64(w), 0) {
			return nil, errors.New("mix with a weight that is not above 0 and finite")
		}
		total += float64(w)
	}
	mixed := make([]float32, len(rows[0]))
	for k := range mixed {
		var sum float64
		for i, row := range rows {
			sum += float64(weights[i]) / total * float64(row[k])
		}
		mixed[k] = float32(sum)
	}
	if err := tensor.Normalize(mixed); err != nil {
		return nil, fmt.Errorf("mix face embeddings: %w", err)
	}
	return mixed, nil
}

// gain is how far an embedding is moved against an error: of all of it and half,
// the better by the bundle's face encoder on the person's other photos.
const gain = 0.5

// Corrected returns the embedding that is to bring out the wanted one better than
// aim did, of which the face with embedding got came:
//
//	aim' = m / |m|, m = aim + gain (wanted - got)
//
// It fails when nothing is left.
func Corrected(aim, wanted, got []float32) ([]float32, error) {
	if len(wanted) != len(aim) || len(got) != len(aim) {
		return nil, fmt.Errorf("correct face embedding: lengths %d, %d and %d differ", len(aim), len(wanted), len(got))
	}
	out := make([]float32, len(aim))
	for i := range out {
		out[i] = aim[i] + gain*(wanted[i]-got[i])
	}
	if err := tensor.Normalize(out); err != nil {
		return nil, fmt.Errorf("correct face embedding: %w", err)
	}
	return out, nil
}
