package mask_test

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/facestudio/facestudio/services/mask"
)

const w, h = 16, 8

// random returns n masks of random values, some of them 0 or 1.
func random(seed uint64, n int) [][]float32 {
	r := rand.New(rand.NewPCG(seed, 1))
	masks := make([][]float32, n)
	for i := range masks {
		masks[i] = make([]float32, w*h)
		for j := range masks[i] {
			masks[i][j] = max(0, min(1, 2*r.Float32()-0.5))
		}
	}
	return masks
}

func TestNormalizeProperties(t *testing.T) {
	for seed := range uint64(50) {
		before := random(seed, 1+int(seed%8))
		masks := random(seed, 1+int(seed%8))
		mask.Normalize(masks)
		for i := range masks[0] {
			var was, is float64
			for n, m := range masks {
				was, is = was+float64(before[n][i]), is+float64(m[i])
				if m[i] < 0 || m[i] > before[n][i] {
					t.Fatalf("seed %d: value %g became %g", seed, before[n][i], m[i])
				}
			}
			if is > 1 {
				t.Fatalf("seed %d: sum %g", seed, is)
			}
			if was <= 1 && is != was {
				t.Fatalf("seed %d: sum %g changed to %g without need", seed, was, is)
			}
		}
	}
}

func TestNormalizeMendsBadValues(t *testing.T) {
	var zero float32
	masks := [][]float32{{-1, zero / zero, 3}}
	mask.Normalize(masks)
	if want := []float32{0, 0, 1}; !slices.Equal(masks[0], want) {
		t.Errorf("got %v, want %v", masks[0], want)
	}
}

func TestAssignFillsUp(t *testing.T) {
	for seed := range uint64(50) {
		n := 1 + int(seed%8)
		for _, to := range [][]int{{0}, {n - 1}, slices.Collect(func(yield func(int) bool) {
			for i := range n {
				if !yield(i) {
					return
				}
			}
		})} {
			masks, before := random(seed, n), random(seed, n)
			mask.Normalize(masks)
			mask.Normalize(before)
			mask.Assign(masks, to)
			for i := range masks[0] {
				var sum float64
				for k, m := range masks {
					sum += float64(m[i])
					if !slices.Contains(to, k) && m[i] != before[k][i] {
						t.Fatalf("mask %d changed", k)
					}
				}
				if sum < 1-1e-6 || sum > 1+1e-6 {
					t.Fatalf("sum %g", sum)
				}
			}
		}
	}
}

func TestAssignLeavesFullMaskAlone(t *testing.T) {
	full := slices.Repeat([]float32{1}, w*h)
	masks := [][]float32{slices.Clone(full), make([]float32, w*h)}
	mask.Assign(masks, []int{1})
	if !slices.Equal(masks[0], full) || slices.Max(masks[1]) != 0 {
		t.Error("a mask without room changed")
	}
}

func TestAreaKeepsTheMean(t *testing.T) {
	for seed := range uint64(20) {
		m := random(seed, 1)[0]
		small := mask.Area(m, w, h, w/4, h/4)
		if a, b := mean(m), mean(small); a-b > 1e-6 || b-a > 1e-6 {
			t.Fatalf("mean %g became %g", a, b)
		}
		if same := mask.Area(m, w, h, w, h); !slices.Equal(same, m) {
			t.Fatal("the same size changed a mask")
		}
	}
	if got := mask.Area([]float32{1, 0, 0, 1, 1, 1, 0, 0}, 4, 2, 2, 1); !slices.Equal(got, []float32{0.75, 0.25}) {
		t.Errorf("got %v", got)
	}
}

func mean(m []float32) float64 {
	var sum float64
	for _, v := range m {
		sum += float64(v)
	}
	return sum / float64(len(m))
}

func TestCoverTakesWhateverIsTouched(t *testing.T) {
	m := make([]float32, w*h)
	m[5*w+9] = 1e-6
	want := make([]float32, 4*2)
	want[1*4+2] = 1
	if got := mask.Cover(m, w, h, 4, 2); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestFeather(t *testing.T) {
	m := make([]float32, w*h)
	for y := range h {
		for x := range w / 2 {
			m[y*w+x] = 1
		}
	}
	if got := mask.Feather(m, w, h, 0); !slices.Equal(got, m) {
		t.Error("radius 0 changed the mask")
	}
	soft := mask.Feather(m, w, h, 2)
	for y := range h {
		row := soft[y*w : (y+1)*w]
		for x, v := range row {
			switch {
			case x < w/2-2 && v != 1, x >= w/2+2 && v != 0, x > 0 && v > row[x-1]:
				t.Fatalf("value %g in column %d of %v", v, x, row)
			}
		}
	}
}

func TestPresent(t *testing.T) {
	for name, c := range map[string]struct {
		masks [][]float32
		want  []int
	}{
		"some": {[][]float32{{0, 0}, {0, 0.1}, {1, 0}}, []int{1, 2}},
		"none": {[][]float32{{0}, {0}}, []int{0, 1}},
	} {
		if got := mask.Present(c.masks); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

func TestSum(t *testing.T) {
	masks := random(3, 4)
	mask.Normalize(masks)
	for i, v := range mask.Sum(masks) {
		if v < masks[0][i] || v > 1 {
			t.Fatalf("sum %g of %g...", v, masks[0][i])
		}
	}
}

// Whatever the masks hold, what comes of them is of 0..1 and sums to at most 1.
func FuzzMasks(f *testing.F) {
	f.Add([]byte{0, 0, 128, 63, 0, 0, 192, 127, 0, 0, 128, 191, 205, 204, 204, 61}, uint8(2))
	f.Fuzz(func(t *testing.T, data []byte, count uint8) {
		const w, h = 4, 4
		masks := make([][]float32, 1+int(count)%8)
		for n := range masks {
			masks[n] = make([]float32, w*h)
			for i := range masks[n] {
				if at := 4 * (n*w*h + i); at+4 <= len(data) {
					masks[n][i] = math.Float32frombits(binary.LittleEndian.Uint32(data[at:]))
				}
			}
		}
		mask.Normalize(masks)
		if e := mask.Excess(masks); !(e <= 1e-6) {
			t.Fatalf("the sum is above 1 by %g", e)
		}
		for _, m := range masks {
			for _, v := range append(mask.Area(m, w, h, 2, 2), mask.Feather(m, w, h, 1)...) {
				if !(v >= 0 && v <= 1.0001) {
					t.Fatalf("a value is %g", v)
				}
			}
			mask.Bounds(m, w, h)
		}
		if len(masks) > 1 {
			mask.Without(masks[0], mask.Sum(masks[1:]))
		}
		mask.Assign(masks, mask.Present(masks))
		if e := mask.Excess(masks); !(e <= 1e-5) {
			t.Fatalf("with the background the sum is above 1 by %g", e)
		}
	})
}
