package sample_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"

	"github.com/facestudio/facestudio/denoiser-svc/internal/sample"
	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	"github.com/facestudio/facestudio/services/diffusion"
	"github.com/facestudio/facestudio/services/fault"
)

// predictor is a model written by hand.
type predictor func(ctx context.Context, dst, input []float32, t float64) error

func (p predictor) Predict(ctx context.Context, dst, input []float32, t float64) error {
	return p(ctx, dst, input, t)
}

func linear(_ context.Context, dst, input []float32, t float64) error {
	for i, v := range input {
		dst[i] = 0.3*v + float32(t)/5000
	}
	return nil
}

const size = 32

func generation(t *testing.T, seed uint64, steps int, p predictor) *sample.Generation {
	t.Helper()
	schedule, err := diffusion.NewSchedule(diffusion.ScaledLinear, 0.00085, 0.012, 1000)
	if err != nil {
		t.Fatal(err)
	}
	sampler, err := diffusion.NewSampler(schedule, diffusion.Settings{
		Method: diffusion.EulerAncestral, Prediction: diffusion.Velocity, Spacing: diffusion.Trailing, Steps: steps,
	})
	if err != nil {
		t.Fatal(err)
	}
	return sample.New(sample.Setup{
		Sampler: sampler, Noise: diffusion.Noise{Seed: seed}, Predictor: p, Constraint: sample.Free{}, Size: size,
	})
}

func scheduler(t *testing.T) *sample.Scheduler {
	t.Helper()
	s := sample.NewScheduler(1)
	t.Cleanup(s.Close)
	return s
}

