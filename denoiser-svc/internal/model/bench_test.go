package model_test

import (
	"fmt"
	"math"
	"os"
	"runtime"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/facestudio/facestudio/denoiser-svc/internal/model"
	"github.com/facestudio/facestudio/services/bundle"
	"github.com/facestudio/facestudio/services/tensor"
	"github.com/facestudio/facestudio/services/testkit"
	"github.com/facestudio/facestudio/services/testkit/stage"
)

// BenchmarkUNet times runs of the U-Net at the default size by the bundle in
// FACESTUDIO_BUNDLE (the tiny one without it) on all processors: pictures with
// guidance, two rows each, so many to a run, and so many people in a picture.
// The variants take turns, so that what else the machine does hits all alike.
// The figures are medians for one picture: time, time over that of one picture
// with one person in the same turn, and the same of the processors' time,
// which depends less on what else runs.
func BenchmarkUNet(b *testing.B) {
	models, m := load(b)
	type variant struct{ pictures, people int }
	variants := []variant{{1, 1}, {2, 1}, {4, 1}, {1, 2}, {1, 3}}
	runs := make([]func(), len(variants))
	for i, v := range variants {
		runs[i] = unet(b, models, m, v.pictures, v.people)
		runs[i]()
	}
	took, used := make([][]float64, len(variants)), make([][]float64, len(variants))
	for b.Loop() {
		for i, run := range runs {
			begin, busy := time.Now(), processors(b)
			run()
			one := float64(variants[i].pictures) * 1e6
			took[i] = append(took[i], float64(time.Since(begin))/one)
			used[i] = append(used[i], float64(processors(b)-busy)/one)
		}
	}
	for i, v := range variants {
		name := fmt.Sprintf("pictures=%d,people=%d", v.pictures, v.people)
		b.ReportMetric(median(took[i]), name+":ms")
		b.ReportMetric(ratio(took[i], took[0]), name+":ratio")
		b.ReportMetric(ratio(used[i], used[0]), name+":cpu-ratio")
	}
}

// processors is how long the process has kept processors busy.
func processors(b *testing.B) time.Duration {
	b.Helper()
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		b.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

// ratio is the median of v over base, turn by turn: a slow spell weighs on
// neither side.
func ratio(v, base []float64) float64 {
	ratios := make([]float64, len(v))
	for k := range v {
		ratios[k] = v[k] / base[k]
	}
	return math.Round(1000*median(ratios)) / 1000
}

func median(v []float64) float64 {
	v = slices.Sorted(slices.Values(v))
	return v[len(v)/2]
}

func load(b *testing.B) (*model.Models, *bundle.Manifest) {
	b.Helper()
	env := stage.Env(b)
	env.Threads = runtime.NumCPU()
	if dir := os.Getenv("FACESTUDIO_BUNDLE"); dir != "" {
		opened, err := bundle.Open(dir, bundle.Options{Cache: testkit.ModelCache(b)})
		if err != nil {
			b.Fatal(err)
		}
		env.Bundle = opened
	}
	models, err := model.Load(env)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := models.Close(); err != nil {
			b.Error(err)
		}
	})
	return models, &env.Bundle.Manifest
}

// unet returns a run of the U-Net for pictures, each of them two rows.
func unet(b *testing.B, models *model.Models, m *bundle.Manifest, pictures, people int) func() {
	b.Helper()
	rows, side := int64(2*pictures), int64(m.Canvas.Default/m.Latent.Factor)
	latent := tensor.New(rows, int64(m.Latent.Channels), side, side)
	timestep := tensor.New(rows)
	tokens := tensor.New(rows, int64(people), int64(m.Guidance.Tokens), int64(m.Guidance.Width))
	mask := tensor.New(rows, int64(people), side, side)
	for _, t := range []*tensor.Tensor{latent, timestep, tokens} {
		for i := range t.Data {
			t.Data[i] = float32(math.Sin(float64(i)))
		}
	}
	for i := range mask.Data {
		// Person n has the columns n, n + people, ...
		if x, n := i%int(side), i/int(side*side)%people; x%people == n {
			mask.Data[i] = 1
		}
	}
	return func() {
		if _, err := models.Denoise(b.Context(), latent, timestep, tokens, mask); err != nil {
			b.Fatal(err)
		}
	}
}
