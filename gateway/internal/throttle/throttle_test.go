package throttle_test

import (
	"context"
	"strconv"
	"testing"
	"time"

	"go.opentelemetry.io/otel/metric/noop"
	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/facestudio/facestudio/gateway/internal/throttle"
	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	"github.com/facestudio/facestudio/services/fault"
)

type nameKey struct{}

func as(ctx context.Context, tenant string) context.Context {
	return context.WithValue(ctx, nameKey{}, tenant)
}

// door is a service whose calls are counted, called without a network.
type door struct {
	t      *testing.T
	now    time.Time
	rate   float64
	burst  int
	bound  *throttle.Throttle
	method grpc.MethodDesc
	passed int
}

func newDoor(t *testing.T, rate float64, burst int) *door {
	t.Helper()
	d := &door{t: t, now: time.Unix(1_000_000, 0), rate: rate, burst: burst}
	bound, err := throttle.New(throttle.Settings{
		Rate: func(tenant string) (float64, int) {
			if tenant == "free" {
				return 0, 0
			}
			return d.rate, d.burst
		},
		Tenant: func(ctx context.Context) string { return ctx.Value(nameKey{}).(string) },
		Now:    func() time.Time { return d.now },
		Meter:  noop.NewMeterProvider(),
	})
	if err != nil {
		t.Fatal(err)
	}
	d.bound = bound
	healthv1.RegisterHealthServer(bound.Guard(d), health.NewServer())
	return d
}

// RegisterService implements grpc.ServiceRegistrar.
func (d *door) RegisterService(desc *grpc.ServiceDesc, _ any) { d.method = desc.Methods[0] }

func (d *door) knock(tenant string) error {
	read := false
	_, err := d.method.Handler(health.NewServer(), as(d.t.Context(), tenant), func(any) error {
		read = true
		return nil
	}, nil)
	if read != (err == nil) {
		d.t.Errorf("read: %v, refused: %v", read, err)
	}
	if err == nil {
		d.passed++
	}
	return err
}

func TestEachTenantHasABucket(t *testing.T) {
	d := newDoor(t, 2, 3)
	for range 3 {
		if err := d.knock("ada"); err != nil {
			t.Fatal(err)
		}
	}
	f := fault.From(d.knock("ada"))
	if f.Kind != fault.Exhausted || f.Reason != faultv1.Reason_REASON_RATE_LIMITED || f.RetryAfter != 500*time.Millisecond ||
		f.Limit == nil || *f.Limit != (fault.Limit{Name: throttle.Limit, Value: 3}) {
		t.Errorf("the fourth got %+v", f)
	}
	if err := d.bound.Check(as(t.Context(), "ada")); !fault.Is(err, faultv1.Reason_REASON_RATE_LIMITED) {
		t.Errorf("asked ahead: %v", err)
	}
	for range 5 { // nothing is counted
		if err := d.bound.Check(as(t.Context(), "bob")); err != nil {
			t.Errorf("asked ahead for another: %v", err)
		}
	}
	for _, other := range []string{"bob", "free"} {
		if err := d.knock(other); err != nil {
			t.Errorf("%s was refused: %v", other, err)
		}
	}
	d.now = d.now.Add(f.RetryAfter)
	if err := d.knock("ada"); err != nil {
		t.Errorf("after the delay: %v", err)
	}
	if err := d.knock("ada"); err == nil {
		t.Error("one call came back, and two were taken")
	}
	d.rate, d.burst = 1000, 5
	_ = d.knock("ada") // the bucket grows, and fills from now on
	d.now = d.now.Add(time.Second)
	for range 5 {
		if err := d.knock("ada"); err != nil {
			t.Errorf("with a larger bucket: %v", err)
		}
	}
}

func TestManyStrangersLeaveNothingBehind(t *testing.T) {
	d := newDoor(t, 1, 1)
	for i := range 5000 {
		d.now = d.now.Add(time.Millisecond)
		if err := d.knock("stranger" + strconv.Itoa(i)); err != nil {
			t.Fatal(err)
		}
	}
	if err := d.knock("stranger4999"); err == nil {
		t.Error("a bucket that is not full was dropped")
	}
	if d.passed != 5000 {
		t.Errorf("%d passed", d.passed)
	}
}
