package jobqueue

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
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
	// MaxAttempts is how often work may fail before it becomes a dead letter; 0
	// means 5.
	MaxAttempts int
	// MaxKills is how many workers may fall silent over a piece of work before it
	// becomes a dead letter; 0 means 3. Workers that stop and hand it back are not
	// counted.
	MaxKills int
	// Backoff is the delay before the second attempt; it doubles with each,
	// up to 30 s, and is spread by half. 0 means 250 ms.
	Backoff time.Duration
	// BatchPoll is how often an idle slot looks for batch work; 0 means 1 s. It
	// also bounds how long an idle server takes to stop.
	BatchPoll time.Duration
	// Priority is the turn of this worker among idle ones: work goes to those
	// with the lowest number, 0..9. Warm workers have 0.
	Priority uint8
	// Unary and Stream, when set, wrap every handler.
	Unary  grpc.UnaryServerInterceptor
	Stream grpc.StreamServerInterceptor
	// Logger gets state changes; default the Queue's.
	Logger *slog.Logger
}

const maxPriority = 9

func (s ServerSettings) withDefaults(q *Queue) (ServerSettings, error) {
	s.Slots = cmp.Or(s.Slots, 1)
	s.Grace = cmp.Or(s.Grace, 10*time.Second)
	s.MaxAttempts = cmp.Or(s.MaxAttempts, 5)
	s.MaxKills = cmp.Or(s.MaxKills, 3)
	s.Backoff = cmp.Or(s.Backoff, 250*time.Millisecond)
	s.BatchPoll = cmp.Or(s.BatchPoll, time.Second)
	if s.Logger == nil {
		s.Logger = q.log
	}
	var bad []error
	if !validToken(s.Stage) {
		bad = append(bad, fmt.Errorf("jobqueue setting Stage is %q; it is 1 to 63 letters, digits, _ or -", s.Stage))
	}
	if !validToken(s.Bundle) {
		bad = append(bad, fmt.Errorf("jobqueue setting Bundle is %q; it is 1 to 63 letters, digits, _ or -", s.Bundle))
	}
	if s.Priority > maxPriority {
		bad = append(bad, fmt.Errorf("jobqueue setting Priority is %d; the most is %d", s.Priority, maxPriority))
	}
	return s, errors.Join(append(bad,
		atLeast("Slots", s.Slots, 1), atLeast("Grace", s.Grace, time.Millisecond),
		atLeast("MaxAttempts", s.MaxAttempts, 1), atLeast("MaxKills", s.MaxKills, 1),
		atLeast("Backoff", s.Backoff, time.Millisecond),
		atLeast("BatchPoll", s.BatchPoll, 10*time.Millisecond))...)
}

// Server takes work from the queue and runs the handlers of the services that
// are registered with it, as a grpc.Server does with calls. In a handler's
// context are the caller's Call, metadata and deadline, and the trace.
type Server struct {
	q        *Queue
	settings ServerSettings
	methods  map[string]method
	// wrong is what is wrong with the settings or a registered service.
	wrong []error

	// apart is held by calls in hand, alone by those that must not share a worker.
	apart sync.RWMutex
	pace  pace

	mu sync.Mutex
	// jobs are the calls in hand, by the subject that cancels them.
	jobs map[string]context.CancelCauseFunc
}

// method is a registered handler; one of unary and stream is set.
type method struct {
	rule   rule
	impl   any
	unary  *grpc.MethodDesc
	stream *grpc.StreamDesc
}

var _ grpc.ServiceRegistrar = (*Server)(nil)

// NewServer returns a server without services. What is wrong with the settings
// is Run's to tell.
func NewServer(q *Queue, s ServerSettings) *Server {
	s, err := s.withDefaults(q)
	server := &Server{q: q, settings: s, methods: map[string]method{}, jobs: map[string]context.CancelCauseFunc{}}
	if err != nil {
		server.wrong = append(server.wrong, err)
	}
	return server
}

