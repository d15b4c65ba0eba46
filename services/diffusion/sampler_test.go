package diffusion_test

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/facestudio/facestudio/services/diffusion"
)

func TestEulerAncestralGolden(t *testing.T) {
	file := golden[struct {
		Tolerance float64
		Model     model
		Cases     []struct {
			Name          string
			Prediction    diffusion.Prediction
			Spacing       diffusion.Spacing
			Steps, First  int
			Noise         [][]float32
			Start, Source []float32
			Inputs        [][]float32
			Latents       [][]float32
		}
	}](t, "euler_ancestral.json")
	for _, c := range file.Cases {
		t.Run(c.Name, func(t *testing.T) {
			s := sampler(t, diffusion.Settings{
				Method: diffusion.EulerAncestral, Prediction: c.Prediction, Spacing: c.Spacing, Steps: c.Steps, First: c.First,
			})
			x, input, out := make([]float32, len(c.Start)), make([]float32, len(c.Start)), make([]float32, len(c.Start))
			if c.First > 0 {
				s.Noised(x, c.Source, c.Noise[0], 0)
			} else {
				s.Start(x, c.Noise[0])
			}
			near(t, "start", x, c.Start, file.Tolerance)
			for k := range s.Steps() {
				s.Input(input, x, k)
				near(t, fmt.Sprintf("input %d", k), input, c.Inputs[k], file.Tolerance)
				file.Model.predict(out, input, s.Timesteps[k])
				s.Denoised(out, x, out, k)
				s.Step(x, out, c.Noise[c.First+k+1], nil, k)
				near(t, fmt.Sprintf("latent %d", k), x, c.Latents[k], file.Tolerance)
			}
			if s.Up(s.Steps()-1) != 0 {
				t.Error("the last step adds noise")
			}
		})
	}
}

func TestSamplersGolden(t *testing.T) {
	file := golden[struct {
		Tolerance float64
		Model     model
		Cases     []struct {
			Name         string
			Method       diffusion.Method
			Prediction   diffusion.Prediction
			Spacing      diffusion.Spacing
			Steps, First int
			Karras       bool
			Timesteps    []float64
			Sigmas       []float64
			Noise        []float32
			Source       []float32
			Start        []float32
			At           []int
			Latents      [][]float32
		}
	}](t, "samplers.json")
	for _, c := range file.Cases {
		t.Run(c.Name, func(t *testing.T) {
			s := sampler(t, diffusion.Settings{
				Method: c.Method, Prediction: c.Prediction, Spacing: c.Spacing, Steps: c.Steps, First: c.First, Karras: c.Karras,
			})
			near(t, "timesteps", s.Timesteps, c.Timesteps, file.Tolerance)
			if c.Sigmas != nil {
				near(t, "sigmas", s.Sigmas, c.Sigmas, file.Tolerance)
			}
			// theirs is a picture's latents as diffusers keeps them.
			theirs := func(x []float32, k int) []float32 {
				theirs := slices.Clone(x)
				if c.Method != diffusion.Euler {
					for i := range theirs {
						theirs[i] /= float32(math.Sqrt(s.Sigmas[k]*s.Sigmas[k] + 1))
					}
				}
				return theirs
			}
			r := newRun(s, len(c.Start))
			if c.First > 0 {
				s.Noised(r.x, c.Source, c.Noise, 0)
			} else {
				s.Start(r.x, c.Noise)
			}
			near(t, "start", theirs(r.x, 0), c.Start, file.Tolerance)
			for k := range s.Steps() {
				r.step(file.Model, nil, k)
				if i := slices.Index(c.At, k+1); i >= 0 {
					near(t, fmt.Sprintf("latent %d", k+1), theirs(r.x, k+1), c.Latents[i], file.Tolerance)
				}
				if s.Up(k) != 0 {
					t.Errorf("step %d adds noise", k)
				}
			}
		})
	}
}

func TestStrengthGolden(t *testing.T) {
	file := golden[struct {
		Cases []struct {
			Steps    int
			Strength float32
			Made     int
		}
	}](t, "strength.json")
	for _, c := range file.Cases {
		if got := c.Steps - diffusion.FirstStep(c.Steps, c.Strength); got != c.Made {
			t.Errorf("%d steps at strength %g: %d are made, want %d", c.Steps, c.Strength, got, c.Made)
		}
	}
}

