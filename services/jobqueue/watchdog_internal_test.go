package jobqueue

import (
	"context"
	"errors"
	"testing"
	"time"

	"google.golang.org/grpc"

	priorv1 "github.com/facestudio/facestudio/proto/gen/facestudio/prior/v1"
)

func TestStands(t *testing.T) {
	idle := glance{waiting: 3, requests: 1, delivered: 7}
	with := func(change func(*glance)) glance {
		g := idle
		change(&g)
		return g
	}
	for name, c := range map[string]struct {
		before, now glance
		want        bool
	}{
		"nothing delivered":            {idle, idle, true},
		"more came":                    {idle, with(func(g *glance) { g.waiting = 9 }), true},
		"something delivered":          {idle, with(func(g *glance) { g.delivered++ }), false},
		"nothing waits":                {idle, with(func(g *glance) { g.waiting = 0 }), false},
		"nothing waited":               {with(func(g *glance) { g.waiting = 0 }), idle, false},
		"all workers are busy":         {idle, with(func(g *glance) { g.requests = 0 }), false},
		"all workers were busy before": {with(func(g *glance) { g.requests = 0 }), idle, false},
		"paused":                       {idle, with(func(g *glance) { g.paused = true }), false},
	} {
		t.Run(name, func(t *testing.T) {
			if got := stands(c.before, c.now); got != c.want {
				t.Errorf("got %v", got)
			}
		})
	}
}

type plainPrior struct {
	priorv1.UnimplementedPriorServiceServer
}

func (plainPrior) EmbedImage(context.Context, *priorv1.EmbedImageRequest) (*priorv1.EmbedImageResponse, error) {
	return &priorv1.EmbedImageResponse{}, nil
}

// Workers go on when their consumer is made anew, by the watchdog or by an
// operator who deleted it.
func TestWorkGoesOnWithANewConsumer(t *testing.T) {
	b := newRealBackend(t)
	for name, disturb := range map[string]func(*Server) error{
		"renewed": func(s *Server) error { return s.renew(t.Context(), Interactive) },
		"deleted": func(s *Server) error {
			return s.q.work.DeleteConsumer(t.Context(), consumerName("prior", "b", Interactive))
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := NewServer(b.q, ServerSettings{Stage: "prior", Bundle: "b", BatchPoll: 50 * time.Millisecond})
			priorv1.RegisterPriorServiceServer(grpc.ServiceRegistrar(s), plainPrior{})
			ctx, cancel := context.WithCancel(context.Background())
			done := make(chan error, 1)
			go func() { done <- s.Run(ctx) }()
			call := func(owner string) error {
				ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
				defer cancel()
				ctx = WithCall(ctx, Call{Tenant: "t", Owner: name + owner})
				_, err := priorv1.NewPriorServiceClient(NewConn(b.q, ConnSettings{Bundle: "b"})).EmbedImage(ctx, &priorv1.EmbedImageRequest{})
				return err
			}
			err := errors.Join(call("before"), disturb(s), call("after"))
			now, lookErr := s.look(t.Context(), Interactive)
			cancel()
			if err := errors.Join(err, lookErr, <-done); err != nil {
				t.Error(err)
			}
			if now.delivered == 0 || now.waiting != 0 {
				t.Errorf("the new consumer is at %+v", now)
			}
		})
	}
}
