package subject

import (
	"cmp"
	"slices"

	"github.com/facestudio/facestudio/gateway/internal/identity"
	"github.com/facestudio/facestudio/services/tensor"
)

// Agree returns which embeddings [D] of unit length are of the person that most
// of them are of: the largest group, if it is more than half. There is none
// otherwise. Groups are those of average-linkage clustering: each embedding
// begins as one, and the two groups with the highest mean similarity between
// them become one while that is at least the level.
func Agree(rows [][]float32, levels identity.Levels) (kept []int) {
	least := levels.Same
	if len(rows) == 2 {
		least = levels.Pair
	}
	groups := make([][]int, len(rows))
	for i := range rows {
		groups[i] = []int{i}
	}
	for len(groups) > 1 {
		a, b, similarity := nearest(rows, groups)
		if similarity < least {
			break
		}
		groups[a] = append(groups[a], groups[b]...)
		groups = slices.Delete(groups, b, b+1)
	}
	if len(groups) == 0 {
		return nil
	}
	largest := slices.MaxFunc(groups, func(a, b []int) int { return cmp.Compare(len(a), len(b)) })
	if 2*len(largest) <= len(rows) {
		return nil
	}
	slices.Sort(largest)
	return largest
}

// nearest returns the two groups a < b that are most alike, and how much.
func nearest(rows [][]float32, groups [][]int) (a, b int, similarity float64) {
	similarity = -2
	for i := range groups {
		for j := i + 1; j < len(groups); j++ {
			var sum float64
			for _, p := range groups[i] {
				for _, q := range groups[j] {
					sum += tensor.Cosine(rows[p], rows[q])
				}
			}
			if mean := sum / float64(len(groups[i])*len(groups[j])); mean > similarity {
				a, b, similarity = i, j, mean
			}
		}
	}
	return a, b, similarity
}

// likeness returns the similarity of an embedding to the mean of others, -1..1.
func likeness(row []float32, others [][]float32) float64 {
	mean, err := tensor.Mean(others...)
	if err != nil {
		return 0
	}
	return tensor.Cosine(row, mean)
}
