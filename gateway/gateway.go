// Package gateway is the public face of the mesh and the conductor behind it:
// the API that takes generations, and the flow that makes them by calling the
// stages. Any number of gateways may run side by side; each generation is
// worked on by one of them at a time.
package gateway

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"go.opentelemetry.io/otel"
	"google.golang.org/grpc"

	"github.com/facestudio/facestudio/gateway/internal/admin"
	"github.com/facestudio/facestudio/gateway/internal/api"
	"github.com/facestudio/facestudio/gateway/internal/audit"
	"github.com/facestudio/facestudio/gateway/internal/conductor"
	"github.com/facestudio/facestudio/gateway/internal/erase"
	"github.com/facestudio/facestudio/gateway/internal/flow"
	"github.com/facestudio/facestudio/gateway/internal/record"
	"github.com/facestudio/facestudio/gateway/internal/serving"
	"github.com/facestudio/facestudio/services/blob"
	"github.com/facestudio/facestudio/services/bundle"
	"github.com/facestudio/facestudio/services/jobqueue"
	"github.com/facestudio/facestudio/services/rpc"
)

// Env is what a gateway is built from. The caller of New keeps owning it.
type Env struct {
	// Bundle that new generations are pinned to; only its manifest is used.
	Bundle *bundle.Bundle
	// Queue has the generations and carries the calls of stages.
	Queue *jobqueue.Queue
	// Blobs has the pictures.
	Blobs *blob.Store
	// Auth says who may call.
	Auth Auth
	// Log takes how generations end, and which API keys are made and revoked.
	Log *slog.Logger
}

// Service is a gateway. Register it, Run it, and Close it after Run.
type Service struct {
	config   Config
	bundle   string
	admin    *admin.Service
	keys     *admin.Keys
	guard    rpc.Guard
	api      *api.Service
	bundles  *api.Bundles
	subjects *api.Subjects
	privacy  *admin.Privacy
	audit    *audit.Log
	people   people
	pictures *api.Pictures
	styles   *api.Styles
	assets   assets
	// stopping is closed when Run ends.
	stopping  chan struct{}
	conductor *conductor.Conductor
	records   *jobqueue.Records
	store     *record.Store
	policy    policy
	fairness  jobqueue.Fairness
	line      *jobqueue.Line
	eraser    *erase.Eraser
	conns     []*grpc.ClientConn
	// unobserve ends the metrics of the queue; nil before they begin.
	unobserve func() error
}

// New builds a gateway. Connections to stages that are called over plain gRPC
// are made with the first call.
func New(ctx context.Context, env Env, c Config) (*Service, error) {
	s := &Service{
		config: c, bundle: env.Bundle.Digest(), records: env.Queue.Records(), admin: admin.New(env.Queue, time.Now),
		stopping: make(chan struct{}),
	}
	var err error
	if s.policy, err = openPolicy(ctx, env, c.Policy); err != nil {
		return nil, err
	}
	entries, err := env.Queue.Audit(ctx, cmp.Or(c.AuditAge, jobqueue.DefaultAuditAge))
	if err != nil {
		return nil, fmt.Errorf("open the audit log: %w", err)
	}
	s.audit = audit.New(entries, api.DefaultTenant, env.Log)
	s.privacy = admin.NewPrivacy(env.Queue.Ring(), s.audit)
	s.fairness = jobqueue.Fairness{Share: s.policy.share, Aging: c.BatchAging}
	s.line, err = jobqueue.NewLine(s.records, jobqueue.LineSettings{
		MaxWaiting: c.MaxWaiting, Bundle: s.bundle, Fairness: s.fairness,
	})
	if err != nil {
		return nil, fmt.Errorf("watch the line of generations: %w", err)
	}
	if s.unobserve, err = env.Queue.Observe(s.line); err != nil {
		return nil, err
	}
	queue := jobqueue.NewConn(env.Queue, jobqueue.ConnSettings{Bundle: env.Bundle.ID()})
	stages, err := s.connect(queue)
	if err == nil {
		s.people, err = openPeople(ctx, env, s.audit)
	}
	if err == nil {
		s.assets, err = openAssets(ctx, env)
	}
	if err == nil {
		err = s.openAuth(ctx, env)
	}
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	manifest := &env.Bundle.Manifest
	s.store = record.New(env.Queue, env.Queue.Now)
	workers := serving.New(serving.Settings{
		List: env.Queue.Stages, Bundle: env.Bundle.ID(), Stages: s.config.queued("encoder", "denoiser"), Now: time.Now,
	})
	s.eraser = erase.New(env.Blobs, s.store, env.Queue, env.Log)
	settings := api.Settings{
		Bundle:       s.bundle,
		Manifest:     manifest,
		CheckPicture: s.policy.checkPicture,
		Limits:       s.policy.limits.Of,
		Pictures:     s.policy.pictures,
		CheckURL:     s.policy.outside.CheckURL,
		FetchPicture: s.policy.fetchPicture,
		Ended:        s.eraser.Ended,
		CheckEnrolled: func(ctx context.Context, tenant, name string) error {
			_, err := s.people.embeddings.Embedding(ctx, tenant, name)
			return err
		},
		CheckServed: workers.Check,
		Drop:        s.eraser.Drop,
		ForgetWork:  env.Queue.ForgetWork,
		Style:       s.assets.style,
		Sign:        env.Queue.Sign,
		Stopping:    s.stopping,
		Line:        s.line,
		Now:         env.Queue.Now,
		Random:      rand.Reader,
	}
	s.api = api.New(s.store, env.Blobs, settings)
	if c.Encoder != "" && c.Encoder != QueueTransport {
		queue = nil
	}
	s.subjects = s.serveSubjects(env, stages, queue, settings)
	s.bundles = api.NewBundles(s.bundle, manifest)
	s.serveAssets(env, stages, queue, settings)
	flowing := flow.Settings{
		Framing: manifest.Framing, Portrait: manifest.Canvas.Default, Similarity: manifest.FaceEncoder.Similarity, Subjects: s.people.embeddings,
	}
	if queue != nil {
		flowing.Forget = queue.Forget
	}
	runner, err := conductor.Observe(
		flow.New(stages, env.Blobs, flowing),
		otel.GetTracerProvider(), otel.GetMeterProvider())
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	s.conductor = conductor.New(runner, s.store, conductor.Settings{
		Bundle: s.bundle, Now: env.Queue.Now, Unserved: workers.Explain, Ended: s.eraser.Ended, Log: env.Log,
	})
	return s, nil
}

