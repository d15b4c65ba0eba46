// Package mesh runs every service in one process: an embedded NATS server with
// its files in a folder, one bundle that is opened once, all stages and the
// gateway, through the same constructors as the separate programs.
package mesh

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"os"
	"path/filepath"

	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"
	"google.golang.org/grpc/test/bufconn"

	denoiser "github.com/facestudio/facestudio/denoiser-svc"
	encoder "github.com/facestudio/facestudio/encoder-svc"
	"github.com/facestudio/facestudio/gateway"
	prior "github.com/facestudio/facestudio/prior-svc"
	segmenter "github.com/facestudio/facestudio/segmenter-svc"
	"github.com/facestudio/facestudio/services/bundle"
	"github.com/facestudio/facestudio/services/heap"
	"github.com/facestudio/facestudio/services/jobqueue/embedded"
	"github.com/facestudio/facestudio/services/ort"
	"github.com/facestudio/facestudio/services/rpc"
	"github.com/facestudio/facestudio/services/worker"
)

// Mesh is every service in this process, warm. Run serves it, Close ends it.
type Mesh struct {
	log     *slog.Logger
	bundle  *bundle.Bundle
	runtime *ort.Runtime
	server  *rpc.Server
	memory  *bufconn.Listener
	gateway *gateway.Service
	workers []*worker.Worker
	closes  []func() error
}

// stages are the services behind the gateway.
var stages = map[string]worker.Build{
	"encoder":   func(ctx context.Context, e worker.Env) (worker.Stage, error) { return encoder.New(ctx, e) },
	"prior":     func(ctx context.Context, e worker.Env) (worker.Stage, error) { return prior.New(ctx, e) },
	"segmenter": func(ctx context.Context, e worker.Env) (worker.Stage, error) { return segmenter.New(ctx, e) },
	"denoiser":  func(ctx context.Context, e worker.Env) (worker.Stage, error) { return denoiser.New(ctx, e) },
}

// Open starts NATS, opens the bundle and builds all services, side by side.
func Open(ctx context.Context, c Config, log *slog.Logger) (*Mesh, error) {
	m := &Mesh{log: log}
	if err := m.open(ctx, c); err != nil {
		return nil, errors.Join(err, m.Close())
	}
	return m, nil
}

func (m *Mesh) open(ctx context.Context, c Config) error {
	heap.FewArenas()
	if err := m.listen(ctx, c.RPC); err != nil {
		return err
	}
	var err error
	if m.bundle, err = c.Shared.OpenBundle(); err != nil {
		return err
	}
	env := worker.Env{
		Bundle: m.bundle, Provider: c.Models.Settings(),
		Threads: c.Models.Count(), Slots: c.Models.Slots, Batch: c.Models.Together(), Log: m.log,
	}
	if m.runtime, err = c.Models.Start(); err != nil {
		return err
	}
	m.onClose(m.runtime.Close)
	env.Runtime = m.runtime
	if err := os.MkdirAll(c.DataDir, 0o700); err != nil {
		return fmt.Errorf("make data-dir: %w", err)
	}
	shared, err := stored(c)
	if err != nil {
		return err
	}
	nats, err := embedded.Start(ctx, embedded.Settings{Dir: filepath.Join(c.DataDir, "nats"), Logger: m.log})
	if err != nil {
		return fmt.Errorf("start NATS in data-dir: %w", err)
	}
	m.onClose(func() error { nats.Close(); return nil })
	nc, err := nats.Connect()
	if err != nil {
		return fmt.Errorf("connect to the embedded NATS: %w", err)
	}
	m.onClose(func() error { nc.Close(); return nil })
	queue, err := shared.OpenQueue(ctx, nc, m.log)
	if err != nil {
		return err
	}
	m.onClose(func() error { queue.Close(); return nil })
	if env.Blobs, err = shared.OpenBlobs(ctx, queue.Ring()); err != nil {
		return fmt.Errorf("open the pictures in data-dir: %w", err)
	}
	m.onClose(env.Blobs.Close)
	guarded := c.Auth
	if guarded.AdminKeyFile = c.AdminKeyFile(); c.Auth.On {
		if err := gateway.MakeAdminKey(guarded.AdminKeyFile); err != nil {
			return err
		}
	}
	m.gateway, err = gateway.New(ctx, gateway.Env{Bundle: m.bundle, Queue: queue, Blobs: env.Blobs, Auth: guarded, Log: m.log},
		gateway.Config{Grace: c.RPC.Grace, Policy: c.Policy})
	if err != nil {
		return err
	}
	m.onClose(m.gateway.Close)
	m.gateway.Guard(m.server)
	m.gateway.Register(m.server)
	if m.memory == nil {
		if err := m.gateway.RegisterHTTP(m.server, c.HTTP); err != nil { //nolint:contextcheck // its calls have contexts of their own
			return err
		}
	}
	if err := m.build(ctx, env, worker.ServeSettings{Queue: queue, Grace: c.RPC.Grace, IdlePoll: c.IdlePoll}); err != nil {
		return err
	}
	floor := heap.Hold(heap.Default)
	m.onClose(func() error { floor.Release(); return nil })
	return nil
}

