package worker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/facestudio/facestudio/services/blob"
	"github.com/facestudio/facestudio/services/bundle"
	"github.com/facestudio/facestudio/services/jobqueue"
	"github.com/facestudio/facestudio/services/rpc"
	"github.com/facestudio/facestudio/services/telemetry"
)

// Host is what every process of the mesh has: a gRPC server and the things
// that the processes share. A program opens it, builds its part from it,
// registers that with Server and calls Run.
type Host struct {
	// Log is the process' logger.
	Log *slog.Logger
	// Server is the gRPC server; it listens but does not answer before Run.
	Server *rpc.Server
	// Bundle is verified.
	Bundle *bundle.Bundle
	// Queue is the mesh's queue.
	Queue *jobqueue.Queue
	// Blobs has the pictures.
	Blobs *blob.Store

	ready  *readiness
	closes []func() error
}

// Open starts telemetry, listens, verifies the bundle and connects to NATS and
// the blob store. What an operator can have set wrongly is found before what
// takes time. Close it after use.
func Open(ctx context.Context, name string, m Mesh, r rpc.Config, t telemetry.Config) (*Host, error) {
	h := &Host{}
	if err := h.open(ctx, name, m, r, t); err != nil {
		return nil, errors.Join(err, h.Close())
	}
	return h, nil
}

func (h *Host) open(ctx context.Context, name string, m Mesh, r rpc.Config, t telemetry.Config) error {
	tel, err := telemetry.Start(ctx, telemetry.Settings{Config: t, Service: name, Version: Version()})
	if err != nil {
		return err
	}
	h.onClose(func() error { //nolint:contextcheck // the process' own has ended then
		// A moment to send what is left; the process' context has ended by now.
		ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
		defer cancel()
		return tel.Shutdown(ctx)
	})
	h.Log = tel.Logger()
	if h.Server, err = rpc.NewServer(ctx, r, h.Log); err != nil {
		return err
	}
	h.onClose(h.Server.Close)
	h.ready = newReadiness(h.Server.Ready)
	if h.Bundle, err = m.OpenBundle(); err != nil {
		return err
	}
	nc, err := m.Connect(ctx, name, h.Log, h.ready.connected)
	if err != nil {
		return err
	}
	h.onClose(func() error { nc.Close(); return nil })
	if h.Queue, err = m.OpenQueue(ctx, nc, h.Log); err != nil {
		return err
	}
	h.onClose(func() error { h.Queue.Close(); return nil })
	if h.Blobs, err = m.OpenBlobs(ctx, h.Queue.Ring()); err != nil {
		return fmt.Errorf("open blob-url: %w", err)
	}
	h.onClose(h.Blobs.Close)
	return nil
}

func (h *Host) onClose(do func() error) { h.closes = append(h.closes, do) }

// Run answers gRPC calls and runs the program's own parts, side by side, until
// ctx ends or one fails; then all stop within their grace. Health says SERVING
// from now on while NATS is connected.
func (h *Host) Run(ctx context.Context, parts ...func(context.Context) error) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return h.Server.Run(ctx) })
	for _, part := range parts {
		group.Go(func() error { return part(ctx) })
	}
	h.ready.warm()
	h.Log.Info("ready", slog.String("listen", h.Server.Addr()), slog.String("bundle", h.Bundle.ID()))
	err := group.Wait()
	h.Log.Info("stopped")
	return err
}

// Close closes everything in the reverse order.
func (h *Host) Close() error {
	var errs []error
	for i := len(h.closes) - 1; i >= 0; i-- {
		errs = append(errs, h.closes[i]())
	}
	h.closes = nil
	return errors.Join(errs...)
}
