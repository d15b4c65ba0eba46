package jobqueue_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	encoderv1 "github.com/facestudio/facestudio/proto/gen/facestudio/encoder/v1"
	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	priorv1 "github.com/facestudio/facestudio/proto/gen/facestudio/prior/v1"
	"github.com/facestudio/facestudio/services/fault"
	"github.com/facestudio/facestudio/services/jobqueue"
)

// outcome is what a call came to.
type outcome struct {
	n   int
	err error
}

// ask makes an owned call in the background.
func ask(h *house, ctx context.Context) <-chan outcome {
	out := make(chan outcome, 1)
	go func() {
		got, err := priorv1.NewPriorServiceClient(h.conn()).EmbedImage(ctx, &priorv1.EmbedImageRequest{})
		out <- outcome{number(got), err}
	}()
	return out
}

// pending is how many work messages there are.
func (h *house) pending() uint64 {
	h.t.Helper()
	js, err := jetstream.New(h.nc)
	if err != nil {
		h.t.Fatal(err)
	}
	stream, err := js.Stream(h.t.Context(), "WORK")
	if err != nil {
		h.t.Fatal(err)
	}
	return stream.CachedInfo().State.Msgs
}

func TestCancelStopsARunningStep(t *testing.T) {
	h := newHouse(t, quick())
	started, stopped := make(chan struct{}, 1), make(chan error, 1)
	serve(t, h.q, jobqueue.ServerSettings{Stage: "prior"}, prior{embed: func(ctx context.Context, _ *priorv1.EmbedImageRequest) (*priorv1.EmbedImageResponse, error) {
		started <- struct{}{}
		<-ctx.Done()
		stopped <- context.Cause(ctx)
		// A step that ends after the cancel changes nothing.
		return answer(1), nil
	}}.register)
	ctx, cancel := context.WithCancel(as(within(t, 10*time.Second), "ada", "one"))
	call := ask(h, ctx)
	joined := ask(h, as(within(t, 10*time.Second), "ada", "one"))
	receive(t, started)
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

func TestCancelledWorkIsNotRunAndCanBeAskedForAgain(t *testing.T) {
	h := newHouse(t, quick())
	ctx, cancel := context.WithCancel(as(within(t, 10*time.Second), "ada", "one"))
	call := ask(h, ctx)
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
	if o := receive(t, ask(h, as(within(t, 10*time.Second), "ada", "one"))); o.err != nil || o.n != 1 {
		t.Errorf("the new call got %v", o)
	}
}

// pauseFor yields between two looks at the server.
func pauseFor(t *testing.T) {
	t.Helper()
	select {
	case <-time.After(time.Millisecond):
	case <-t.Context().Done():
		t.Fatal(errTimeout)
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
			ctx, cancel := context.WithCancelCause(as(within(t, 10*time.Second), "ada", "one"))
			call := ask(h, ctx)
			receive(t, started)
			cancel(cause)
			if o := receive(t, call); status.Code(o.err) != codes.Canceled {
				t.Errorf("the caller got %v", o.err)
			}
			// Whoever takes over joins the work.
			next := ask(h, as(within(t, 10*time.Second), "ada", "one"))
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
	ctx, cancel := context.WithCancel(as(within(t, 10*time.Second), "ada", ""))
	first := embed(ctx)
	receive(t, started)
	second := embed(as(within(t, 10*time.Second), "ada", ""))
	cancel()
	if err := receive(t, first); status.Code(err) != codes.Canceled {
		t.Errorf("the one who left got %v", err)
	}
	close(goOn)
	if err := receive(t, second); err != nil {
		t.Errorf("the one who stayed got %v", err)
	}
}

func TestDeadlinesStopWorkAndAreNotMemoised(t *testing.T) {
	h := newHouse(t, quick())
	var runs atomic.Int64
	stopped := make(chan error, 1)
	serve(t, h.q, jobqueue.ServerSettings{Stage: "prior"}, prior{embed: func(ctx context.Context, _ *priorv1.EmbedImageRequest) (*priorv1.EmbedImageResponse, error) {
		if n := runs.Add(1); n > 1 {
			return answer(int(n)), nil
		}
		<-ctx.Done()
		stopped <- context.Cause(ctx)
		return nil, ctx.Err()
	}}.register)
	short := ask(h, as(within(t, 150*time.Millisecond), "ada", "one"))
	if o := receive(t, short); status.Code(o.err) != codes.DeadlineExceeded || !fault.Is(o.err, faultv1.Reason_REASON_DEADLINE_PASSED) {
		t.Errorf("the caller got %v", o.err)
	}
	if err := receive(t, stopped); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the step ended with %v", err)
	}
	if o := receive(t, ask(h, as(within(t, 10*time.Second), "ada", "one"))); o.err != nil || o.n != 2 {
		t.Errorf("a later call got %v", o)
	}
}

func TestAJoinedCallOutlivesTheFirstOnesDeadline(t *testing.T) {
	h := newHouse(t, quick())
	var runs atomic.Int64
	started := make(chan struct{}, 2)
	serve(t, h.q, jobqueue.ServerSettings{Stage: "prior"}, prior{embed: func(ctx context.Context, _ *priorv1.EmbedImageRequest) (*priorv1.EmbedImageResponse, error) {
		n := runs.Add(1)
		started <- struct{}{}
		if n > 1 {
			return answer(int(n)), nil
		}
		<-ctx.Done()
		return nil, ctx.Err()
	}}.register)
	short := ask(h, as(within(t, 300*time.Millisecond), "ada", "one"))
	receive(t, started)
	long := ask(h, as(within(t, 10*time.Second), "ada", "one"))
	if o := receive(t, short); status.Code(o.err) != codes.DeadlineExceeded {
		t.Errorf("the first got %v", o.err)
	}
	if o := receive(t, long); o.err != nil || o.n != 2 {
		t.Errorf("the joined call got %v", o)
	}
}

func TestLateWorkIsNotBegun(t *testing.T) {
	h := newHouse(t, quick())
	if o := receive(t, ask(h, as(within(t, 50*time.Millisecond), "ada", "late"))); status.Code(o.err) != codes.DeadlineExceeded {
		t.Fatalf("the caller got %v", o.err)
	}
	if n := h.pending(); n != 1 {
		t.Fatalf("%d messages wait", n)
	}
	ran := make(chan string, 2)
	serve(t, h.q, jobqueue.ServerSettings{Stage: "prior"}, prior{embed: func(ctx context.Context, _ *priorv1.EmbedImageRequest) (*priorv1.EmbedImageResponse, error) {
		call, _ := jobqueue.CallFrom(ctx)
		ran <- call.Owner
		return answer(1), nil
	}}.register)
	if o := receive(t, ask(h, as(within(t, 10*time.Second), "ada", "in time"))); o.err != nil {
		t.Fatal(o.err)
	}
	if owner := receive(t, ran); owner != "in time" || len(ran) != 0 {
		t.Errorf("%s ran", owner)
	}
}

func TestRetryableFaultsAreTriedAgain(t *testing.T) {
	h := newHouse(t, quick())
	var runs atomic.Int64
	serve(t, h.q, jobqueue.ServerSettings{Stage: "prior", MaxAttempts: 3}, prior{embed: func(context.Context, *priorv1.EmbedImageRequest) (*priorv1.EmbedImageResponse, error) {
		switch n := runs.Add(1); n {
		case 1:
			return nil, fault.New(fault.Unavailable, faultv1.Reason_REASON_UNAVAILABLE, "", "the store is away")
		case 2:
			panic("a bug that shows once")
		default:
			return answer(int(n)), nil
		}
	}}.register)
	if o := receive(t, ask(h, as(within(t, 10*time.Second), "ada", "one"))); o.err != nil || o.n != 3 {
		t.Errorf("got %v", o)
	}
}

func TestAttemptsUsedUpMakeADeadLetter(t *testing.T) {
	h := newHouse(t, quick())
	var runs atomic.Int64
	serve(t, h.q, jobqueue.ServerSettings{Stage: "prior", MaxAttempts: 3}, prior{embed: func(context.Context, *priorv1.EmbedImageRequest) (*priorv1.EmbedImageResponse, error) {
		runs.Add(1)
		panic("a bug")
	}}.register)
	for range 2 {
		o := receive(t, ask(h, as(within(t, 10*time.Second), "ada", "one")))
		if status.Code(o.err) != codes.Internal || !fault.Is(o.err, faultv1.Reason_REASON_ATTEMPTS_EXHAUSTED) {
			t.Errorf("got %v", o.err)
		}
	}
	if n := runs.Load(); n != 3 {
		t.Errorf("%d runs", n)
	}
	js, err := jetstream.New(h.nc)
	if err != nil {
		t.Fatal(err)
	}
	dead, err := js.Stream(t.Context(), "DEAD")
	if err != nil {
		t.Fatal(err)
	}
	letter, err := dead.GetLastMsgForSubject(t.Context(), "dead.prior."+bundle+".interactive.ada.>")
	if err != nil {
		t.Fatal(err)
	}
	for header, want := range map[string]string{
		"Facestudio-Reason": "ATTEMPTS_EXHAUSTED", "Facestudio-Attempts": "3",
		"Facestudio-Method": "/facestudio.prior.v1.PriorService/EmbedImage",
	} {
		if got := letter.Header.Get(header); got != want {
			t.Errorf("%s is %q", header, got)
		}
	}
	if n := dead.CachedInfo().State.Msgs; n != 1 || h.pending() != 0 {
		t.Errorf("%d dead letters, %d in the queue", n, h.pending())
	}
}

func TestWorkOfALostWorkerIsDoneByAnother(t *testing.T) {
	h := newHouse(t, quick())
	lost, nc := h.open(quick())
	began, end := make(chan struct{}, 1), make(chan struct{})
	serve(t, lost, jobqueue.ServerSettings{Stage: "prior"}, prior{embed: func(context.Context, *priorv1.EmbedImageRequest) (*priorv1.EmbedImageResponse, error) {
		began <- struct{}{}
		<-end
		return answer(1), nil
	}}.register)
	call := ask(h, as(within(t, 10*time.Second), "ada", "one"))
	receive(t, began)
	nc.Close()
	serve(t, h.q, jobqueue.ServerSettings{Stage: "prior"}, prior{embed: func(context.Context, *priorv1.EmbedImageRequest) (*priorv1.EmbedImageResponse, error) {
		return answer(2), nil
	}}.register)
	if o := receive(t, call); o.err != nil || o.n != 2 {
		t.Errorf("got %v", o)
	}
	close(end)
}

func TestHeartbeatsKeepLongWork(t *testing.T) {
	s := quick()
	s.AckWait = 200 * time.Millisecond
	h := newHouse(t, s)
	var runs atomic.Int64
	serve(t, h.q, jobqueue.ServerSettings{Stage: "prior", Slots: 2}, prior{embed: func(context.Context, *priorv1.EmbedImageRequest) (*priorv1.EmbedImageResponse, error) {
		n := runs.Add(1)
		time.Sleep(3 * s.AckWait) // the work itself
		return answer(int(n)), nil
	}}.register)
	if o := receive(t, ask(h, as(within(t, 10*time.Second), "ada", "one"))); o.err != nil || o.n != 1 {
		t.Errorf("got %v", o)
	}
	if n := runs.Load(); n != 1 {
		t.Errorf("%d runs", n)
	}
}

func TestStoppingFinishesOrHandsBack(t *testing.T) {
	for name, c := range map[string]struct {
		grace time.Duration
		want  int
	}{"finishes": {10 * time.Second, 1}, "hands back": {time.Millisecond, 2}} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t, jobqueue.Settings{MaxBytes: 64 << 20})
			began, end := make(chan struct{}, 1), make(chan struct{})
			stop := serve(t, h.q, jobqueue.ServerSettings{Stage: "prior", Grace: c.grace}, prior{embed: func(ctx context.Context, _ *priorv1.EmbedImageRequest) (*priorv1.EmbedImageResponse, error) {
				began <- struct{}{}
				select {
				case <-end:
					return answer(1), nil
				case <-ctx.Done():
					return nil, ctx.Err()
				}
			}}.register)
			call := ask(h, as(within(t, 10*time.Second), "ada", "one"))
			receive(t, began)
			var stopping sync.WaitGroup
			stopping.Go(stop)
			if c.want == 1 {
				close(end)
			}
			stopping.Wait()
			serve(t, h.q, jobqueue.ServerSettings{Stage: "prior"}, prior{embed: func(context.Context, *priorv1.EmbedImageRequest) (*priorv1.EmbedImageResponse, error) {
				return answer(2), nil
			}}.register)
			// The silence of a worker would be noticed after 5 seconds only.
			if o := receive(t, call); o.err != nil || o.n != c.want {
				t.Errorf("got %v", o)
			}
		})
	}
}

