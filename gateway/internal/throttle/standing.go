package throttle

import (
	"context"
	"fmt"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
)

// The keys of the response metadata that becomes the header fields RateLimit-Policy
// and RateLimit.
const (
	PolicyKey   = "ratelimit-policy"
	StandingKey = "ratelimit"
)

// Standing is where a caller stands with one limit.
type Standing struct {
	// Name of the limit.
	Name string
	// Quota is what may be used within Window, seconds.
	Quota, Window int64
	// Left is what is left of it, until Reset, in seconds.
	Left, Reset int64
}

// Tell adds a limit to the response metadata of the gRPC call in ctx, if there
// is one.
func Tell(ctx context.Context, s Standing) {
	if grpc.ServerTransportStreamFromContext(ctx) == nil {
		return
	}
	// It fails only when the header was sent already.
	_ = grpc.SetHeader(ctx, metadata.Pairs(
		PolicyKey, fmt.Sprintf("%q;q=%d;w=%d", s.Name, s.Quota, s.Window),
		StandingKey, fmt.Sprintf("%q;r=%d;t=%d", s.Name, s.Left, s.Reset),
	))
}
