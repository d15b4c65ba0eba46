package subject_test

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/facestudio/facestudio/gateway/internal/identity"
	"github.com/facestudio/facestudio/gateway/internal/subject"
	"github.com/facestudio/facestudio/services/tensor"
)

// photo is an embedding of a photo of a person: the person's own direction,
// which is at right angles to any other's, and half as much that is the
// photo's own.
func photo(person int, seed uint64) []float32 {
	const width = 512
	v := make([]float32, width)
	draw := rand.New(rand.NewPCG(seed, 7)) //nolint:gosec // not a secret
	for i := range v {
		v[i] = float32(draw.NormFloat64() * 0.5 / 22.6)
	}
	v[person]++
	if err := tensor.Normalize(v); err != nil {
		panic(err)
	}
	return v
}

func photos(people ...int) (rows [][]float32) {
	for i, person := range people {
		rows = append(rows, photo(person, uint64(i)))
	}
	return rows
}

func TestAgree(t *testing.T) {
	for name, test := range map[string]struct {
		people []int
		want   []int
	}{
		"nobody":                     {nil, nil},
		"one":                        {[]int{1}, []int{0}},
		"two of one":                 {[]int{1, 1}, []int{0, 1}},
		"two of two":                 {[]int{1, 2}, nil},
		"five of one":                {[]int{3, 3, 3, 3, 3}, []int{0, 1, 2, 3, 4}},
		"one stranger of five":       {[]int{3, 3, 1, 3, 3}, []int{0, 1, 3, 4}},
		"the stranger first":         {[]int{1, 3, 3}, []int{1, 2}},
		"two strangers of one among": {[]int{3, 1, 3, 1, 3}, []int{0, 2, 4}},
		"strangers all different":    {[]int{1, 2, 3, 4}, nil},
		"half and half":              {[]int{1, 1, 2, 2}, nil},
		"no majority":                {[]int{1, 1, 2, 3}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			if got := subject.Agree(photos(test.people...), identity.LevelsOf(nil)); !slices.Equal(got, test.want) {
				t.Errorf("kept %v, want %v", got, test.want)
			}
		})
	}
}

func TestAgreeDoesNotDependOnTheOrder(t *testing.T) {
	rows := photos(1, 2, 1, 3, 1, 1, 2)
	want := len(subject.Agree(rows, identity.LevelsOf(nil)))
	draw := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // not a secret
	for range 20 {
		draw.Shuffle(len(rows), func(i, j int) { rows[i], rows[j] = rows[j], rows[i] })
		if got := len(subject.Agree(rows, identity.LevelsOf(nil))); got != want {
			t.Fatalf("kept %d, want %d", got, want)
		}
	}
}
