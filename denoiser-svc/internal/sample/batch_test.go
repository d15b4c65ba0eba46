package sample_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/facestudio/facestudio/denoiser-svc/internal/sample"
	"github.com/facestudio/facestudio/services/diffusion"
)

// joint is a linear model whose runs several pictures may share.
type joint struct {
	kind  string
	runs  *runs
	broke func(calls int) error
}

// runs are the sizes of the runs of a model, kept by the scheduler's goroutine.
type runs struct{ sizes []int }

func (j joint) Kind() any {
	if j.kind == "" {
		return nil
	}
	return j.kind
}

func (j joint) Predict(ctx context.Context, dst, input []float32, t float64) error {
	return j.PredictAll(ctx, []sample.Call{{Predictor: j, Dst: dst, Input: input, T: t}})
}

func (j joint) PredictAll(ctx context.Context, calls []sample.Call) error {
	for _, c := range calls {
		if broke := c.Predictor.(joint).broke; broke != nil {
			if err := broke(len(calls)); err != nil {
				return err
			}
		}
	}
	j.runs.sizes = append(j.runs.sizes, len(calls))
	for _, c := range calls {
		if c.Predictor.(joint).kind != j.kind {
			return errors.New("two kinds in a run")
		}
		if err := linear(ctx, c.Dst, c.Input, c.T); err != nil {
			return err
		}
	}
	return nil
}

// fly steps generations together, all of them in flight before the first step,
// and returns their errors. It runs in a bubble of synctest.
func fly(t *testing.T, s *sample.Scheduler, contexts []context.Context, generations []*sample.Generation) []error {
	t.Helper()
	hold := make(chan struct{})
	blocker, err := s.Start(t.Context(), sample.New(setup(t, diffusion.Euler, 0, 1, predictor(
		func(ctx context.Context, dst, input []float32, at float64) error {
			<-hold
			return linear(ctx, dst, input, at)
		}))), sample.Watch{})
	if err != nil {
		t.Fatal(err)
	}
	errs := make([]error, len(generations))
	var wait sync.WaitGroup
	for i, g := range generations {
		wait.Go(func() {
			ctx := t.Context()
			if contexts != nil {
				ctx = contexts[i]
			}
			task, err := s.Start(ctx, g, sample.Watch{})
			if err == nil {
				err = task.Wait()
			}
			errs[i] = err
		})
	}
	synctest.Wait()
	close(hold)
	if err := blocker.Wait(); err != nil {
		t.Fatal(err)
	}
	wait.Wait()
	return errs
}

func TestAPictureIsTheSameInAnyBatch(t *testing.T) { synctest.Test(t, aPictureIsTheSameInAnyBatch) }

func aPictureIsTheSameInAnyBatch(t *testing.T) {
	t.Helper()
	const pictures = 7
	methods := diffusion.Methods()
	for limit := 1; limit <= pictures; limit++ {
		s := sample.NewScheduler(limit)
		defer s.Close()
		var r runs
		var generations []*sample.Generation
		var want [][]float32
		for i := range pictures {
			kind := []string{"", "small", "large"}[min(i, 1)*(1+i%2)]
			g := func(p sample.Predictor) sample.Setup { return setup(t, methods[i%len(methods)], uint64(i), 9+i, p) }
			generations = append(generations, sample.New(g(joint{kind: kind, runs: &r})))
			want = append(want, finish(t, sample.New(g(joint{kind: kind, runs: &runs{}}))))
		}
		if err := errors.Join(fly(t, s, nil, generations)...); err != nil {
			t.Fatal(err)
		}
		for i, g := range generations {
			if !slices.Equal(g.Latent(), want[i]) {
				t.Errorf("batches of %d: picture %d is another", limit, i)
			}
		}
		// The largest kind has three pictures.
		if most := slices.Max(r.sizes); most != min(limit, 3) {
			t.Errorf("%d in a run, of three that may share it and at most %d", most, limit)
		}
	}
}

func TestOneFailureInABatchIsNobodyElses(t *testing.T) {
	synctest.Test(t, oneFailureInABatchIsNobodyElses)
}

func oneFailureInABatchIsNobodyElses(t *testing.T) {
	t.Helper()
	s := sample.NewScheduler(8)
	defer s.Close()
	broken := errors.New("broken")
	for name, failure := range map[string]func(int) error{
		"error": func(int) error { return broken },
		"panic": func(int) error { panic("broken") },
	} {
		// Every run that the bad one shares fails, and so does its own.
		bad := joint{kind: name, runs: &runs{}, broke: failure}
		good := joint{kind: name, runs: &runs{}}
		generations := []*sample.Generation{
			sample.New(setup(t, diffusion.UniPC, 1, 5, bad)),
			sample.New(setup(t, diffusion.UniPC, 2, 5, good)),
			sample.New(setup(t, diffusion.DPMPP2M, 3, 5, good)),
		}
		errs := fly(t, s, nil, generations)
		if errs[0] == nil || errs[1] != nil || errs[2] != nil {
			t.Errorf("%s: %v", name, errs)
		}
		for i, method := range []diffusion.Method{diffusion.UniPC, diffusion.DPMPP2M} {
			if !slices.Equal(generations[i+1].Latent(), finish(t, sample.New(setup(t, method, uint64(i+2), 5, good)))) {
				t.Errorf("%s: picture %d is another", name, i+1)
			}
		}
	}
}

func TestCancelInABatchEndsOneAlone(t *testing.T) { synctest.Test(t, cancelInABatchEndsOneAlone) }

func cancelInABatchEndsOneAlone(t *testing.T) {
	t.Helper()
	s := sample.NewScheduler(8)
	defer s.Close()
	why := errors.New("no longer wanted")
	ctx, cancel := context.WithCancelCause(t.Context())
	p := joint{kind: "a", runs: &runs{}}
	p.broke = func(int) error {
		if len(p.runs.sizes) >= 3 {
			cancel(why)
		}
		return nil
	}
	errs := fly(t, s, []context.Context{t.Context(), ctx}, []*sample.Generation{
		sample.New(setup(t, diffusion.Euler, 1, 30, p)), sample.New(setup(t, diffusion.Euler, 2, 30, p)),
	})
	if errs[0] != nil || !errors.Is(errs[1], why) {
		t.Errorf("got %v", errs)
	}
}
