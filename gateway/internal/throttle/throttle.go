// Package throttle bounds how often each tenant may call a gateway, by a token
// bucket of its own (golang.org/x/time/rate), and tells callers where they stand
// in the header fields of draft-ietf-httpapi-ratelimit-headers-10. A call that is
// refused costs next to nothing and takes nothing from anybody else.
package throttle

import (
	"context"
	"fmt"
	"math"
	"sync"
	"time"

	"go.opentelemetry.io/otel/metric"
	"golang.org/x/time/rate"

	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	"github.com/facestudio/facestudio/services/fault"
)

const scope = "github.com/facestudio/facestudio/gateway"

// Limit is the name of the limit, in faults, in the header fields and in the
// tenants file.
const Limit = "requests-per-second"

// tidyAt is from how many buckets on those that are full again, which know
// nothing that a new one does not, are dropped.
const tidyAt = 1024

// Settings says whose calls are bounded, and how.
type Settings struct {
	// Rate is how many calls a second a tenant may make, and how many at once; 0
	// and 0 mean no bound. It is asked at every call.
	Rate func(tenant string) (perSecond float64, burst int)
	// Tenant tells for whom a call is made.
	Tenant func(ctx context.Context) string
	// Now is the clock.
	Now func() time.Time
	// Meter counts what is refused.
	Meter metric.MeterProvider
}

// Throttle counts calls. It may be used by many goroutines.
type Throttle struct {
	set     Settings
	refused metric.Int64Counter

	mu      sync.Mutex
	buckets map[string]*rate.Limiter
	// tidy is how many buckets there may be before full ones are dropped.
	tidy int
}

// New returns a throttle.
func New(s Settings) (*Throttle, error) {
	refused, err := s.Meter.Meter(scope).Int64Counter("facestudio.requests.refused",
		metric.WithDescription("Calls that were refused because their tenant calls too often."))
	if err != nil {
		return nil, fmt.Errorf("make metric: %w", err)
	}
	return &Throttle{set: s, refused: refused, buckets: map[string]*rate.Limiter{}, tidy: tidyAt}, nil
}

// take counts a call, or refuses it, and tells the caller where it stands.
func (t *Throttle) take(ctx context.Context) error {
	tenant := t.set.Tenant(ctx)
	perSecond, burst := t.set.Rate(tenant)
	if perSecond == 0 {
		return nil
	}
	now := t.set.Now()
	bucket := t.bucket(tenant, rate.Limit(perSecond), burst, now)
	ok := bucket.AllowN(now, 1)
	left := max(bucket.TokensAt(now), 0)
	tell(ctx, perSecond, burst, left)
	if ok {
		return nil
	}
	return t.refuse(ctx, perSecond, burst, left)
}

// Check refuses a call that would be refused if it came now, as that would be. It
// is counted when it comes.
func (t *Throttle) Check(ctx context.Context) error {
	tenant := t.set.Tenant(ctx)
	perSecond, burst := t.set.Rate(tenant)
	if perSecond == 0 {
		return nil
	}
	now := t.set.Now()
	left := max(t.bucket(tenant, rate.Limit(perSecond), burst, now).TokensAt(now), 0)
	if left >= 1 {
		return nil
	}
	tell(ctx, perSecond, burst, left)
	return t.refuse(ctx, perSecond, burst, left)
}

// tell tells the caller of a bucket where it stands.
func tell(ctx context.Context, perSecond float64, burst int, left float64) {
	Tell(ctx, Standing{
		Name: Limit, Quota: int64(burst), Window: seconds(float64(burst) / perSecond),
		Left: int64(left), Reset: seconds((float64(burst) - left) / perSecond),
	})
}

func (t *Throttle) refuse(ctx context.Context, perSecond float64, burst int, left float64) error {
	t.refused.Add(ctx, 1)
	f := fault.New(fault.Exhausted, faultv1.Reason_REASON_RATE_LIMITED, "",
		"more than %v calls a second, or %d at once, are not taken; retry later, and call less often", perSecond, burst)
	f.Limit = &fault.Limit{Name: Limit, Value: int64(burst)}
	f.RetryAfter = time.Duration(math.Ceil((1 - left) / perSecond * float64(time.Second)))
	return f
}

// bucket returns a tenant's bucket, of the size that it has by now.
func (t *Throttle) bucket(tenant string, perSecond rate.Limit, burst int, now time.Time) *rate.Limiter {
	t.mu.Lock()
	defer t.mu.Unlock()
	b, ok := t.buckets[tenant]
	if !ok {
		if len(t.buckets) >= t.tidy {
			for name, other := range t.buckets {
				if other.TokensAt(now) >= float64(other.Burst()) {
					delete(t.buckets, name)
				}
			}
			t.tidy = max(2*len(t.buckets), tidyAt)
		}
		b = rate.NewLimiter(perSecond, burst)
		t.buckets[tenant] = b
	}
	if b.Limit() != perSecond {
		b.SetLimitAt(now, perSecond)
	}
	if b.Burst() != burst {
		b.SetBurstAt(now, burst)
	}
	return b
}

func seconds(s float64) int64 { return int64(math.Ceil(s)) }
