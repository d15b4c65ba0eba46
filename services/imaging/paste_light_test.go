package imaging_test

import (
	"math"
	"slices"
	"testing"

	"github.com/facestudio/facestudio/services/imaging"
)

func plain(r, g, b uint8) *imaging.RGB {
	p := imaging.NewRGB(8, 8)
	for i := range 64 {
		copy(p.Pix[3*i:], []uint8{r, g, b})
	}
	return p
}

func TestMatchLight(t *testing.T) {
	everywhere := slices.Repeat([]float32{1}, 64)
	tests := map[string]struct {
		made, crop *imaging.RGB
		weight     []float32
		want       [3]uint8
	}{
		"the same light":          {plain(120, 90, 60), plain(200, 150, 100), everywhere, [3]uint8{120, 90, 60}},
		"a cast goes":             {plain(130, 100, 90), plain(100, 100, 100), everywhere, [3]uint8{108, 108, 108}},
		"not where nothing is":    {plain(130, 100, 90), plain(100, 100, 100), make([]float32, 64), [3]uint8{130, 100, 90}},
		"no more than by a third": {plain(200, 50, 100), plain(100, 100, 100), everywhere, [3]uint8{148, 68, 101}},
		"black has no colour":     {plain(0, 0, 0), plain(100, 90, 80), everywhere, [3]uint8{0, 0, 0}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got := imaging.MatchLight(test.made, test.crop, test.weight).At(3, 3)
			for c := range 3 {
				if math.Abs(float64(got[c])-float64(test.want[c])) > 1 {
					t.Fatalf("got %v, want %v", got, test.want)
				}
			}
		})
	}
}
