// Package api is the public face of the mesh: GenerationService. It checks what
// callers send at the earliest point, stores it, and tells them what became of
// it; the work itself is the conductor's.
package api

import (
	"context"
	"io"
	"time"

	"google.golang.org/grpc"

	"github.com/facestudio/facestudio/gateway/internal/record"
	"github.com/facestudio/facestudio/gateway/internal/tenant"
	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	gatewayv1 "github.com/facestudio/facestudio/proto/gen/facestudio/gateway/v1"
	mediav1 "github.com/facestudio/facestudio/proto/gen/facestudio/media/v1"
	"github.com/facestudio/facestudio/services/bundle"
	"github.com/facestudio/facestudio/services/fault"
	"github.com/facestudio/facestudio/services/jobqueue"
)

// Records keeps generations; *record.Store is one.
type Records interface {
	Create(ctx context.Context, key jobqueue.RecordKey, class string, g *gatewayv1.Generation) error
	Get(ctx context.Context, key jobqueue.RecordKey) (*gatewayv1.Generation, error)
	// Places returns where the generations that pass are in a tenant's list; nil lets
	// all pass, those that were deleted too.
	Places(ctx context.Context, tenant string, passes func(*gatewayv1.Generation) bool) ([]record.Place, error)
	// At returns the generation at a place, nil when there is none any more.
	At(ctx context.Context, tenant string, p record.Place) (*gatewayv1.Generation, error)
	Each(ctx context.Context, tenant string, do func(*gatewayv1.Generation)) error
	Watch(ctx context.Context, key jobqueue.RecordKey) (<-chan *gatewayv1.Generation, error)
	Follow(ctx context.Context, key jobqueue.RecordKey) (<-chan *gatewayv1.ProgressEvent, error)
	Cancel(ctx context.Context, key jobqueue.RecordKey) (*gatewayv1.Generation, error)
	Delete(ctx context.Context, key jobqueue.RecordKey) error
}

// Blobs is where pictures are kept; *blob.Store is one.
type Blobs interface {
	Put(ctx context.Context, tenant, retention string, data []byte, mediaType string) (*mediav1.Blob, error)
	Get(ctx context.Context, tenant string, b *mediav1.Blob) ([]byte, error)
	// Load returns a blob with a retention by its digest alone, and whether it is
	// there.
	Load(ctx context.Context, tenant, retention, digest string) ([]byte, bool, error)
	// Drop removes those of the blobs with a retention that nobody uses.
	Drop(ctx context.Context, tenant, retention string, blobs []*mediav1.Blob,
		used func(context.Context) (func(*mediav1.Blob) bool, error)) (dropped, kept []*mediav1.Blob, err error)
}

// Line is the line of generations; *jobqueue.Line is one.
type Line interface {
	Admit(a jobqueue.Admission) error
	Withdraw(key jobqueue.RecordKey)
	Place(key jobqueue.RecordKey) jobqueue.Place
}

// Counters count pictures by tenant and day; *jobqueue.Counters is one.
type Counters interface {
	Take(ctx context.Context, key jobqueue.RecordKey, n, most int64) (int64, error)
	Give(ctx context.Context, key jobqueue.RecordKey, n int64) error
}

