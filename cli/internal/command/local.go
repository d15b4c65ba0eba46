package command

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"google.golang.org/grpc"

	"github.com/facestudio/facestudio/cli/mesh"
	"github.com/facestudio/facestudio/services/config"
	"github.com/facestudio/facestudio/services/rpc"
	"github.com/facestudio/facestudio/services/worker"
)

// local is the section of a mesh inside the command.
type local struct {
	shared  worker.Mesh
	models  worker.Models
	verbose bool
}

func (l *local) Register(s *config.Set) {
	l.shared.RegisterBundle(s)
	l.models.Register(s)
	s.Bool(&l.verbose, "verbose", false, "print the log of the mesh inside this command")
}

// Validate leaves the bundle to the mesh: with a server there need be none.
func (l *local) Validate(p *config.Problems) { l.models.Validate(p) }

// connected calls do with a connection to the server or, when none is named, to
// a mesh inside this process that lives as long as the call.
func (a *app) connected(ctx context.Context, to *remote, l *local, do func(context.Context, *grpc.ClientConn) error) (err error) {
	if to.Server != "" {
		conn, err := to.dial()
		if err != nil {
			return err
		}
		return errors.Join(to.explain(conn, do(ctx, conn)), conn.Close())
	}
	var p config.Problems
	l.shared.ValidateBundle(&p)
	if err := p.Err(); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "facestudio-")
	if err != nil {
		return fmt.Errorf("make a folder for the mesh: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	log := slog.New(slog.DiscardHandler)
	if l.verbose {
		log = slog.New(slog.NewTextHandler(a.errs, nil))
	}
	m, err := mesh.Open(ctx, mesh.Config{
		DataDir: dir, Shared: l.shared, Models: l.models,
		RPC:      rpc.Config{MaxMessage: rpc.DefaultMaxMessage, Grace: 2 * time.Second},
		IdlePoll: 50 * time.Millisecond,
	}, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, m.Close()) }()
	conn, err := m.Dial()
	if err != nil {
		return err
	}
	// The mesh outlives the command's context, so that a generation can still
	// be cancelled through it.
	serving, stop := context.WithCancel(context.WithoutCancel(ctx))
	served := make(chan error, 1)
	go func() { served <- m.Run(serving) }()
	err = errors.Join(do(ctx, conn), conn.Close())
	stop()
	return errors.Join(err, <-served)
}