// build warms all stages side by side.
func (m *Mesh) build(ctx context.Context, env worker.Env, s worker.ServeSettings) error {
	built := make(chan *worker.Worker, len(stages))
	group, building := errgroup.WithContext(ctx)
	for name, build := range stages {
		group.Go(func() error {
			w, err := worker.New(building, name, build, env, s)
			if err == nil {
				built <- w
			}
			return err
		})
	}
	err := group.Wait()
	close(built)
	for w := range built {
		m.workers = append(m.workers, w)
		// A gRPC server takes registrations one after the other.
		w.Register(m.server)
		m.onClose(w.Close)
	}
	return err
}

// KeyFile is the file in the data folder with the key-encryption keys.
const KeyFile = "seal.keys"

// stored are the settings of what lies in the data folder.
func stored(c Config) (worker.Mesh, error) {
	dir, err := filepath.Abs(c.DataDir)
	if err != nil {
		return worker.Mesh{}, fmt.Errorf("find data-dir: %w", err)
	}
	shared := c.Shared
	shared.BlobURL = (&url.URL{Scheme: "file", Path: filepath.ToSlash(filepath.Join(dir, "blobs"))}).String()
	shared.SealKeyFile = filepath.Join(dir, KeyFile)
	shared.Replicas = 1
	return shared, nil
}

// inMemory bounds what is under way between a client and the server in this
// process, bytes.
const inMemory = 1 << 20

func (m *Mesh) listen(ctx context.Context, c rpc.Config) error {
	var err error
	if c.Listen == "" {
		m.memory = bufconn.Listen(inMemory)
		m.server, err = rpc.NewServerOn(m.memory, c, m.log) //nolint:contextcheck // calls bring their own
	} else {
		m.server, err = rpc.NewServer(ctx, c, m.log)
	}
	if err != nil {
		return err
	}
	m.onClose(m.server.Close)
	return nil
}

func (m *Mesh) onClose(do func() error) { m.closes = append(m.closes, do) }

// Addr is the address that the mesh listens on, host:port; "bufconn" when only
// Dial reaches it.
func (m *Mesh) Addr() string { return m.server.Addr() }

// Bundle is the bundle that the mesh serves.
func (m *Mesh) Bundle() *bundle.Bundle { return m.bundle }

// Runtime runs the models; its Busy tells how long they ran.
func (m *Mesh) Runtime() *ort.Runtime { return m.runtime }

// Dial connects to a mesh that does not listen.
func (m *Mesh) Dial() (*grpc.ClientConn, error) {
	return rpc.Dial("passthrough:///mesh", rpc.DialSettings{},
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) {
			return m.memory.DialContext(ctx)
		}))
}

// Run serves until ctx ends. Then the gateway stops first, so that what it
// finishes within the grace still finds the stages, and they stop after it.
func (m *Mesh) Run(ctx context.Context) error {
	back, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	behind, working := errgroup.WithContext(back)
	for _, w := range m.workers {
		behind.Go(func() error { return w.Run(working) })
	}
	front, serving := errgroup.WithContext(ctx)
	front.Go(func() error { return m.server.Run(serving) })
	front.Go(func() error { return m.gateway.Run(serving) })
	front.Go(func() error {
		select {
		case <-working.Done():
			return errStageEnded
		case <-serving.Done():
			return nil
		}
	})
	m.server.Ready(true)
	m.log.Info("ready", slog.String("listen", m.Addr()), slog.String("bundle", m.bundle.ID()))
	err := front.Wait()
	stop()
	if errors.Is(err, errStageEnded) {
		err = nil // the stage says why
	}
	return errors.Join(err, behind.Wait())
}

// errStageEnded stops the front when what is behind it fails.
var errStageEnded = errors.New("a stage ended")

// Close frees everything, in the reverse order of Open.
func (m *Mesh) Close() error {
	var errs []error
	for i := len(m.closes) - 1; i >= 0; i-- {
		errs = append(errs, m.closes[i]())
	}
	m.closes = nil
	return errors.Join(errs...)
}