// The prior's case: DDIM for a model of x0, with a schedule of its own.
func TestPriorGolden(t *testing.T) {
	file := golden[struct {
		Tolerance float64
		Model     model
		Cases     []struct {
			Name      string
			Betas     diffusion.Betas `json:"beta_schedule"`
			Steps     int
			Timesteps []float64
			Start     []float32
			Latents   [][]float32
		}
	}](t, "ddim_x0.json")
	for _, c := range file.Cases {
		t.Run(c.Name, func(t *testing.T) {
			schedule, err := diffusion.NewSchedule(c.Betas, 0.00085, 0.012, 1000)
			if err != nil {
				t.Fatal(err)
			}
			s, err := diffusion.NewSampler(schedule, diffusion.Settings{
				Method: diffusion.DDIM, Prediction: diffusion.Sample, Spacing: diffusion.Trailing, Steps: c.Steps,
			})
			if err != nil {
				t.Fatal(err)
			}
			near(t, "timesteps", s.Timesteps, c.Timesteps, 0)
			r := newRun(s, len(c.Start))
			s.Start(r.x, c.Start)
			for k := range s.Steps() {
				r.step(file.Model, nil, k)
				got := slices.Clone(r.x)
				s.Input(got, r.x, min(k+1, s.Steps()-1))
				if k == s.Steps()-1 {
					copy(got, r.x)
				}
				near(t, fmt.Sprintf("latent %d", k), got, c.Latents[k], file.Tolerance)
			}
		})
	}
}

// run is a picture on its way through a sampler.
type run struct {
	s       *diffusion.Sampler
	x, out  []float32
	history [][]float32
}

func newRun(s *diffusion.Sampler, size int) *run {
	r := &run{s: s, x: make([]float32, size), out: make([]float32, size)}
	for range s.History() {
		// What is there before the first step must not matter.
		r.history = append(r.history, slices.Repeat([]float32{float32(math.Inf(1))}, size))
	}
	return r
}

func (r *run) step(m model, noise []float32, k int) {
	r.s.Input(r.out, r.x, k)
	m.predict(r.out, r.out, r.s.Timesteps[k])
	r.s.Denoised(r.out, r.x, r.out, k)
	r.s.Step(r.x, r.out, noise, r.history, k)
}

// A model that knows the picture is followed to it by every method, whatever
// the steps, the prediction and the noise levels.
func TestSamplersReachWhatTheModelSays(t *testing.T) {
	picture := []float32{0.5, -1, 2, 0, 1e-3}
	for _, method := range diffusion.Methods() {
		for _, prediction := range []diffusion.Prediction{diffusion.Epsilon, diffusion.Velocity, diffusion.Sample} {
			for _, steps := range []int{1, 2, 3, 5, 25, 99, 100} {
				for _, karras := range []bool{false, true}[:1+map[bool]int{true: 1}[method.HasKarras()]] {
					for _, first := range []int{0, steps / 2, steps - 1} {
						s := sampler(t, diffusion.Settings{
							Method: method, Prediction: prediction, Spacing: diffusion.Trailing, Steps: steps, First: first, Karras: karras,
						})
						r, noise := newRun(s, len(picture)), make([]float32, len(picture))
						diffusion.Noise{Seed: 3}.Fill(noise, 0)
						s.Noised(r.x, picture, noise, 0)
						for k := range s.Steps() {
							r.know(prediction, picture, k)
							diffusion.Noise{Seed: 3}.Fill(noise, uint32(k+1))
							s.Step(r.x, r.out, noise, r.history, k)
						}
						near(t, fmt.Sprintf("%s %s of %d from %d", method, prediction, steps, first), r.x, picture, 1e-4)
					}
				}
			}
		}
	}
}

// know predicts as a model that knows the picture.
func (r *run) know(p diffusion.Prediction, picture []float32, k int) {
	sigma := float32(r.s.Sigmas[k])
	root := float32(math.Sqrt(float64(sigma*sigma + 1)))
	for i, x0 := range picture {
		eps := (r.x[i] - x0) / sigma
		switch p {
		case diffusion.Epsilon:
			r.out[i] = eps
		case diffusion.Velocity:
			r.out[i] = (eps - sigma*x0) / root
		case diffusion.Sample:
			r.out[i] = x0
		}
	}
	r.s.Denoised(r.out, r.x, r.out, k)
}

func TestStepsMakeNoGarbage(t *testing.T) {
	for _, method := range diffusion.Methods() {
		s := sampler(t, settings(func(o *diffusion.Settings) { o.Method, o.Steps = method, 25 }))
		r, noise := newRun(s, 2048), make([]float32, 2048)
		source := diffusion.Noise{Seed: 7}
		if n := testing.AllocsPerRun(10, func() {
			source.Fill(noise, 3)
			s.Start(r.x, noise)
			for k := range 5 {
				r.step(model{}, noise, k)
			}
		}); n != 0 {
			t.Errorf("%s: %v allocations in five steps", method, n)
		}
	}
}
