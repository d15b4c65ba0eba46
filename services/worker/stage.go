package worker

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"google.golang.org/grpc"

	"github.com/facestudio/facestudio/services/blob"
	"github.com/facestudio/facestudio/services/bundle"
	"github.com/facestudio/facestudio/services/jobqueue"
	"github.com/facestudio/facestudio/services/ort"
	"github.com/facestudio/facestudio/services/rpc"
)

// Env is what a stage is built from. The caller of Build keeps owning it.
type Env struct {
	// Bundle has the models, verified.
	Bundle *bundle.Bundle
	// Runtime runs them.
	Runtime *ort.Runtime
	// Provider is what they run on.
	Provider ort.Provider
	// Threads of one run of a model; at least 1.
	Threads int
	// Slots is how many calls the stage is given at the same time; at least 1.
	Slots int
	// Batch is how many pictures may share one run of the U-Net; 0 or 1 steps
	// each alone.
	Batch int
	// Blobs has the pictures.
	Blobs *blob.Store
	// Log takes the stage's state changes.
	Log *slog.Logger
}

// Stage is a built stage: its models are loaded and have run once.
type Stage interface {
	// Register registers the stage's services. It is called once for plain
	// gRPC and once for the queue.
	Register(to grpc.ServiceRegistrar)
	// Close frees the models; no call is in flight then.
	Close() error
}

// Build loads a stage's models, checks them and runs each once.
type Build func(ctx context.Context, env Env) (Stage, error)

// Worker is a stage that is served over the queue and, where a registrar was
// given, over plain gRPC.
type Worker struct {
	name  string
	stage Stage
	queue *jobqueue.Server
	log   *slog.Logger
}

// ServeSettings says how a Worker serves its stage.
type ServeSettings struct {
	// Queue gives the work.
	Queue *jobqueue.Queue
	// Plain, if not nil, also offers the stage over plain gRPC.
	Plain grpc.ServiceRegistrar
	// Grace is how long a stop waits for the work in hand.
	Grace time.Duration
	// IdlePoll is how often an idle stage looks for batch work; it also bounds
	// how long an idle stage takes to stop. 0 means 1 s.
	IdlePoll time.Duration
}

// New builds the stage of that name ("encoder", "denoiser", ...) and registers
// it; Run serves it.
func New(ctx context.Context, name string, build Build, env Env, s ServeSettings) (*Worker, error) {
	start := time.Now()
	stage, err := build(ctx, env)
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	w := &Worker{name: name, stage: stage, log: env.Log}
	w.queue = jobqueue.NewServer(s.Queue, jobqueue.ServerSettings{
		Stage:     name,
		Bundle:    env.Bundle.ID(),
		Slots:     env.Slots,
		Grace:     s.Grace,
		BatchPoll: s.IdlePoll,
		Unary:     rpc.RecoverUnary,
		Stream:    rpc.RecoverStream,
		Logger:    env.Log,
	})
	stage.Register(w.queue)
	if s.Plain != nil {
		w.Register(s.Plain)
	}
	w.log.Info("stage is warm", slog.String("stage", name), slog.Duration("took", time.Since(start)))
	return w, nil
}

// Register offers the stage over plain gRPC too.
func (w *Worker) Register(to grpc.ServiceRegistrar) { w.stage.Register(to) }

// Run takes work from the queue until ctx ends, then finishes what it has in
// hand within the grace or hands it back.
func (w *Worker) Run(ctx context.Context) error {
	err := w.queue.Run(ctx)
	if err != nil && ctx.Err() == nil {
		return fmt.Errorf("serve %s: %w", w.name, err)
	}
	return nil
}

// Close frees the stage's models. Call it after Run and after plain calls have
// ended.
func (w *Worker) Close() error { return w.stage.Close() }