// Settings says what the service serves.
type Settings struct {
	// Bundle is the digest that new generations are pinned to.
	Bundle string
	// Manifest has the bundle's limits and defaults.
	Manifest *bundle.Manifest
	// CheckPicture refuses encoded bytes that cannot be a picture, or are too
	// large a one for the tenant, without decoding them. Its faults have no field.
	CheckPicture func(tenant string, data []byte) error
	// Limits tells what a tenant may do; nil: everything.
	Limits func(tenant string) tenant.Limits
	// CheckURL refuses a URL that requests are not sent to; nil: no webhooks.
	CheckURL func(url string) error
	// FetchPicture reads a picture from the web, at most so many bytes; nil: none.
	// Its faults have no field.
	FetchPicture func(ctx context.Context, url string, most int) ([]byte, error)
	// Pictures counts the pictures of a day; needed where Limits bound them.
	Pictures Counters
	// Ended, if not nil, is told of every generation that a caller cancelled
	// before anybody worked on it.
	Ended func(tenant string, g *gatewayv1.Generation)
	// CheckEnrolled, if not nil, refuses the name of an enrolled subject of a
	// tenant that cannot be used, with a fault about field "name".
	CheckEnrolled func(ctx context.Context, tenant, name string) error
	// CheckServed, if not nil, refuses what needs stages that nobody would work on.
	CheckServed func(ctx context.Context, stages ...string) error
	// Line tells where generations wait and whether more may; nil: no bound, and
	// no places.
	Line Line
	// Drop, if not nil, is told of pictures that a deleted generation was made
	// from, which may go.
	Drop func(tenant string, pictures []*mediav1.Blob)
	// ForgetWork, if not nil, makes what stages were told of a generation
	// unreadable.
	ForgetWork func(ctx context.Context, key jobqueue.RecordKey) (bool, error)
	// Style returns the picture of a tenant's style by the style's name, or fails
	// with UNKNOWN_STYLE.
	Style func(ctx context.Context, tenant, name string) (*mediav1.Picture, error)
	// Sign signs what comes back from callers, such as page tokens.
	Sign func(purpose string, parts ...string) []byte
	// Stopping is closed when the gateway stops: whoever waits is then answered.
	Stopping <-chan struct{}
	// Now is the clock.
	Now func() time.Time
	// Random is the source of ids and seeds.
	Random io.Reader
}

// The stages that are needed by all that is made, and by all that is looked at.
const (
	encoderStage  = "encoder"
	denoiserStage = "denoiser"
)

// served refuses what needs stages that nobody would work on.
func (s *Settings) served(ctx context.Context, stages ...string) error {
	if s.CheckServed == nil {
		return nil
	}
	return s.CheckServed(ctx, stages...)
}

// Service implements GenerationService. It may be used by many goroutines.
type Service struct {
	gatewayv1.UnimplementedGenerationServiceServer
	records Records
	blobs   Blobs
	set     Settings
	watches *watches
}

// New returns the service.
func New(records Records, blobs Blobs, s Settings) *Service {
	return &Service{records: records, blobs: blobs, set: s, watches: &watches{open: map[string]int{}}}
}

// Register registers the service.
func (s *Service) Register(to grpc.ServiceRegistrar) {
	gatewayv1.RegisterGenerationServiceServer(to, s)
}

// DefaultTenant is whose generations they are when the call does not say.
const DefaultTenant = "default"

// TenantOf is whose generations a call is about.
func TenantOf(ctx context.Context) string {
	if call, _ := jobqueue.CallFrom(ctx); call.Tenant != "" {
		return call.Tenant
	}
	return DefaultTenant
}

// caller tells for whom a call is made: what the server's guard found out or,
// without one, what the call itself says.
func caller(ctx context.Context) (jobqueue.Call, error) {
	call, _ := jobqueue.CallFrom(ctx)
	call.Tenant = TenantOf(ctx)
	switch call.Class {
	case "":
		call.Class = jobqueue.Interactive
	case jobqueue.Interactive, jobqueue.Batch:
	default:
		return call, fault.InvalidField("class", "%q is no class of work: use %s or %s", call.Class, jobqueue.Interactive, jobqueue.Batch)
	}
	if !tenantPattern.MatchString(call.Tenant) {
		return call, fault.InvalidField("tenant", "a tenant has 1 to 63 letters, digits, underscores and hyphens")
	}
	return call, nil
}

// keyOf returns the record that a resource name of the caller's means.
func keyOf(ctx context.Context, name string) (jobqueue.RecordKey, error) {
	call, err := caller(ctx)
	if err != nil {
		return jobqueue.RecordKey{}, err
	}
	id, ok := record.ParseName(name)
	if !ok {
		return jobqueue.RecordKey{}, BadName(name, "generations/{generation}")
	}
	return jobqueue.RecordKey{Tenant: call.Tenant, ID: id}, nil
}

// BadName is the fault of a resource name that has another form.
func BadName(name, form string) error {
	return fault.New(fault.Invalid, faultv1.Reason_REASON_UNSUPPORTED, "name",
		"%.100q is no resource name of the form %s", name, form)
}
