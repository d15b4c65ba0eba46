package worker

import (
	"github.com/facestudio/facestudio/services/config"
	"github.com/facestudio/facestudio/services/rpc"
	"github.com/facestudio/facestudio/services/telemetry"
)

// Config is what an operator sets about a stage's process.
type Config struct {
	// File is the configuration file.
	File config.File
	// Mesh is what all processes of the mesh share.
	Mesh Mesh
	// Models says how the models run.
	Models Models
	// RPC is the gRPC server.
	RPC rpc.Config
	// Telemetry is logs, traces and metrics.
	Telemetry telemetry.Config
}

// Register implements config.Section.
func (c *Config) Register(s *config.Set) {
	c.File.Register(s)
	c.Mesh.Register(s)
	c.Models.Register(s)
	c.RPC.Register(s)
	c.Telemetry.Register(s)
}

// Validate implements config.Section.
func (c *Config) Validate(p *config.Problems) {
	c.Mesh.Validate(p)
	c.Models.Validate(p)
	c.RPC.Validate(p)
	c.Telemetry.Validate(p)
}
