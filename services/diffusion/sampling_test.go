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
			s := sampler(t, diffusion.Settings{
				Method: diffusion.EulerAncestral, Prediction: diffusion.Epsilon, Spacing: c.Spacing, Steps: c.Steps, Offset: c.StepsOffset,
			})
			near(t, "timesteps", s.Timesteps, c.Timesteps, file.Tolerance)
			near(t, "sigmas", s.Sigmas, c.Sigmas, file.Tolerance)
			near(t, "init", []float64{s.Init}, []float64{c.Init}, file.Tolerance)
		})
	}
}

func TestGuidanceGolden(t *testing.T) {
	file := golden[struct {
		Tolerance float64
		Cases     []struct {
			Scale, Rescale                               float32
			Unconditional, Conditional, Guided, Rescaled []float32
		}
	}](t, "guidance.json")
	for _, c := range file.Cases {
		dst := make([]float32, len(c.Guided))
		diffusion.Guide(dst, c.Unconditional, c.Conditional, c.Scale)
		near(t, fmt.Sprintf("scale %g", c.Scale), dst, c.Guided, file.Tolerance)
		diffusion.Rescale(dst, c.Conditional, c.Rescale)
		near(t, fmt.Sprintf("scale %g, rescale %g", c.Scale, c.Rescale), dst, c.Rescaled, file.Tolerance)
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
		"prediction": second(diffusion.NewSampler(s, settings(func(o *diffusion.Settings) { o.Prediction = "score" }))),
		"method":     second(diffusion.NewSampler(s, settings(func(o *diffusion.Settings) { o.Method = "heun" }))),
		"negative":   second(diffusion.NewSampler(s, settings(func(o *diffusion.Settings) { o.Steps = -1 }))),
		"none":       second(diffusion.NewSampler(s, settings(func(o *diffusion.Settings) { o.Steps = 0 }))),
		"all left":   second(diffusion.NewSampler(s, settings(func(o *diffusion.Settings) { o.First = 5 }))),
		"before all": second(diffusion.NewSampler(s, settings(func(o *diffusion.Settings) { o.First = -1 }))),
		"karras":     second(diffusion.NewSampler(s, settings(func(o *diffusion.Settings) { o.Karras = true }))),
	} {
		if err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func second[T any](_ T, err error) error { return err }

// settings are those of a small sampler, changed.
func settings(change func(*diffusion.Settings)) diffusion.Settings {
	o := diffusion.Settings{Method: diffusion.EulerAncestral, Prediction: diffusion.Velocity, Spacing: diffusion.Trailing, Steps: 5}
	change(&o)
	return o
}

func sampler(t *testing.T, o diffusion.Settings) *diffusion.Sampler {
	t.Helper()
	s, err := diffusion.NewSampler(stable(t), o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}
