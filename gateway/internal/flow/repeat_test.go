package flow_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/proto"

	denoiserv1 "github.com/facestudio/facestudio/proto/gen/facestudio/denoiser/v1"
	"github.com/facestudio/facestudio/services/jobqueue"
)

func TestRepeatedRunMakesTheSameCalls(t *testing.T) {
	f := open(t)
	f.denoise = func(context.Context, *denoiserv1.DenoiseRequest) (events, error) {
		return nil, errors.New("the gateway dies here")
	}
	g := request()
	f.style(g, 0.5)
	keep(g)
	if _, err := f.run(t.Context(), g); err == nil {
		t.Fatal("the first run did not fail")
	}
	first := f.sorted()
	f.calls, f.denoise = nil, nil
	if _, err := f.run(t.Context(), g); err != nil {
		t.Fatal(err)
	}
	second := f.sorted()
	for i, c := range first {
		if i >= len(second) || c.method != second[i].method || c.meta != second[i].meta || !proto.Equal(c.req, second[i].req) {
			t.Errorf("call %d, %s by %+v, is not repeated the same", i, c.method, c.meta)
		}
	}
	owners := make(map[string]bool)
	for _, c := range second {
		equal(t, "tenant", c.meta.Tenant, tenant)
		equal(t, "class", c.meta.Class, jobqueue.Batch)
		owners[c.meta.Owner] = true
	}
	for _, owner := range []string{"generations/" + id + "/prior/0", "generations/" + id + "/denoise/0"} {
		if !owners[owner] {
			t.Errorf("no call is owned by %s", owner)
		}
	}
}

// sorted lists the calls, but for those about the result, by owner.
func (f *fixture) sorted() []call {
	f.stages.mu.Lock()
	defer f.stages.mu.Unlock()
	list := slices.DeleteFunc(slices.Clone(f.calls), func(c call) bool {
		return c.method == "EmbedAllFaces"
	})
	slices.SortFunc(list, func(a, b call) int {
		return slices.Compare([]string{a.method, a.meta.Owner}, []string{b.method, b.meta.Owner})
	})
	return list
}

func TestEndOfTheContextEndsTheRun(t *testing.T) {
	tests := map[string]struct {
		end  func(context.Context) (context.Context, func())
		want error
	}{
		"cancel": {
			end: func(ctx context.Context) (context.Context, func()) {
				ctx, cancel := context.WithCancelCause(ctx)
				time.AfterFunc(time.Second, func() { cancel(jobqueue.ErrCancelRequested) })
				return ctx, func() { cancel(nil) }
			},
			want: jobqueue.ErrCancelRequested,
		},
		"deadline": {
			end: func(ctx context.Context) (context.Context, func()) {
				ctx, cancel := context.WithTimeout(ctx, time.Second)
				return ctx, cancel
			},
			want: context.DeadlineExceeded,
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := open(t)
				f.denoise = func(ctx context.Context, _ *denoiserv1.DenoiseRequest) (events, error) {
					<-ctx.Done()
					return nil, ctx.Err()
				}
				ctx, stop := test.end(t.Context())
				defer stop()
				start := time.Now()
				_, err := f.run(ctx, request())
				if !errors.Is(err, test.want) {
					t.Errorf("got %v, want %v", err, test.want)
				}
				equal(t, "time until the end", time.Since(start), time.Second)
			})
		})
	}
}
