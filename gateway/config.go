package gateway

import (
	"net"
	"slices"
	"strings"
	"time"

	"github.com/facestudio/facestudio/services/config"
	"github.com/facestudio/facestudio/services/jobqueue"
)

// QueueTransport is the transport of a stage whose calls go through the queue.
const QueueTransport = "queue"

// grpcScheme and grpcsScheme start the transport of a stage that is called
// over plain gRPC, without and with TLS; the address follows.
const (
	grpcScheme  = "grpc://"
	grpcsScheme = "grpcs://"
)

// Config is what an operator sets about a gateway.
type Config struct {
	// Encoder, Prior, Segmenter and Denoiser say how each stage is called:
	// "queue", or plain gRPC as "grpc://host:port", with TLS
	// "grpcs://host:port". Empty means "queue".
	Encoder, Prior, Segmenter, Denoiser string
	// StageCA is a PEM file of the authority of the stages' certificates, for
	// grpcs. Empty: the system's.
	StageCA string
	// StageCert and StageKey are PEM files of the certificate that the gateway
	// shows to the stages, for grpcs. Both empty: none.
	StageCert, StageKey string
	// Generations is how many are worked on at the same time; 0 means 16. It
	// bounds waiting, not computing: the stages have slots of their own.
	Generations int
	// Lease is how long the gateway may be silent before another takes over its
	// generations; 0 means 5 s.
	Lease time.Duration
	// MaxWaiting is how many generations may wait in the mesh; 0 means 1000.
	MaxWaiting int
	// AuditAge is how long the log of who did what is kept, the same for all
	// gateways; 0 means a year.
	AuditAge time.Duration
	// Policy is what tenants may do.
	Policy Policy
	// BatchAging is how long a batch generation waits before it counts as
	// interactive; 0 means 5 min.
	BatchAging time.Duration
	// Grace is how long a stop waits for the generations in hand; 0 means 10 s.
	Grace time.Duration
}

// Register implements config.Section. The grace is registered with the gRPC
// server's settings; whoever builds the gateway copies it.
func (c *Config) Register(s *config.Set) {
	for _, t := range c.transports() {
		s.String(t.to, t.setting, QueueTransport, "how the "+t.stage+" is called: queue, grpc://host:port or grpcs://host:port")
	}
	s.String(&c.StageCA, "stage-ca", "", "PEM file of the authority of the stages' certificates, for grpcs; empty is the system's")
	s.String(&c.StageCert, "stage-cert", "", "PEM file of the certificate to show to the stages, for grpcs")
	s.String(&c.StageKey, "stage-key", "", "PEM file of that certificate's key")
	s.Int(&c.Generations, "generations", 16, "generations worked on at the same time")
	s.Int(&c.MaxWaiting, "max-waiting", 1000, "generations that may wait in the mesh; more are refused")
	s.Duration(&c.AuditAge, "audit-age", jobqueue.DefaultAuditAge, "how long the log of who did what is kept; the same for all gateways")
	c.Policy.Register(s)
	s.Duration(&c.BatchAging, "batch-aging", 5*time.Minute, "how long a batch generation waits before it counts as interactive")
	s.Duration(&c.Lease, "lease", 5*time.Second, "how long this gateway may be silent before another takes over its generations")
}

// Validate implements config.Section.
func (c *Config) Validate(p *config.Problems) {
	for _, t := range c.transports() {
		_, _, err := parseTransport(*t.to)
		p.Check(err == nil, t.setting, "%q is no transport: use queue, grpc://host:port or grpcs://host:port", *t.to)
	}
	p.Check((c.StageCert == "") == (c.StageKey == ""), "stage-cert", "stage-cert and stage-key belong together: give both or none")
	p.Check(c.Generations >= 1 && c.Generations <= 1024, "generations", "%d is outside 1..1024", c.Generations)
	p.Check(c.MaxWaiting >= 1, "max-waiting", "%d is not positive", c.MaxWaiting)
	p.Check(c.AuditAge >= time.Hour, "audit-age", "%v is less than an hour: use for example 8760h", c.AuditAge)
	c.Policy.Validate(p)
	p.Check(c.BatchAging > 0, "batch-aging", "%v is not positive", c.BatchAging)
	p.Check(c.Lease >= time.Second && c.Lease <= time.Minute, "lease", "%v is outside 1s..1m", c.Lease)
}

type transport struct {
	stage, setting string
	to             *string
}

func (c *Config) transports() []transport {
	return []transport{
		{"encoder", "encoder-transport", &c.Encoder},
		{"prior", "prior-transport", &c.Prior},
		{"segmenter", "segmenter-transport", &c.Segmenter},
		{"denoiser", "denoiser-transport", &c.Denoiser},
	}
}

// queued are those of the stages that are called over the queue.
func (c *Config) queued(stages ...string) []string {
	var found []string
	for _, t := range c.transports() {
		if (*t.to == "" || *t.to == QueueTransport) && slices.Contains(stages, t.stage) {
			found = append(found, t.stage)
		}
	}
	return found
}

// parseTransport returns the address of a stage that is called over plain
// gRPC, empty for the queue.
func parseTransport(text string) (address string, tls bool, err error) {
	if text == "" || text == QueueTransport {
		return "", false, nil
	}
	address, tls = strings.CutPrefix(text, grpcsScheme)
	if !tls {
		address = strings.TrimPrefix(text, grpcScheme)
		if address == text {
			return "", false, net.InvalidAddrError("unknown transport")
		}
	}
	host, port, err := net.SplitHostPort(address)
	if err == nil && (host == "" || port == "") {
		err = net.InvalidAddrError("host or port is missing")
	}
	return address, tls, err
}
