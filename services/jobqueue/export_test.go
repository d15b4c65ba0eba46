package jobqueue

import (
	"context"
	"time"

	"github.com/facestudio/facestudio/services/seal"
)

// InTheClear makes a queue store everything as it is: what benchmarks compare
// sealing with.
func InTheClear(q *Queue) { q.seals = clearly{} }

type clearly struct{}

func (clearly) Seal(_ context.Context, _ seal.Scope, _ seal.Place, value []byte) ([]byte, error) {
	return value, nil
}

func (clearly) SealExisting(_ context.Context, _ seal.Scope, _ seal.Place, value []byte) ([]byte, error) {
	return value, nil
}

func (clearly) Open(_ context.Context, tenant string, _ seal.Place, sealed []byte) ([]byte, seal.Scope, error) {
	return sealed, seal.Shared(tenant), nil
}

// SetClock sets this machine's clock forward or, if negative, back, as far as the
// queue knows it, and lets it ask the server for its time if asking.
func SetClock(ctx context.Context, q *Queue, by time.Duration, asking bool) error {
	q.clock.local = func() time.Time { return time.Now().Add(by) }
	if !asking {
		return nil
	}
	return q.setClock(ctx)
}
