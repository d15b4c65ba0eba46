package diffusion_test

import (
	"fmt"
	"math"
	"strconv"
	"testing"

	"github.com/facestudio/facestudio/services/diffusion"
)

func words(t *testing.T, hex []string) []uint32 {
	t.Helper()
	out := make([]uint32, len(hex))
	for i, h := range hex {
		v, err := strconv.ParseUint(h, 16, 32)
		if err != nil {
			t.Fatal(err)
		}
		out[i] = uint32(v)
	}
	return out
}

func TestPhiloxKnownAnswers(t *testing.T) {
	file := golden[struct {
		Cases []struct{ Counter, Key, Result []string }
	}](t, "philox.json")
	for _, c := range file.Cases {
		got := diffusion.Philox([4]uint32(words(t, c.Counter)), [2]uint32(words(t, c.Key)))
		if want := [4]uint32(words(t, c.Result)); got != want {
			t.Errorf("counter %v key %v: %08x, want %08x", c.Counter, c.Key, got, want)
		}
	}
}

func TestNoiseGolden(t *testing.T) {
	file := golden[struct {
		Tolerance float64
		Version   string
		Draws     []struct {
			Seed          string
			Step, Picture uint32
			Stream        diffusion.Stream
			Normals       []float32
		}
		Moments struct {
			Seed         string
			Count        int
			Sum          float64
			SumOfSquares float64 `json:"sum_of_squares"`
		}
		Identities []struct {
			Seed             string
			Picture          uint32
			People, Identity int
		}
	}](t, "noise.json")
	if file.Version != diffusion.NoiseVersion {
		t.Fatalf("golden values are of version %q", file.Version)
	}
	for _, c := range file.Draws {
		noise := diffusion.Noise{Seed: seed(t, c.Seed), Index: c.Picture, Stream: c.Stream}
		got := make([]float32, len(c.Normals))
		noise.Fill(got, c.Step)
		near(t, fmt.Sprintf("seed %s step %d picture %d stream %d", c.Seed, c.Step, c.Picture, c.Stream), got, c.Normals, file.Tolerance)
	}
	normals := make([]float32, file.Moments.Count)
	diffusion.Noise{Seed: seed(t, file.Moments.Seed)}.Fill(normals, 0)
	var sum, squares float64
	for _, v := range normals {
		sum += float64(v)
		squares += float64(v) * float64(v)
	}
	near(t, "moments", []float64{sum, squares}, []float64{file.Moments.Sum, file.Moments.SumOfSquares}, 1e-5)
	for _, c := range file.Identities {
		if got := (diffusion.Noise{Seed: seed(t, c.Seed), Index: c.Picture}).Identity(c.People); got != c.Identity {
			t.Errorf("seed %s picture %d people %d: identity %d, want %d", c.Seed, c.Picture, c.People, got, c.Identity)
		}
	}
}

func seed(t *testing.T, text string) uint64 {
	t.Helper()
	if v, err := strconv.ParseUint(text, 10, 64); err == nil {
		return v
	}
	v, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return uint64(v)
}

func TestNoiseIsNormalAndIndependent(t *testing.T) {
	const n = 1 << 16
	draw := func(noise diffusion.Noise, step uint32) []float32 {
		out := make([]float32, n)
		noise.Fill(out, step)
		return out
	}
	base := draw(diffusion.Noise{Seed: 1}, 0)
	var mean, variance, fourth float64
	for _, v := range base {
		mean += float64(v) / n
		variance += float64(v) * float64(v) / n
		fourth += math.Pow(float64(v), 4) / n
	}
	// Five standard errors.
	if math.Abs(mean) > 5/math.Sqrt(n) || math.Abs(variance-1) > 5*math.Sqrt(2./n) || math.Abs(fourth-3) > 5*math.Sqrt(96./n) {
		t.Errorf("moments %g %g %g", mean, variance, fourth)
	}
	for name, other := range map[string][]float32{
		"seed":   draw(diffusion.Noise{Seed: 2}, 0),
		"high":   draw(diffusion.Noise{Seed: 1 + 1<<32}, 0),
		"index":  draw(diffusion.Noise{Seed: 1, Index: 1}, 0),
		"stream": draw(diffusion.Noise{Seed: 1, Stream: diffusion.Keep}, 0),
		"step":   draw(diffusion.Noise{Seed: 1}, 1),
	} {
		var correlation float64
		for i := range base {
			correlation += float64(base[i]) * float64(other[i]) / n
		}
		if math.Abs(correlation) > 5/math.Sqrt(n) {
			t.Errorf("%s: correlation %g", name, correlation)
		}
	}
}

func TestNoisePrefix(t *testing.T) {
	long, short := make([]float32, 64), make([]float32, 13)
	noise := diffusion.Noise{Seed: 3, Index: 2}
	noise.Fill(long, 4)
	noise.Fill(short, 4)
	near(t, "prefix", short, long[:13], 0)
}
