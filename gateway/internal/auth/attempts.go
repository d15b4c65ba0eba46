package auth

import (
	"context"
	"crypto/sha256"
	"fmt"
	"math"
	"net/netip"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/time/rate"

	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	"github.com/facestudio/facestudio/services/fault"
	"github.com/facestudio/facestudio/services/rpc"
)

// AttemptsLimit is the name of the limit, in faults and among the settings.
const AttemptsLimit = "auth-failures"

const (
	// rememberedOrigins bounds of how many addresses it is known that they failed.
	// Who has more than that to call from is not held up.
	rememberedOrigins = 8192
	// rememberedGood bounds of how many keys and tokens it is known that they were
	// good.
	rememberedGood = 8192
)

// AttemptSettings says how often an address may show what is no key or token.
type AttemptSettings struct {
	// PerMinute is how often, at once and then again each minute; at least 1.
	PerMinute int
	// Proxies are believed about where a call comes from.
	Proxies []netip.Prefix
	// Now is the clock.
	Now func() time.Time
}

// attempts is a guard that lets nobody try keys and tokens without end.
type attempts struct {
	next rpc.Guard
	set  AttemptSettings
	// failed has a bucket for each address that failed; one that did not for long is
	// as good as new.
	failed *lru.Cache[string, *rate.Limiter]
	// good are the digests of credentials that were good. Their callers go on when
	// somebody else behind the same address fails: what was good is no guess.
	good *lru.Cache[[sha256.Size]byte, struct{}]
}

// BoundAttempts returns a guard that refuses, without looking at what they show,
// calls from an address that showed too many wrong keys and tokens. Credentials
// that were good are let through to the next guard all the same.
func BoundAttempts(next rpc.Guard, s AttemptSettings) (rpc.Guard, error) {
	failed, err := lru.New[string, *rate.Limiter](rememberedOrigins)
	if err != nil {
		return nil, fmt.Errorf("make the memory of addresses: %w", err)
	}
	good, err := lru.New[[sha256.Size]byte, struct{}](rememberedGood)
	if err != nil {
		return nil, fmt.Errorf("make the memory of credentials: %w", err)
	}
	return &attempts{next: next, set: s, failed: failed, good: good}, nil
}

// Admit implements rpc.Guard.
func (a *attempts) Admit(ctx context.Context, method string) (context.Context, error) {
	from, shown := origin(ctx, a.set.Proxies), [sha256.Size]byte{}
	if credential, err := credentialOf(ctx); err == nil {
		shown = sha256.Sum256([]byte(credential))
	}
	if bucket, ok := a.failed.Get(from); ok && !a.good.Contains(shown) {
		if left := bucket.TokensAt(a.set.Now()); left < 1 {
			return nil, a.refusal(left)
		}
	}
	admitted, err := a.next.Admit(ctx, method)
	switch f := fault.From(err); {
	case f == nil || f.Kind == fault.Denied:
		a.good.Add(shown, struct{}{})
	case f.Reason == faultv1.Reason_REASON_CREDENTIALS_INVALID:
		a.good.Remove(shown)
		a.bucket(from).AllowN(a.set.Now(), 1)
	}
	return admitted, err
}

// Hold implements rpc.Guard: a call that was let in is no attempt.
func (a *attempts) Hold(ctx context.Context, method string) error { return a.next.Hold(ctx, method) }

func (a *attempts) bucket(from string) *rate.Limiter {
	fresh := rate.NewLimiter(rate.Limit(float64(a.set.PerMinute)/60), a.set.PerMinute)
	if known, ok, _ := a.failed.PeekOrAdd(from, fresh); ok {
		return known
	}
	return fresh
}

func (a *attempts) refusal(left float64) error {
	f := fault.New(fault.Exhausted, faultv1.Reason_REASON_RATE_LIMITED, "",
		"too many wrong keys and tokens came from this address, more than %d in a minute: retry later, with a key that is right", a.set.PerMinute)
	f.Limit = &fault.Limit{Name: AttemptsLimit, Value: int64(a.set.PerMinute)}
	f.RetryAfter = time.Duration(math.Ceil((1 - left) * 60 / float64(a.set.PerMinute) * float64(time.Second)))
	return f
}