func TestCallsOutliveTheirConnection(t *testing.T) {
	s := quick()
	s.Recheck = time.Hour
	h := newHouse(t, s)
	caller, nc := h.open(s, nats.ReconnectWait(time.Millisecond), nats.ReconnectJitter(0, 0))
	goOn := make(chan struct{})
	began := make(chan struct{}, 1)
	serve(t, h.q, jobqueue.ServerSettings{Stage: "prior"}, prior{embed: func(context.Context, *priorv1.EmbedImageRequest) (*priorv1.EmbedImageResponse, error) {
		began <- struct{}{}
		<-goOn
		return answer(1), nil
	}}.register)
	call := ask(&house{t: t, q: caller}, as(within(t, 20*time.Second), "ada", "one"))
	receive(t, began)
	// Done while the caller is away: nobody tells it.
	if err := nc.ForceReconnect(); err != nil {
		t.Fatal(err)
	}
	close(goOn)
	if o := receive(t, call); o.err != nil || o.n != 1 {
		t.Errorf("got %v", o)
	}
}

func TestOpenNamesWhatDiffers(t *testing.T) {
	for name, c := range map[string]struct {
		config jetstream.StreamConfig
		says   []string
	}{
		"retention": {jetstream.StreamConfig{Name: "WORK", Subjects: []string{"work.>"}}, []string{"WORK", "retention is Limits, not WorkQueue", "max_bytes"}},
		"limits":    {jetstream.StreamConfig{Name: "DEAD", Subjects: []string{"dead.>"}, MaxBytes: 1 << 10}, []string{"DEAD", "max_bytes is 1024, not"}},
		"bucket":    {jetstream.StreamConfig{Name: "KV_results", Subjects: []string{"$KV.results.>"}}, []string{"KV_results", "republish is none, not", "allow_msg_ttl"}},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t, quick())
			js, err := jetstream.New(h.nc)
			if err != nil {
				t.Fatal(err)
			}
			if err := js.DeleteStream(t.Context(), c.config.Name); err != nil {
				t.Fatal(err)
			}
			if _, err := js.CreateStream(t.Context(), c.config); err != nil {
				t.Fatal(err)
			}
			_, err = jobqueue.Open(t.Context(), h.nc, quick())
			if !errors.Is(err, jobqueue.ErrMismatch) {
				t.Fatalf("got %v", err)
			}
			for _, part := range c.says {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("%q does not say %q", err, part)
				}
			}
		})
	}
}

