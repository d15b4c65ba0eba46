package rest_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"google.golang.org/grpc"

	"github.com/facestudio/facestudio/gateway/internal/throttle"
	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	gatewayv1 "github.com/facestudio/facestudio/proto/gen/facestudio/gateway/v1"
	"github.com/facestudio/facestudio/services/fault"
)

// Every answer tells where the caller stands, however it is made.
func TestEveryAnswerTellsTheLimits(t *testing.T) {
	tell := func(ctx context.Context) {
		throttle.Tell(ctx, throttle.Standing{Name: "requests-per-second", Quota: 10, Window: 5, Left: 4, Reset: 3})
	}
	url := serve(t, &service{
		create: func(ctx context.Context, req *gatewayv1.CreateGenerationRequest) (*gatewayv1.Generation, error) {
			tell(ctx)
			throttle.Tell(ctx, throttle.Standing{Name: "pictures-per-day", Quota: 100, Window: 86400, Left: 0, Reset: 60})
			if req.GetGeneration().GetPrompt() == "much" {
				return nil, fault.New(fault.Exhausted, faultv1.Reason_REASON_RATE_LIMITED, "", "too often")
			}
			return &gatewayv1.Generation{}, nil
		},
		watch: func(_ *gatewayv1.WatchGenerationRequest, to grpc.ServerStreamingServer[gatewayv1.WatchGenerationResponse]) error {
			tell(to.Context())
			return errors.New("broken")
		},
	})
	kind, body := formOf(t, part{"prompt", "", "a hat"})
	tests := []struct {
		name, method, path, kind string
		body                     io.Reader
		status                   int
		policy, standing         string
	}{
		{"JSON", "POST", "/v1/generations", "application/json", strings.NewReader(`{"prompt":"a hat"}`), 200,
			`"requests-per-second";q=10;w=5, "pictures-per-day";q=100;w=86400`, `"requests-per-second";r=4;t=3, "pictures-per-day";r=0;t=60`},
		{"a form", "POST", "/v1/generations", kind, body, 200,
			`"requests-per-second";q=10;w=5, "pictures-per-day";q=100;w=86400`, `"requests-per-second";r=4;t=3, "pictures-per-day";r=0;t=60`},
		{"a refusal", "POST", "/v1/generations", "application/json", strings.NewReader(`{"prompt":"much"}`), 429,
			`"requests-per-second";q=10;w=5, "pictures-per-day";q=100;w=86400`, `"requests-per-second";r=4;t=3, "pictures-per-day";r=0;t=60`},
		{"a watch that fails", "GET", "/v1/generations/7:watch", "", nil, 500, `"requests-per-second";q=10;w=5`, `"requests-per-second";r=4;t=3`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := ask(t, test.method, url+test.path, test.kind, test.body)
			policy, standing := strings.Join(got.header.Values("RateLimit-Policy"), ", "), strings.Join(got.header.Values("RateLimit"), ", ")
			if got.status != test.status || policy != test.policy || standing != test.standing {
				t.Errorf("got %d, %s and %s", got.status, policy, standing)
			}
		})
	}
}
