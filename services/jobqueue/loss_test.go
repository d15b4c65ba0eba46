package jobqueue_test

import (
	"context"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	priorv1 "github.com/facestudio/facestudio/proto/gen/facestudio/prior/v1"
	"github.com/facestudio/facestudio/services/jobqueue"
	"github.com/facestudio/facestudio/services/jobqueue/embedded"
	"github.com/facestudio/facestudio/services/testkit/ports"
	"github.com/facestudio/facestudio/services/testkit/scratch"
)

func TestWorkOfALostWorkerIsDoneByAnother(t *testing.T) {
	h := newHouse(t, brief())
	lost, nc := h.open(brief())
	began, end := make(chan struct{}, 1), make(chan struct{})
	serve(t, lost, jobqueue.ServerSettings{Stage: "prior", Grace: time.Millisecond}, prior{embed: func(context.Context, *priorv1.EmbedImageRequest) (*priorv1.EmbedImageResponse, error) {
		began <- struct{}{}
		<-end
		return answer(1), nil
	}}.register)
	call := h.ask(as(within(t, time.Minute), "ada", "one"))
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
	s.AckWait = 3 * time.Second // on a busy machine, signs of life may be late
	h := newHouse(t, s)
	var runs atomic.Int64
	serve(t, h.q, jobqueue.ServerSettings{Stage: "prior", Slots: 2}, prior{embed: func(context.Context, *priorv1.EmbedImageRequest) (*priorv1.EmbedImageResponse, error) {
		n := runs.Add(1)
		time.Sleep(s.AckWait * 4 / 3) // the work itself
		return answer(int(n)), nil
	}}.register)
	if o := receive(t, h.ask(as(within(t, time.Minute), "ada", "one"))); o.err != nil || o.n != 1 {
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
			s := quick()
			s.AckWait = time.Hour // nobody notices a worker's silence meanwhile
			h := newHouse(t, s)
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
			call := h.ask(as(within(t, time.Minute), "ada", "one"))
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
	call := (&house{t: t, q: caller}).ask(as(within(t, time.Minute), "ada", "one"))
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

func TestWorkOutlivesARestartOfTheServer(t *testing.T) {
	dir := scratch.Dir(t)
	server, err := embedded.Start(t.Context(), embedded.Settings{Dir: dir, Listen: ports.Address(t)})
	if err != nil {
		t.Fatal(err)
	}
	url := server.URL()
	connect := func() *jobqueue.Queue {
		nc, err := nats.Connect(url, nats.MaxReconnects(-1), nats.ReconnectWait(10*time.Millisecond), nats.ReconnectJitter(0, 0))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(nc.Close)
		q, err := jobqueue.Open(t.Context(), nc, quick())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(q.Close)
		return q
	}
	calls := &house{t: t, q: connect()}
	waiting := calls.ask(as(within(t, time.Minute), "ada", "waits for its worker"))
	began, goOn := make(chan struct{}, 8), make(chan struct{})
	serve(t, connect(), jobqueue.ServerSettings{Stage: "prior", Slots: 2}, prior{embed: func(ctx context.Context, _ *priorv1.EmbedImageRequest) (*priorv1.EmbedImageResponse, error) {
		began <- struct{}{}
		select {
		case <-goOn:
			return answer(1), nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}}.register)
	receive(t, began)
	running := calls.ask(as(within(t, time.Minute), "ada", "runs"))
	receive(t, began)
	records := calls.q.Records()
	create(t, records, jobqueue.RecordKey{Tenant: "ada", ID: "one"}, record("a"))

	server.Close()
	close(goOn)
	if server, err = embedded.Start(t.Context(), embedded.Settings{Dir: dir, Listen: strings.TrimPrefix(url, "nats://")}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	for _, call := range []<-chan outcome{waiting, running} {
		if o := receive(t, call); o.err != nil || o.n != 1 {
			t.Errorf("got %v", o)
		}
	}
	done := make(chan struct{})
	workOn(t, records, jobqueue.WorkSettings{}, func(ctx context.Context, c *jobqueue.Claim) error {
		defer close(done)
		return c.Finish(ctx, nil)
	})
	receive(t, done)
}
