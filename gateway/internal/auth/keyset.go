package auth

import (
	"context"
	"crypto/rsa"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
	"golang.org/x/sync/singleflight"

	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	"github.com/facestudio/facestudio/services/fault"
)

const (
	// fresh is how long keys are used before they are fetched again.
	fresh = 10 * time.Minute
	// patience is how long keys that cannot be fetched again are still used.
	patience = 24 * time.Hour
	// between is the least time from one fetch to the next, however many tokens
	// name keys that are not known.
	between = 10 * time.Second
	// leastRSA is the size that RSA keys must have, bits.
	leastRSA = 2048
)

// Fetch gets the keys of an issuer.
type Fetch func(ctx context.Context) ([]jose.JSONWebKey, error)

// KeySet is an issuer's keys (JWKS): fetched when they are needed, again from time
// to time, and when a token names one that is not known, as after a rotation. It
// is safe for concurrent use.
type KeySet struct {
	fetch  Fetch
	now    func() time.Time
	log    *slog.Logger
	flight singleflight.Group

	mu sync.Mutex
	// keys as of the last fetch that went well, at fetched.
	keys    []jose.JSONWebKey
	fetched time.Time
	// tried is when the last fetch began, failed how it ended.
	tried  time.Time
	failed error
}

// NewKeySet returns the set of what fetch gets.
func NewKeySet(fetch Fetch, now func() time.Time, log *slog.Logger) *KeySet {
	return &KeySet{fetch: fetch, now: now, log: log}
}

// Find returns the keys that can have signed what says this id, which may be
// empty, and algorithm. It is UNAVAILABLE when that cannot be known for the moment.
func (s *KeySet) Find(ctx context.Context, id, algorithm string) ([]jose.JSONWebKey, error) {
	if keys, age := s.known(id, algorithm); len(keys) > 0 && age < fresh {
		return keys, nil
	}
	s.Refresh(ctx)
	keys, age := s.known(id, algorithm)
	if len(keys) > 0 && age < patience {
		return keys, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failed != nil {
		return nil, fault.Wrap(s.failed, fault.Unavailable, faultv1.Reason_REASON_UNAVAILABLE, "",
			"the issuer's keys cannot be fetched for the moment, so that nobody can tell whether the token is good: retry, or use an API key")
	}
	return nil, invalid("the token is signed with a key that the issuer does not have: get a new one", nil)
}

func (s *KeySet) known(id, algorithm string) ([]jose.JSONWebKey, time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var fit []jose.JSONWebKey
	for _, key := range s.keys {
		if (id == "" || key.KeyID == id) && (key.Algorithm == "" || key.Algorithm == algorithm) {
			fit = append(fit, key)
		}
	}
	return fit, s.now().Sub(s.fetched)
}

// Refresh fetches the keys, unless that was tried a moment ago. Those who ask at
// the same time share one fetch.
func (s *KeySet) Refresh(ctx context.Context) {
	_, _, _ = s.flight.Do("", func() (any, error) {
		now := s.now()
		s.mu.Lock()
		soon := !s.tried.IsZero() && now.Sub(s.tried) < between
		if !soon {
			s.tried = now
		}
		s.mu.Unlock()
		if soon {
			return nil, nil
		}
		// Others wait for it, too; it has a bound of its own.
		keys, err := s.fetch(context.WithoutCancel(ctx))
		usable := slices.DeleteFunc(keys, func(key jose.JSONWebKey) bool { return !verifies(key) })
		if err == nil && len(usable) == 0 {
			err = fmt.Errorf("none of the issuer's %d keys can verify signatures", len(keys))
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.failed = err; err != nil {
			s.log.WarnContext(ctx, "the keys of the issuer of tokens cannot be fetched", slog.Any("error", err))
			return nil, nil
		}
		s.keys, s.fetched = usable, now
		return nil, nil
	})
}

// verifies tells whether a key is a public one for signatures, and strong enough.
func verifies(key jose.JSONWebKey) bool {
	if !key.Valid() || !key.IsPublic() || key.Use != "" && key.Use != "sig" {
		return false
	}
	if r, ok := key.Key.(*rsa.PublicKey); ok {
		return r.N.BitLen() >= leastRSA
	}
	return true
}
