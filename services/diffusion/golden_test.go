package diffusion_test

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"testing"
)

// model is the linear model of the golden runs.
type model struct{ A, B, C float32 }

func (m model) predict(dst, x []float32, t float64) {
	for i := range dst {
		dst[i] = m.A*x[i] + m.B*float32(t)/1000 + m.C
	}
}

// golden reads testdata/name, which training/facestudio_training/golden writes.
func golden[T any](t *testing.T, name string) T {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	var value T
	if err := json.Unmarshal(data, &value); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return value
}

// near fails unless got is want within tolerance * max(1, |want|).
func near[T float32 | float64](t *testing.T, what string, got, want []T, tolerance float64) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: %d values, want %d", what, len(got), len(want))
	}
	for i := range want {
		if d := math.Abs(float64(got[i]) - float64(want[i])); !(d <= tolerance*max(1, math.Abs(float64(want[i])))) {
			t.Fatalf("%s[%d] = %v, want %v (off by %g, tolerance %g)", what, i, got[i], want[i], d, tolerance)
		}
	}
}