// Register registers GenerationService, SubjectService, PictureService,
// StyleService and BundleService, whose calls are counted for their tenant, and the
// operator's QueueService and KeyService.
func (s *Service) Register(to grpc.ServiceRegistrar) {
	to = s.audit.Record(to)
	counted := s.policy.throttle.Guard(to)
	s.api.Register(counted)
	s.subjects.Register(counted)
	s.pictures.Register(counted)
	s.styles.Register(counted)
	s.bundles.Register(counted)
	s.admin.Register(to)
	s.keys.Register(to)
	s.privacy.Register(to)
}

// Run works on generations until ctx ends, then finishes those in hand within
// the grace or leaves them to other gateways. Photos of generations that have
// ended, and subjects that have expired, are removed on the way, and ends are
// told to webhooks.
func (s *Service) Run(ctx context.Context) error {
	defer context.AfterFunc(ctx, func() { close(s.stopping) })()
	// The last ones to erase are those of the generations that end last.
	erasing, stop := context.WithCancel(context.WithoutCancel(ctx))
	var beside sync.WaitGroup
	beside.Go(func() { s.eraser.Run(erasing) })
	beside.Go(func() { s.people.remover.Run(erasing) })
	beside.Go(func() { s.policy.run(erasing, s.config.Policy) })
	beside.Go(func() { s.assets.uploads.Run(erasing) })
	watching, unwatch := context.WithCancel(ctx)
	lined := make(chan error, 1)
	go func() { lined <- s.line.Run(watching) }()
	told := make(chan error, 1)
	go func() { told <- s.policy.tellEnds(watching, s.store) }()
	defer beside.Wait()
	defer stop()
	err := s.records.Work(ctx, jobqueue.WorkSettings{
		Bundle: s.bundle,
		Slots:  s.config.Generations,
		Lease:  s.config.Lease,
		Grace:  s.config.Grace, Fairness: s.fairness,
	}, func(ctx context.Context, claim *jobqueue.Claim) error { return s.conductor.Conduct(ctx, claim) })
	unwatch()
	err = errors.Join(err, <-lined, <-told)
	if err != nil && ctx.Err() == nil {
		return fmt.Errorf("work on generations: %w", err)
	}
	return nil
}

// Close ends the connections to the stages and to its own server, and its metrics
// of the queue. Call it after Run.
func (s *Service) Close() error {
	errs := make([]error, 0, len(s.conns)+1)
	if s.unobserve != nil {
		errs = append(errs, s.unobserve())
		s.unobserve = nil
	}
	for _, conn := range s.conns {
		errs = append(errs, conn.Close())
	}
	s.conns = nil
	return errors.Join(errs...)
}