// RegisterService registers a service; generated Register functions call it,
// before Run.
func (s *Server) RegisterService(desc *grpc.ServiceDesc, impl any) {
	add := func(name string, m method) {
		full := "/" + desc.ServiceName + "/" + name
		var err error
		if m.rule, err = lookupRule(full); err != nil {
			s.wrong = append(s.wrong, fmt.Errorf("register with the queue: %w", err))
			return
		}
		if m.rule.stage != s.settings.Stage {
			s.wrong = append(s.wrong, fmt.Errorf("register with the queue: %s is of stage %s, and this server of %s", full, m.rule.stage, s.settings.Stage))
		}
		m.impl = impl
		s.methods[full] = m
	}
	for i := range desc.Methods {
		add(desc.Methods[i].MethodName, method{unary: &desc.Methods[i]})
	}
	for i := range desc.Streams {
		add(desc.Streams[i].StreamName, method{stream: &desc.Streams[i]})
	}
}

// Run takes work until ctx ends; then it finishes the calls in hand within the
// grace, hands the others back, and returns nil. It returns an error at once
// when a setting or a registered service is wrong, and when it cannot open its
// consumers.
func (s *Server) Run(ctx context.Context) error {
	if len(s.wrong) > 0 {
		return errors.Join(s.wrong...)
	}
	if len(s.methods) == 0 {
		return errors.New("run a queue server: no service is registered")
	}
	for _, class := range []string{Interactive, Batch} {
		err := patiently(ctx, s.settings.Logger, func(ctx context.Context) (err error) {
			_, err = s.consumer(ctx, class)
			return err
		})
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
	}
	cancels, err := s.q.nc.Subscribe(cancelFilter(s.settings.Stage, s.settings.Bundle), s.hearCancel)
	if err != nil {
		return fmt.Errorf("listen for cancels: %w", err)
	}
	defer func() { _ = cancels.Unsubscribe() }()

	// Calls in hand outlive ctx by the grace.
	jobs, stopJobs := context.WithCancelCause(context.WithoutCancel(ctx))
	defer stopJobs(nil)
	endGrace := context.AfterFunc(ctx, func() {
		timer := time.NewTimer(s.settings.Grace)
		defer timer.Stop()
		select {
		case <-timer.C:
			stopJobs(ErrShutdown)
		case <-jobs.Done():
		}
	})
	defer endGrace()
	watching, unwatch := context.WithCancel(ctx)
	var watch sync.WaitGroup
	watch.Go(func() { s.watchdog(watching) })
	defer watch.Wait()
	defer unwatch()
	var slots sync.WaitGroup
	for range s.settings.Slots {
		slots.Go(func() { s.slot(ctx, jobs) })
	}
	slots.Wait()
	return nil
}

// consumer makes, or opens, the durable consumer of a class. It is shared by
// all workers of the stage and bundle, and goes when none has been there for as
// long as work may wait.
func (s *Server) consumer(ctx context.Context, class string) (jetstream.Consumer, error) {
	name := consumerName(s.settings.Stage, s.settings.Bundle, class)
	consumer, err := s.q.js.CreateOrUpdateConsumer(ctx, workStream, jetstream.ConsumerConfig{
		Durable: name, AckPolicy: jetstream.AckExplicitPolicy, DeliverPolicy: jetstream.DeliverAllPolicy,
		FilterSubject: consumerFilter(s.settings.Stage, s.settings.Bundle, class),
		AckWait:       s.q.settings.AckWait, MaxDeliver: -1,
		MaxAckPending: maxInHand, MaxWaiting: maxInHand,
		PriorityPolicy: jetstream.PriorityPolicyPrioritized, PriorityGroups: []string{workersGroup},
		InactiveThreshold: s.q.settings.MaxAge,
	})
	if err != nil {
		return nil, fmt.Errorf("open consumer %s: %w", name, err)
	}
	return consumer, nil
}

const (
	// maxInHand bounds the calls in hand, and the slots that wait, of all workers
	// of a stage, bundle and class.
	maxInHand = 8192
	// workersGroup is the one group among whose members priority is.
	workersGroup = "workers"
)

// hold makes a call in hand reachable for its cancel; letGo ends that.
func (s *Server) hold(at address, cancel context.CancelCauseFunc) (letGo func()) {
	subject := at.cancel()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.jobs[subject] = cancel
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.jobs, subject)
	}
}

func (s *Server) hearCancel(m *nats.Msg) {
	if !strings.HasPrefix(m.Subject, "cancel.") {
		return
	}
	s.mu.Lock()
	cancel := s.jobs[m.Subject]
	s.mu.Unlock()
	if cancel != nil {
		cancel(ErrCancelRequested)
	}
}
