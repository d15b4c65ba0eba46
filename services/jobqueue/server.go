package jobqueue

import (
	"context"
	"log/slog"
	"time"

	"google.golang.org/grpc"
)

// ServerSettings say which work a Server takes, and how.
type ServerSettings struct {
	// Stage is the room of the services that are registered, the last but one
	// element of their package: "denoiser" for facestudio.denoiser.v1.
	Stage string
	// Bundle is the id of the bundle that this worker serves.
	Bundle string
	// Slots is how many calls run at once; 0 means 1.
	Slots int
	// Grace is how long calls in hand may go on once Run's context has ended,
	// before they are handed back; 0 means 10 s.
	Grace time.Duration
	// MaxAttempts is how often work is tried before it becomes a dead letter;
	// 0 means 5.
	MaxAttempts int
	// Backoff is the delay before the second attempt; it doubles with each,
	// up to 30 s, and is spread by half. 0 means 250 ms.
	Backoff time.Duration
	// BatchPoll is how often an idle slot looks for batch work; 0 means 1 s. It
	// also bounds how long an idle server takes to stop.
	BatchPoll time.Duration
	// Unary and Stream, when set, wrap every handler.
	Unary  grpc.UnaryServerInterceptor
	Stream grpc.StreamServerInterceptor
	// Logger gets state changes; default the Queue's.
	Logger *slog.Logger
}

// Server takes work from the queue and runs the handlers of the services that
// are registered with it, as a grpc.Server does with calls.
type Server struct{}

var _ grpc.ServiceRegistrar = (*Server)(nil)

// NewServer returns a server without services.
func NewServer(q *Queue, s ServerSettings) *Server { panic("jobqueue: not written yet") }

// RegisterService registers a service; generated Register functions call it,
// before Run.
func (s *Server) RegisterService(desc *grpc.ServiceDesc, impl any) {
	panic("jobqueue: not written yet")
}

// Run takes work until ctx ends; then it finishes the calls in hand within the
// grace, hands the others back, and returns nil. It returns an error at once
// when a setting or a registered service is wrong.
func (s *Server) Run(ctx context.Context) error { panic("jobqueue: not written yet") }