// alone is the latents of a generation that has nobody beside it.
func alone(t *testing.T, seed uint64, steps int) []float32 {
	t.Helper()
	g := generation(t, seed, steps, linear)
	for range steps {
		if err := g.Step(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	return g.Latent()
}

func TestNeighboursDoNotMatter(t *testing.T) {
	s := scheduler(t)
	var wait sync.WaitGroup
	for seed := range uint64(8) {
		steps := 2 + int(seed)
		want := alone(t, seed, steps)
		wait.Go(func() {
			g := generation(t, seed, steps, linear)
			task, err := s.Start(t.Context(), g, sample.Watch{Preview: 2})
			if err != nil {
				t.Error(err)
				return
			}
			var done []int
			for e := range task.Events() {
				done = append(done, e.Step)
				if wanted := e.Step%2 == 0 && e.Step < steps; (e.Preview != nil) != wanted {
					t.Errorf("step %d of %d: preview %v", e.Step, steps, e.Preview != nil)
				}
			}
			if err := task.Wait(); err != nil || len(done) != steps || !slices.IsSorted(done) || !slices.Equal(g.Latent(), want) {
				t.Errorf("seed %d: steps %v, %v", seed, done, err)
			}
		})
	}
	wait.Wait()
}

func TestTurnsAreTaken(t *testing.T) {
	s := scheduler(t)
	var order []int
	both := make(chan struct{})
	note := func(who int) predictor {
		return func(ctx context.Context, dst, input []float32, at float64) error {
			if len(order) == 0 {
				<-both
			}
			order = append(order, who)
			return linear(ctx, dst, input, at)
		}
	}
	first, err := s.Start(t.Context(), generation(t, 1, 3, note(1)), sample.Watch{})
	if err != nil {
		t.Fatal(err)
	}
	started := make(chan *sample.Task)
	go func() {
		close(both)
		second, err := s.Start(t.Context(), generation(t, 2, 3, note(2)), sample.Watch{})
		if err != nil {
			t.Error(err)
		}
		started <- second
	}()
	second := <-started
	if err := errors.Join(first.Wait(), second.Wait()); err != nil {
		t.Fatal(err)
	}
	// Once both are in flight neither steps twice while the other waits.
	begin := slices.Index(order, 2)
	for i := begin; i+1 < len(order) && slices.Contains(order[i:], 1) && slices.Contains(order[i:], 2); i++ {
		if order[i] == order[i+1] && slices.Contains(order[i+1:], 3-order[i]) {
			t.Errorf("order %v", order)
			break
		}
	}
}

func TestOneFailureIsNobodyElses(t *testing.T) {
	s := scheduler(t)
	broken := errors.New("broken")
	for name, p := range map[string]predictor{
		"error": func(context.Context, []float32, []float32, float64) error { return broken },
		"panic": func(context.Context, []float32, []float32, float64) error { panic("broken") },
	} {
		bad, err := s.Start(t.Context(), generation(t, 1, 3, p), sample.Watch{})
		if err != nil {
			t.Fatal(err)
		}
		good, err := s.Start(t.Context(), generation(t, 2, 3, linear), sample.Watch{})
		if err != nil {
			t.Fatal(err)
		}
		if bad.Wait() == nil || good.Wait() != nil {
			t.Errorf("%s: %v, %v", name, bad.Wait(), good.Wait())
		}
	}
}

func TestCancelEndsBetweenSteps(t *testing.T) {
	s := scheduler(t)
	why := errors.New("no longer wanted")
	ctx, cancel := context.WithCancelCause(t.Context())
	steps := 0
	task, err := s.Start(ctx, generation(t, 1, 50, func(ctx context.Context, dst, input []float32, at float64) error {
		if steps++; steps == 4 {
			cancel(why)
		}
		return linear(ctx, dst, input, at)
	}), sample.Watch{})
	if err != nil {
		t.Fatal(err)
	}
	if err := task.Wait(); !errors.Is(err, why) || steps != 4 {
		t.Errorf("%v after %d steps", err, steps)
	}
}

func TestFailedStepChangesNothing(t *testing.T) {
	fail := true
	g := generation(t, 5, 3, func(ctx context.Context, dst, input []float32, at float64) error {
		if fail = !fail; !fail {
			return errors.New("try again")
		}
		return linear(ctx, dst, input, at)
	})
	for g.Done() < g.Steps() {
		if err := g.Step(t.Context()); (err == nil) != fail {
			t.Fatal(err)
		}
	}
	if !slices.Equal(g.Latent(), alone(t, 5, 3)) {
		t.Error("a repeated step gave another result")
	}
}

func TestCloseEndsWhatIsInFlight(t *testing.T) {
	s := sample.NewScheduler(1)
	entered := make(chan struct{}, 1000)
	task, err := s.Start(t.Context(), generation(t, 1, 1000, func(ctx context.Context, dst, input []float32, at float64) error {
		entered <- struct{}{}
		return linear(ctx, dst, input, at)
	}), sample.Watch{})
	if err != nil {
		t.Fatal(err)
	}
	<-entered
	s.Close()
	s.Close()
	if err := task.Wait(); err != nil && !errors.Is(err, sample.ErrClosed) {
		t.Errorf("got %v", err)
	}
	if _, err := s.Start(t.Context(), generation(t, 1, 1, linear), sample.Watch{}); !errors.Is(err, sample.ErrClosed) {
		t.Errorf("got %v", err)
	}
}

func TestStepsMakeNoGarbage(t *testing.T) {
	g := generation(t, 1, 1000, linear)
	if n := testing.AllocsPerRun(100, func() {
		if err := g.Step(t.Context()); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations a step", n)
	}
}

func TestGate(t *testing.T) {
	gate := sample.NewGate(1)
	leave, err := gate.Enter(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	errs := make(chan error)
	const waiting = 5
	for range waiting {
		go func() {
			_, err := gate.Enter(ctx)
			errs <- err
		}()
	}
	// Of five, four may wait beside the one inside.
	if err := <-errs; !fault.Is(err, faultv1.Reason_REASON_QUOTA_EXHAUSTED) || !fault.From(err).Retryable {
		t.Errorf("got %v", err)
	}
	cancel()
	for range waiting - 1 {
		if err := <-errs; !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
	}
	leave()
	if leave, err = gate.Enter(t.Context()); err != nil {
		t.Fatal(err)
	}
	leave()
}
