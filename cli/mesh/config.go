package mesh

import (
	"os"
	"path/filepath"
	"time"

	"github.com/facestudio/facestudio/gateway"
	"github.com/facestudio/facestudio/services/config"
	"github.com/facestudio/facestudio/services/rpc"
	"github.com/facestudio/facestudio/services/worker"
)

// Config is what an operator sets about a mesh in one process.
type Config struct {
	// DataDir is the folder of what the mesh stores: the queue and the
	// pictures. One mesh at a time may use it.
	DataDir string
	// Shared has the settings of the bundle; its other fields are not used,
	// since the mesh brings its own queue and store.
	Shared worker.Mesh
	// Models says how the models run.
	Models worker.Models
	// RPC is the gRPC server. An empty Listen serves only Dial.
	RPC rpc.Config
	// Auth is who may call over the gRPC server's address. The operator's key lies
	// in DataDir unless it says otherwise, and is made when it is missing.
	Auth gateway.Auth
	// HTTP is REST and the web page, on the address of the gRPC server.
	HTTP gateway.HTTP
	// Policy is what tenants may do.
	Policy gateway.Policy
	// IdlePoll is as in worker.ServeSettings. A mesh that lives for one command
	// sets it low, to end quickly.
	IdlePoll time.Duration
}

// DefaultListen is where the mesh listens by default.
const DefaultListen = "127.0.0.1:7433"

// Register implements config.Section.
func (c *Config) Register(s *config.Set) {
	s.String(&c.DataDir, "data-dir", DefaultDataDir(), "folder of what the mesh stores: queue and pictures")
	c.RPC.DefaultListen = DefaultListen
	c.RPC.Register(s)
	c.Auth.Register(s)
	c.HTTP.Register(s)
	c.Policy.Register(s)
	c.Shared.RegisterBundle(s)
	c.Models.Register(s)
}

// Validate implements config.Section.
func (c *Config) Validate(p *config.Problems) {
	p.Check(c.DataDir != "", "data-dir", "there is no home folder to take by default: name a folder")
	c.RPC.Guarded = c.Auth.On
	c.RPC.Validate(p)
	c.Auth.Validate(p)
	c.HTTP.Validate(p)
	c.Policy.Validate(p)
	c.Shared.ValidateBundle(p)
	c.Models.Validate(p)
}

// AdminKeyFile is where the operator's key is; empty when callers need none.
func (c *Config) AdminKeyFile() string {
	switch {
	case !c.Auth.On:
		return ""
	case c.Auth.AdminKeyFile != "":
		return c.Auth.AdminKeyFile
	default:
		return filepath.Join(c.DataDir, "admin.key")
	}
}

// DefaultDataDir is facestudio below XDG_DATA_HOME or ~/.local/share; empty
// when there is no home folder.
func DefaultDataDir() string {
	if base := os.Getenv("XDG_DATA_HOME"); filepath.IsAbs(base) {
		return filepath.Join(base, "facestudio")
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return ""
	}
	return filepath.Join(home, ".local", "share", "facestudio")
}
