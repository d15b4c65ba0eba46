package sample_test

import (
	"slices"
	"strconv"
	"testing"

	"github.com/facestudio/facestudio/denoiser-svc/internal/sample"
	"github.com/facestudio/facestudio/services/diffusion"
)

// setup is that of a generation by a method.
func setup(t *testing.T, method diffusion.Method, seed uint64, steps int, p sample.Predictor) sample.Setup {
	t.Helper()
	schedule, err := diffusion.NewSchedule(diffusion.ScaledLinear, 0.00085, 0.012, 1000)
	if err != nil {
		t.Fatal(err)
	}
	sampler, err := diffusion.NewSampler(schedule, diffusion.Settings{
		Method: method, Prediction: diffusion.Velocity, Spacing: diffusion.Trailing, Steps: steps, Karras: method.HasKarras(),
	})
	if err != nil {
		t.Fatal(err)
	}
	return sample.Setup{Sampler: sampler, Noise: diffusion.Noise{Seed: seed}, Predictor: p, Constraint: sample.Free{}, Size: size}
}

func finish(t *testing.T, g *sample.Generation) []float32 {
	t.Helper()
	for g.Done() < g.Steps() {
		if err := g.Step(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	return g.Latent()
}

func TestResumeAtEveryStep(t *testing.T) {
	const steps = 7
	for _, method := range diffusion.Methods() {
		want := finish(t, sample.New(setup(t, method, 3, steps, predictor(linear))))
		for at := range steps + 1 {
			g := sample.New(setup(t, method, 3, steps, predictor(linear)))
			for range at {
				if err := g.Step(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			state := g.State()
			finish(t, g) // what goes on does not change the state
			resumed, err := sample.Resume(setup(t, method, 3, steps, predictor(linear)), state)
			if err != nil {
				t.Fatal(err)
			}
			if resumed.Done() != at || !slices.Equal(finish(t, resumed), want) {
				t.Errorf("%s resumed after %d steps gives another picture", method, at)
			}
		}
	}
}

func TestResumeRefusesWhatDoesNotFit(t *testing.T) {
	for name, change := range map[string]func(*sample.State){
		"steps":         func(s *sample.State) { s.Done = 5 },
		"below":         func(s *sample.State) { s.Done = -1 },
		"latent":        func(s *sample.State) { s.Latent = s.Latent[1:] },
		"history":       func(s *sample.State) { s.History = s.History[1:] },
		"history width": func(s *sample.State) { s.History[1] = nil },
	} {
		state := sample.New(setup(t, diffusion.UniPC, 1, 4, predictor(linear))).State()
		change(&state)
		if _, err := sample.Resume(setup(t, diffusion.UniPC, 1, 4, predictor(linear)), state); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestPreviewsOfEveryMethod(t *testing.T) {
	s := scheduler(t)
	for _, method := range diffusion.Methods() {
		task, err := s.Start(t.Context(), sample.New(setup(t, method, 1, 7, predictor(linear))), sample.Watch{Preview: 3})
		if err != nil {
			t.Fatal(err)
		}
		var at []string
		for e := range task.Events() {
			if e.Preview != nil {
				at = append(at, strconv.Itoa(e.Step))
			}
		}
		if err := task.Wait(); err != nil || !slices.Equal(at, []string{"3", "6"}) {
			t.Errorf("%s: previews after %v, %v", method, at, err)
		}
	}
}
