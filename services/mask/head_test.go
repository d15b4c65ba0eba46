package mask_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/facestudio/facestudio/services/mask"
)

func TestDistanceIsThatOfTheNearestPixel(t *testing.T) {
	for seed := range uint64(40) {
		r := rand.New(rand.NewPCG(seed, 3))
		region := make([]bool, w*h)
		for i := range region {
			region[i] = r.Float64() < 0.1+0.02*float64(seed)
		}
		for i, got := range mask.Distance(region, w, h) {
			want := math.Inf(1)
			for j, in := range region {
				if in != region[i] {
					want = min(want, math.Hypot(float64(i%w-j%w), float64(i/w-j/w))-0.5)
				}
			}
			if region[i] {
				want = -want
			}
			if math.IsInf(want, 0) != math.IsInf(got, 0) || math.Abs(got-want) > 1e-9 {
				t.Fatalf("seed %d, pixel %d: %v, want %v", seed, i, got, want)
			}
		}
	}
}

func TestHeadMatte(t *testing.T) {
	const n = 128
	everywhere := slices.Repeat([]float32{1}, n*n)
	nowhere := make([]float32, n*n)
	right := make([]float32, n*n)
	for i := range right {
		if i%n >= 90 {
			right[i] = 1
		}
	}
	around := mask.Ellipse{X: 63.5, Y: 61, RX: 56, RY: 63}
	face := mask.Ellipse{X: 63.5, Y: 77, RX: 26, RY: 36}
	tests := map[string]struct {
		head  mask.Head
		at    [2]int
		matte float32
	}{
		"the face":                       {mask.Head{Person: everywhere, Around: around, Face: face}, [2]int{64, 77}, 1},
		"beside the head":                {mask.Head{Person: everywhere, Around: around, Face: face}, [2]int{5, 116}, 0},
		"a face that no mask shows":      {mask.Head{Person: nowhere, Around: around, Face: face}, [2]int{64, 77}, 1},
		"the hair that no mask shows":    {mask.Head{Person: nowhere, Around: around, Face: face}, [2]int{64, 15}, 0},
		"another person":                 {mask.Head{Person: everywhere, Others: [][]float32{right}, Around: around, Face: face}, [2]int{96, 64}, 0},
		"the face before another person": {mask.Head{Person: everywhere, Others: [][]float32{right}, Around: around, Face: face}, [2]int{64, 64}, 1},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			matte, region := test.head.Matte(n, n)
			if got := matte[test.at[1]*n+test.at[0]]; got != test.matte {
				t.Errorf("the matte is %v, want %v", got, test.matte)
			}
			for i, m := range matte {
				x, y := i%n, i/n
				if m < 0 || m > 1 || (m > 0 && (x == 0 || y == 0 || x == n-1 || y == n-1)) {
					t.Fatalf("the matte at %d, %d is %v", x, y, m)
				}
				if m > 0 && region[i] != 1 {
					t.Fatalf("at %d, %d the matte is %v, but nothing is made there", x, y, m)
				}
				if y > 0 && math.Abs(float64(m-matte[i-n])) > 0.3 && len(test.head.Others) == 0 {
					t.Fatalf("the matte jumps from %v to %v at %d, %d", matte[i-n], m, x, y)
				}
			}
		})
	}
	t.Run("nobody at all", func(t *testing.T) {
		matte, region := mask.Head{Person: nowhere}.Matte(n, n)
		if slices.Max(matte) != 0 || slices.Max(region) != 0 {
			t.Error("there is something")
		}
	})
}

func TestAround(t *testing.T) {
	other := make([]float32, w*h)
	for i := range other {
		if x := i % w; x >= w/2 {
			other[i] = 1
		} else if x == w/2-1 {
			other[i] = 0.5
		}
	}
	alone, beside := mask.Around(nil, w, h), mask.Around([][]float32{other}, w, h)
	for i := range alone {
		x, y := i%w, i/w
		border := min(x, y, w-1-x, h-1-y)
		switch {
		case border == 0 && alone[i] != 0:
			t.Fatalf("at the border %d, %d it is %v", x, y, alone[i])
		case border > min(w, h)/8 && alone[i] != 1:
			t.Fatalf("inside, at %d, %d, it is %v", x, y, alone[i])
		case x >= w/2 && beside[i] != 0:
			t.Fatalf("where somebody else is, at %d, %d, it is %v", x, y, beside[i])
		case x < w/2 && beside[i] != alone[i]:
			t.Fatalf("at %d, %d it is %v beside somebody, %v alone", x, y, beside[i], alone[i])
		}
	}
}
