package jobqueue_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	encoderv1 "github.com/facestudio/facestudio/proto/gen/facestudio/encoder/v1"
	priorv1 "github.com/facestudio/facestudio/proto/gen/facestudio/prior/v1"
	"github.com/facestudio/facestudio/services/jobqueue"
)

func TestCancelStopsARunningStep(t *testing.T) {
	recorder := tracetest.NewSpanRecorder()
	provider := sdk.NewTracerProvider(sdk.WithSpanProcessor(recorder))
	s := quick()
	s.Tracer = provider
	h := newHouse(t, s)
	started, stopped := make(chan struct{}, 1), make(chan error, 1)
	serve(t, h.q, jobqueue.ServerSettings{Stage: "prior"}, prior{embed: func(ctx context.Context, _ *priorv1.EmbedImageRequest) (*priorv1.EmbedImageResponse, error) {
		started <- struct{}{}
		<-ctx.Done()
		stopped <- context.Cause(ctx)
		// A step that ends after the cancel changes nothing.
		return answer(1), nil
	}}.register)
	ctx, cancel := context.WithCancel(as(within(t, time.Minute), "ada", "one"))
	call := h.ask(ctx)
	receive(t, started)
	other, span := provider.Tracer("test").Start(as(within(t, time.Minute), "ada", "one"), "joins")
	joined := h.ask(other)
	// A call that comes after the cancel would ask anew.
	for !published(recorder, span.SpanContext().TraceID()) {
		pauseFor(t)
	}
	cancel()
	if o := receive(t, call); status.Code(o.err) != codes.Canceled {
		t.Errorf("the caller got %v", o.err)
	}
	if err := receive(t, stopped); !errors.Is(err, jobqueue.ErrCancelRequested) && !errors.Is(err, jobqueue.ErrDecided) {
		t.Errorf("the step ended with %v", err)
	}
	// Owned work has one owner: its cancel is for all who ask in its name.
	if o := receive(t, joined); status.Code(o.err) != codes.Canceled {
		t.Errorf("another call of the owner got %v", o.err)
	}
}

// published tells whether the call of a trace has offered its work to the queue.
func published(recorder *tracetest.SpanRecorder, of trace.TraceID) bool {
	return slices.ContainsFunc(recorder.Ended(), func(s sdk.ReadOnlySpan) bool {
		return s.SpanContext().TraceID() == of && strings.HasPrefix(s.Name(), "queue publish ")
	})
}

func TestCancelledWorkIsNotRunAndCanBeAskedForAgain(t *testing.T) {
	h := newHouse(t, quick())
	ctx, cancel := context.WithCancel(as(within(t, time.Minute), "ada", "one"))
	call := h.ask(ctx)
	for h.pending() == 0 {
		pauseFor(t)
	}
	cancel()
	if o := receive(t, call); status.Code(o.err) != codes.Canceled {
		t.Errorf("the caller got %v", o.err)
	}
	if n := h.pending(); n != 0 {
		t.Errorf("%d messages are left", n)
	}
	var runs atomic.Int64
	serve(t, h.q, jobqueue.ServerSettings{Stage: "prior"}, prior{embed: func(context.Context, *priorv1.EmbedImageRequest) (*priorv1.EmbedImageResponse, error) {
		return answer(int(runs.Add(1))), nil
	}}.register)
	if o := receive(t, h.ask(as(within(t, time.Minute), "ada", "one"))); o.err != nil || o.n != 1 {
		t.Errorf("the new call got %v", o)
	}
}

func TestLeavingAsALoserOrOnShutdownLeavesTheWorkRunning(t *testing.T) {
	for _, cause := range []error{jobqueue.ErrLeaseLost, jobqueue.ErrShutdown} {
		t.Run(cause.Error(), func(t *testing.T) {
			h := newHouse(t, quick())
			started, goOn := make(chan struct{}, 1), make(chan struct{})
			serve(t, h.q, jobqueue.ServerSettings{Stage: "prior"}, prior{embed: func(ctx context.Context, _ *priorv1.EmbedImageRequest) (*priorv1.EmbedImageResponse, error) {
				started <- struct{}{}
				select {
				case <-goOn:
					return answer(1), nil
				case <-ctx.Done():
					return nil, ctx.Err()
				}
			}}.register)
			ctx, cancel := context.WithCancelCause(as(within(t, time.Minute), "ada", "one"))
			call := h.ask(ctx)
			receive(t, started)
			cancel(cause)
			if o := receive(t, call); status.Code(o.err) != codes.Canceled {
				t.Errorf("the caller got %v", o.err)
			}
			// Whoever takes over joins the work.
			next := h.ask(as(within(t, time.Minute), "ada", "one"))
			close(goOn)
			if o := receive(t, next); o.err != nil || o.n != 1 {
				t.Errorf("the next holder got %v", o)
			}
		})
	}
}

func TestCancelOfSharedWorkIsTheCallersAlone(t *testing.T) {
	h := newHouse(t, quick())
	started, goOn := make(chan struct{}, 1), make(chan struct{})
	serve(t, h.q, jobqueue.ServerSettings{Stage: "encoder"}, encoder{texts: func(ctx context.Context, _ *encoderv1.EmbedTextsRequest) (*encoderv1.EmbedTextsResponse, error) {
		started <- struct{}{}
		select {
		case <-goOn:
			return &encoderv1.EmbedTextsResponse{}, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}}.register)
	embed := func(ctx context.Context) <-chan error {
		out := make(chan error, 1)
		go func() {
			_, err := encoderv1.NewEncoderServiceClient(h.conn()).EmbedTexts(ctx, &encoderv1.EmbedTextsRequest{Texts: []string{"a"}})
			out <- err
		}()
		return out
	}
	ctx, cancel := context.WithCancel(as(within(t, time.Minute), "ada", ""))
	first := embed(ctx)
	receive(t, started)
	second := embed(as(within(t, time.Minute), "ada", ""))
	cancel()
	if err := receive(t, first); status.Code(err) != codes.Canceled {
		t.Errorf("the one who left got %v", err)
	}
	close(goOn)
	if err := receive(t, second); err != nil {
		t.Errorf("the one who stayed got %v", err)
	}
}
