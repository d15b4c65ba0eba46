package worker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/facestudio/facestudio/services/jobqueue"
	"github.com/facestudio/facestudio/services/rpc"
	"github.com/facestudio/facestudio/services/telemetry"
)

// Run runs one stage as a process of its own until ctx ends. The name is the
// binary's, "denoiser-svc"; the stage's is without "-svc".
func Run(ctx context.Context, name string, c Config, build Build) (err error) {
	tel, err := telemetry.Start(ctx, telemetry.Settings{Config: c.Telemetry, Service: name, Version: Version()})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, shutdown(tel)) }()
	log := tel.Logger()

	// Everything that an operator can have set wrongly comes before what takes
	// time.
	server, err := rpc.NewServer(ctx, c.RPC, log)
	if err != nil {
		return err
	}
	defer server.Close()
	b, err := c.Mesh.OpenBundle()
	if err != nil {
		return err
	}
	ready := newReadiness(server.Ready)
	nc, err := c.Mesh.Connect(ctx, name, log, ready.connected)
	if err != nil {
		return err
	}
	defer nc.Close()
	queue, err := jobqueue.Open(ctx, nc, jobqueue.Settings{})
	if err != nil {
		return fmt.Errorf("open the queue: %w", err)
	}
	blobs, err := c.Mesh.OpenBlobs(ctx)
	if err != nil {
		return fmt.Errorf("open blob-url: %w", err)
	}
	defer func() { err = errors.Join(err, blobs.Close()) }()
	runtime, err := c.Models.Start()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, runtime.Close()) }()

	env := Env{
		Bundle: b, Runtime: runtime, Provider: c.Models.Settings(),
		Threads: c.Models.Count(), Slots: c.Models.Slots,
		Blobs: blobs, Log: log,
	}
	w, err := New(ctx, StageName(name), build, env, ServeSettings{Queue: queue, Plain: server, Grace: c.RPC.Grace})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.Close()) }()

	group, running := errgroup.WithContext(ctx)
	group.Go(func() error { return server.Run(running) })
	group.Go(func() error { return w.Run(running) })
	ready.warm()
	log.Info("ready", slog.String("listen", server.Addr()), slog.String("bundle", b.ID()))
	err = group.Wait()
	log.Info("stopped")
	return err
}

// shutdown gives telemetry a moment to send what is left; the process' context
// has ended by then.
func shutdown(tel *telemetry.Telemetry) error {
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
	defer cancel()
	return tel.Shutdown(ctx)
}