func TestForeignMessagesAreSetAside(t *testing.T) {
	h := newHouse(t, quick())
	serve(t, h.q, jobqueue.ServerSettings{Stage: "prior"}, prior{embed: func(context.Context, *priorv1.EmbedImageRequest) (*priorv1.EmbedImageResponse, error) {
		return answer(1), nil
	}}.register)
	js, err := jetstream.New(h.nc)
	if err != nil {
		t.Fatal(err)
	}
	for _, subject := range []string{"work.prior." + bundle + ".interactive.ada.forged", "work.prior." + bundle + ".interactive.short"} {
		if _, err := js.Publish(t.Context(), subject, []byte("junk")); err != nil {
			t.Fatal(err)
		}
	}
	if o := receive(t, ask(h, as(within(t, 10*time.Second), "ada", "one"))); o.err != nil {
		t.Errorf("the worker is gone: %v", o.err)
	}
	for h.pending() > 0 {
		pauseFor(t)
	}
	dead, err := js.Stream(t.Context(), "DEAD")
	if err != nil {
		t.Fatal(err)
	}
	if n := dead.CachedInfo().State.Msgs; n != 2 {
		t.Errorf("%d dead letters", n)
	}
}

func TestRunRefusesWrongSettings(t *testing.T) {
	h := newHouse(t, quick())
	register := prior{}.register
	for name, c := range map[string]struct {
		settings jobqueue.ServerSettings
		says     string
	}{
		"no stage":      {jobqueue.ServerSettings{Bundle: bundle}, "Stage"},
		"another stage": {jobqueue.ServerSettings{Stage: "encoder", Bundle: bundle}, "prior"},
		"no bundle":     {jobqueue.ServerSettings{Stage: "prior"}, "Bundle"},
		"slots":         {jobqueue.ServerSettings{Stage: "prior", Bundle: bundle, Slots: -1}, "Slots"},
	} {
		t.Run(name, func(t *testing.T) {
			s := jobqueue.NewServer(h.q, c.settings)
			register(s)
			if err := s.Run(t.Context()); err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("got %v", err)
			}
		})
	}
	if err := jobqueue.NewServer(h.q, jobqueue.ServerSettings{Stage: "prior", Bundle: bundle}).Run(t.Context()); err == nil {
		t.Error("a server without services runs")
	}
}
