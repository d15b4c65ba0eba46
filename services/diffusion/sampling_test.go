package diffusion_test

import (
	"fmt"
	"testing"

	"github.com/facestudio/facestudio/services/diffusion"
)

func stable(t *testing.T) *diffusion.Schedule {
	t.Helper()
	s, err := diffusion.NewSchedule(diffusion.ScaledLinear, 0.00085, 0.012, 1000)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestScheduleGolden(t *testing.T) {
	file := golden[struct {
		Tolerance float64
		Schedules []struct {
			Name          diffusion.Betas
			TrainSteps    int     `json:"train_steps"`
			BetaStart     float64 `json:"beta_start"`
			BetaEnd       float64 `json:"beta_end"`
			At            []int
			Betas         []float64
			AlphasCumprod []float64 `json:"alphas_cumprod"`
			X0, Noise     []float32
			Noised        [][]float32
		}
	}](t, "schedule.json")
	for _, c := range file.Schedules {
		t.Run(string(c.Name), func(t *testing.T) {
			s, err := diffusion.NewSchedule(c.Name, c.BetaStart, c.BetaEnd, c.TrainSteps)
			if err != nil {
				t.Fatal(err)
			}
			dst := make([]float32, len(c.X0))
			for i, at := range c.At {
				near(t, "beta", []float64{s.Betas[at]}, c.Betas[i:i+1], file.Tolerance)
				near(t, "abar", []float64{s.AlphasCumprod[at]}, c.AlphasCumprod[i:i+1], file.Tolerance)
				s.AddNoise(dst, c.X0, c.Noise, at)
				near(t, fmt.Sprintf("noised at %d", at), dst, c.Noised[i], file.Tolerance)
			}
		})
	}
}

func TestSpacingGolden(t *testing.T) {
	file := golden[struct {
		Tolerance float64
		Spacings  []struct {
			Spacing     diffusion.Spacing
			Steps       int
			StepsOffset int `json:"steps_offset"`
			Timesteps   []float64
			Sigmas      []float64
			Init        float64 `json:"init_noise_sigma"`
		}
	}](t, "spacing.json")
	for _, c := range file.Spacings {
		t.Run(fmt.Sprintf("%s/%d/%d", c.Spacing, c.Steps, c.StepsOffset), func(t *testing.T) {
			e, err := diffusion.NewEulerAncestral(stable(t), c.Spacing, c.Steps, c.StepsOffset, diffusion.Epsilon)
			if err != nil {
				t.Fatal(err)
			}
			near(t, "timesteps", e.Timesteps, c.Timesteps, file.Tolerance)
			near(t, "sigmas", e.Sigmas, c.Sigmas, file.Tolerance)
			near(t, "init", []float64{e.Init}, []float64{c.Init}, file.Tolerance)
		})
	}
}

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
			e, err := diffusion.NewEulerAncestral(stable(t), c.Spacing, c.Steps, 0, c.Prediction)
			if err != nil {
				t.Fatal(err)
			}
			x, input, out := make([]float32, len(c.Start)), make([]float32, len(c.Start)), make([]float32, len(c.Start))
			if c.First > 0 {
				e.Noised(x, c.Source, c.Noise[0], c.First)
			} else {
				e.Start(x, c.Noise[0])
			}
			near(t, "start", x, c.Start, file.Tolerance)
			for k := c.First; k < c.Steps; k++ {
				e.Input(input, x, k)
				near(t, fmt.Sprintf("input %d", k), input, c.Inputs[k-c.First], file.Tolerance)
				file.Model.predict(out, input, e.Timesteps[k])
				e.Denoised(out, x, out, k)
				e.Step(x, out, c.Noise[k+1], k)
				near(t, fmt.Sprintf("latent %d", k), x, c.Latents[k-c.First], file.Tolerance)
			}
			if e.Up(c.Steps-1) != 0 {
				t.Error("the last step adds noise")
			}
		})
	}
}

func TestDDIMGolden(t *testing.T) {
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
			s, err := diffusion.NewSchedule(c.Betas, 0.00085, 0.012, 1000)
			if err != nil {
				t.Fatal(err)
			}
			d, err := diffusion.NewDDIM(s, diffusion.Trailing, c.Steps, 0)
			if err != nil {
				t.Fatal(err)
			}
			near(t, "timesteps", d.Timesteps, c.Timesteps, 0)
			x, x0 := append([]float32(nil), c.Start...), make([]float32, len(c.Start))
			for k := range d.Steps() {
				file.Model.predict(x0, x, d.Timesteps[k])
				d.Step(x, x0, k)
				near(t, fmt.Sprintf("latent %d", k), x, c.Latents[k], file.Tolerance)
			}
		})
	}
}

func TestGuidanceGolden(t *testing.T) {
	file := golden[struct {
		Tolerance float64
		Cases     []struct {
			Scale                              float32
			Unconditional, Conditional, Guided []float32
		}
	}](t, "guidance.json")
	for _, c := range file.Cases {
		dst := make([]float32, len(c.Guided))
		diffusion.Guide(dst, c.Unconditional, c.Conditional, c.Scale)
		near(t, fmt.Sprintf("scale %g", c.Scale), dst, c.Guided, file.Tolerance)
	}
}

func TestBlendEndsAreExact(t *testing.T) {
	a, b := []float32{1.5, -2, 1e-30}, []float32{3e30, 0.1, 7}
	dst := make([]float32, 3)
	for alpha, want := range map[float32][]float32{1: a, 0: b} {
		diffusion.Blend(dst, a, b, alpha)
		near(t, fmt.Sprintf("alpha %g", alpha), dst, want, 0)
	}
	diffusion.Blend(dst, []float32{1, 0, 4}, []float32{3, 2, 0}, 0.25)
	near(t, "alpha 0.25", dst, []float32{2.5, 1.5, 1}, 1e-6)
}

func TestBadSettings(t *testing.T) {
	s := stable(t)
	for name, err := range map[string]error{
		"schedule":   second(diffusion.NewSchedule("sigmoid", 0.1, 0.2, 10)),
		"betas":      second(diffusion.NewSchedule(diffusion.Linear, 0.2, 0.1, 10)),
		"no train":   second(diffusion.NewSchedule(diffusion.Linear, 0.1, 0.2, 0)),
		"no steps":   second(s.Timesteps(diffusion.Trailing, 0, 0)),
		"many steps": second(s.Timesteps(diffusion.Trailing, 1001, 0)),
		"spacing":    second(s.Timesteps("random", 10, 0)),
		"offset":     second(s.Timesteps(diffusion.Leading, 10, 500)),
		"prediction": second(diffusion.NewEulerAncestral(s, diffusion.Trailing, 5, 0, "score")),
		"ddim":       second(diffusion.NewDDIM(s, diffusion.Trailing, -1, 0)),
	} {
		if err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func second[T any](_ T, err error) error { return err }

func TestStepsMakeNoGarbage(t *testing.T) {
	e, err := diffusion.NewEulerAncestral(stable(t), diffusion.Trailing, 25, 0, diffusion.Velocity)
	if err != nil {
		t.Fatal(err)
	}
	x, y, noise := make([]float32, 2048), make([]float32, 2048), make([]float32, 2048)
	source := diffusion.Noise{Seed: 7}
	if n := testing.AllocsPerRun(10, func() {
		source.Fill(noise, 3)
		e.Start(x, noise)
		e.Input(y, x, 3)
		e.Denoised(y, x, y, 3)
		e.Step(x, y, noise, 3)
	}); n != 0 {
		t.Errorf("%v allocations a step", n)
	}
}
