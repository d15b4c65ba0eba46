package gateway

import (
	"fmt"
	"math"
	"net"
	"strconv"
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
	// MaxWaiting is how many generations may wait in the mesh, and
	// MaxWaitingPerTenant how many of one tenant; 0 means 1000 and 200.
	MaxWaiting, MaxWaitingPerTenant int
	// TenantGenerations is how many generations of one tenant are worked on at
	// once in the mesh; 0 means no bound.
	TenantGenerations int
	// TenantWeights are tenants' shares as name=weight; who is not named has 1.
	TenantWeights []string
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
	s.Int(&c.MaxWaitingPerTenant, "max-waiting-per-tenant", 200, "generations of one tenant that may wait")
	s.Int(&c.TenantGenerations, "tenant-generations", 0, "generations of one tenant worked on at once in the mesh; 0 is no bound")
	s.Strings(&c.TenantWeights, "tenant-weights", nil, "shares of tenants as name=weight; who is not named has 1")
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
	p.Check(c.MaxWaitingPerTenant >= 1, "max-waiting-per-tenant", "%d is not positive", c.MaxWaitingPerTenant)
	p.Check(c.TenantGenerations >= 0, "tenant-generations", "%d is negative; 0 is no bound", c.TenantGenerations)
	p.Check(c.BatchAging > 0, "batch-aging", "%v is not positive", c.BatchAging)
	_, err := parseWeights(c.TenantWeights)
	p.Check(err == nil, "tenant-weights", "%v", err)
	p.Check(c.Lease >= time.Second && c.Lease <= time.Minute, "lease", "%v is outside 1s..1m", c.Lease)
}

// fairness is how generations take turns.
func (c *Config) fairness() (jobqueue.Fairness, error) {
	weights, err := parseWeights(c.TenantWeights)
	return jobqueue.Fairness{Weights: weights, MaxInFlight: c.TenantGenerations, Aging: c.BatchAging}, err
}

func parseWeights(list []string) (map[string]float64, error) {
	weights := map[string]float64{}
	for _, text := range list {
		name, number, _ := strings.Cut(text, "=")
		weight, err := strconv.ParseFloat(number, 64)
		if name == "" || err != nil || !(weight > 0) || math.IsInf(weight, 1) {
			return nil, fmt.Errorf("%q is no share: use name=weight, for example acme=3", text)
		}
		weights[name] = weight
	}
	return weights, nil
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
