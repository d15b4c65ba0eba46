package gateway

import (
	"context"
	"errors"

	"github.com/facestudio/facestudio/services/config"
	"github.com/facestudio/facestudio/services/rpc"
	"github.com/facestudio/facestudio/services/telemetry"
	"github.com/facestudio/facestudio/services/worker"
)

// DefaultListen is where a gateway listens unless it is told otherwise.
const DefaultListen = "127.0.0.1:7433"

// Program is the configuration of a gateway as a process of its own.
type Program struct {
	// File is the configuration file.
	File config.File
	// Mesh is what all processes of the mesh share.
	Mesh worker.Mesh
	// Gateway is the gateway itself.
	Gateway Config
	// RPC is the gRPC server.
	RPC rpc.Config
	// Auth is who may call.
	Auth Auth
	// HTTP is REST and the web page, on the same address.
	HTTP HTTP
	// Telemetry is logs, traces and metrics.
	Telemetry telemetry.Config
}

// Register implements config.Section.
func (p *Program) Register(s *config.Set) {
	p.RPC.DefaultListen = DefaultListen
	p.File.Register(s)
	p.Mesh.Register(s)
	p.Gateway.Register(s)
	p.RPC.Register(s)
	p.Auth.Register(s)
	p.HTTP.Register(s)
	p.Telemetry.Register(s)
}

// Validate implements config.Section.
func (p *Program) Validate(problems *config.Problems) {
	p.Mesh.Validate(problems)
	p.Gateway.Validate(problems)
	p.RPC.Guarded = p.Auth.On
	p.RPC.Validate(problems)
	p.Auth.Validate(problems)
	p.HTTP.Validate(problems)
	p.Telemetry.Validate(problems)
}

// Run runs a gateway as a process of its own until ctx ends.
func (p *Program) Run(ctx context.Context) (err error) {
	host, err := worker.Open(ctx, "gateway", p.Mesh, p.RPC, p.Telemetry)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, host.Close()) }()
	c := p.Gateway
	c.Grace = p.RPC.Grace
	s, err := New(ctx, Env{Bundle: host.Bundle, Queue: host.Queue, Blobs: host.Blobs, Auth: p.Auth, Log: host.Log}, c)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	s.Guard(host.Server)
	s.Register(host.Server)
	if err := s.RegisterHTTP(host.Server, p.HTTP); err != nil { //nolint:contextcheck // its calls have contexts of their own
		return err
	}
	return host.Run(ctx, s.Run)
}
