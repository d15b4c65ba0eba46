package gateway

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"go.opentelemetry.io/otel"

	"github.com/facestudio/facestudio/gateway/internal/api"
	"github.com/facestudio/facestudio/gateway/internal/outbound"
	"github.com/facestudio/facestudio/gateway/internal/record"
	"github.com/facestudio/facestudio/gateway/internal/tenant"
	"github.com/facestudio/facestudio/gateway/internal/throttle"
	"github.com/facestudio/facestudio/gateway/internal/webhook"
	"github.com/facestudio/facestudio/services/config"
	"github.com/facestudio/facestudio/services/imaging"
	"github.com/facestudio/facestudio/services/jobqueue"
)

// Policy is what an operator sets about what tenants may do.
type Policy struct {
	// TenantsFile is a YAML file of limits, for all tenants and for single ones; it
	// is read anew when it changes. Empty: every tenant has the defaults.
	TenantsFile string
	// LocalURLs lets webhooks and pictures by URL be on loopback addresses, and
	// plain HTTP: for development. Otherwise only public addresses are reached, by HTTPS.
	LocalURLs bool
}

// Register implements config.Section.
func (c *Policy) Register(s *config.Set) {
	s.String(&c.TenantsFile, "tenants-file", "", "YAML file of what tenants may do, read anew when it changes; empty gives all the defaults")
	s.Bool(&c.LocalURLs, "allow-local-urls", false, "development: webhooks and pictures may have http URLs, and on loopback")
}

// Validate implements config.Section.
func (c *Policy) Validate(p *config.Problems) {
	if c.TenantsFile == "" {
		return
	}
	_, err := tenant.Read(c.TenantsFile)
	if invalid, ok := errors.AsType[*config.InvalidError](err); ok {
		for _, problem := range invalid.Problems {
			p.Add(problem.Setting, "%s", problem.Message)
		}
	}
}

// fetchTime bounds the reading of a picture from the web.
const fetchTime = 10 * time.Second

// countersKept is how long a day's count is kept after its last change: for that
// day, wherever a clock stands.
const countersKept = 48 * time.Hour

// pictureCounters is the kind of counters that count pictures.
const pictureCounters = "pictures"

// policy is the parts of a gateway that hold tenants to their limits.
type policy struct {
	limits   *tenant.Source
	throttle *throttle.Throttle
	pictures *jobqueue.Counters
	// outside is which addresses that callers name are reached.
	outside outbound.Settings
	sender  *webhook.Sender
	// client sends to webhooks, and fetching reads pictures.
	client, fetching *http.Client
}

func openPolicy(ctx context.Context, env Env, c Policy) (policy, error) {
	limits, err := tenant.Open(tenant.Settings{Path: c.TenantsFile, Log: env.Log, Meter: otel.GetMeterProvider()})
	if err != nil {
		return policy{}, err
	}
	bound, err := throttle.New(throttle.Settings{
		Rate:   func(name string) (float64, int) { return limits.Of(name).Rate() },
		Tenant: api.TenantOf,
		Now:    time.Now,
		Meter:  otel.GetMeterProvider(),
	})
	if err != nil {
		return policy{}, err
	}
	pictures, err := env.Queue.Counters(ctx, pictureCounters, countersKept)
	if err != nil {
		return policy{}, fmt.Errorf("open the counters of pictures: %w", err)
	}
	p := policy{limits: limits, throttle: bound, pictures: pictures, outside: outbound.Settings{Local: c.LocalURLs}}
	p.client = p.outside.Client(webhook.AttemptTime)
	p.fetching = p.outside.Client(fetchTime)
	p.sender, err = webhook.New(webhook.Settings{
		Client: p.client, Limits: limits.Of, Now: env.Queue.Now, Log: env.Log, Meter: otel.GetMeterProvider(),
	})
	return p, err
}

// share is a tenant's share of the work.
func (p policy) share(name string) jobqueue.Share {
	l := p.limits.Of(name)
	return jobqueue.Share{Weight: l.Weight, MaxRunning: l.Running}
}

// checkPicture refuses a picture by its header.
func (p policy) checkPicture(name string, data []byte) error {
	l := p.limits.Of(name)
	return imaging.Check(data, imaging.Limits{MaxBytes: l.UploadBytes, MaxPixels: l.UploadPixels})
}

// fetchPicture reads a picture from the web.
func (p policy) fetchPicture(ctx context.Context, url string, most int) ([]byte, error) {
	return p.outside.FetchPicture(ctx, p.fetching, url, most)
}

// run reads the tenants file when it changes, and at once on SIGHUP.
func (p policy) run(ctx context.Context, c Policy) {
	if c.TenantsFile == "" {
		return // a hangup ends the process then, as always
	}
	asked := make(chan os.Signal, 1)
	signal.Notify(asked, syscall.SIGHUP)
	defer signal.Stop(asked)
	p.limits.Run(ctx, asked)
}

// tellEnds tells the ends of generations to those who want to know, until ctx
// ends.
func (p policy) tellEnds(ctx context.Context, records *record.Store) error {
	defer p.client.CloseIdleConnections()
	defer p.fetching.CloseIdleConnections()
	return records.TellEnds(ctx, jobqueue.FollowUpSettings{Stage: "webhook"}, p.sender.Attempt)
}
