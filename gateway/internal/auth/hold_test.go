package auth_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/metadata"

	"github.com/facestudio/facestudio/gateway/internal/auth"
	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	gatewayv1 "github.com/facestudio/facestudio/proto/gen/facestudio/gateway/v1"
	"github.com/facestudio/facestudio/services/fault"
)

// credentials is what is known of one key or token after a time.
type credentials func(age time.Duration) error

func (c credentials) since(begin time.Time) known { return known{c, begin} }

type known struct {
	of    credentials
	begin time.Time
}

// Principal implements auth.Keys and auth.Tokens.
func (k known) Principal(context.Context, string) (auth.Principal, error) {
	return auth.Principal{Name: "ada", Tenant: "acme", Scopes: []auth.Scope{auth.GenerationsRead}}, k.of(time.Since(k.begin))
}

func TestCallsAreHeldForAsLongAsTheirCredentialsAreGood(t *testing.T) {
	away := fault.New(fault.Unavailable, faultv1.Reason_REASON_UNAVAILABLE, "", "the queue is away")
	revoked := fault.New(fault.Unauthenticated, faultv1.Reason_REASON_CREDENTIALS_INVALID, "", "revoked")
	expired := fault.New(fault.Unauthenticated, faultv1.Reason_REASON_CREDENTIALS_EXPIRED, "", "expired")
	after := func(d time.Duration, what error) credentials {
		return func(age time.Duration) error {
			if age < d {
				return nil
			}
			return what
		}
	}
	for name, test := range map[string]struct {
		shown string
		then  credentials
		want  error
	}{
		"a key that is revoked":                    {"fsk_0", after(time.Minute, revoked), revoked},
		"a token that expires":                     {"a.b.c", after(time.Minute, expired), expired},
		"a key that is good":                       {"fsk_0", after(time.Hour, revoked), nil},
		"a key of which nothing is known meantime": {"fsk_0", after(time.Minute, away), nil},
		"a failure that is none of the caller's":   {"fsk_0", after(time.Minute, errors.New("broken")), nil},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				at := test.then.since(time.Now())
				g := auth.NewGuard(at, at)
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
				defer cancel()
				ctx, err := g.Admit(metadata.NewIncomingContext(ctx, metadata.Pairs(auth.Header, "Bearer "+test.shown)), gatewayv1.GenerationService_WatchGeneration_FullMethodName)
				if err != nil {
					t.Fatal(err)
				}
				begin := time.Now()
				err = g.Hold(ctx, gatewayv1.GenerationService_WatchGeneration_FullMethodName)
				if !errors.Is(err, test.want) {
					t.Errorf("got %v", err)
				}
				if took := time.Since(begin); test.want != nil && took > time.Minute+5*time.Second {
					t.Errorf("it was held for %v", took)
				}
			})
		})
	}
}
