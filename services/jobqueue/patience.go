package jobqueue

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// openPatience is how long streams and buckets are asked for before a server that
// cannot tell is given up. A cluster that starts has no leader for some seconds.
const openPatience = 30 * time.Second

// patiently repeats what opens something while the server says that it cannot at
// the moment.
func patiently(ctx context.Context, log *slog.Logger, open func(context.Context) error) error {
	started := time.Now()
	for attempt := uint64(1); ; attempt++ {
		err := open(ctx)
		if err == nil || !passes(err) || ctx.Err() != nil {
			return err
		}
		if time.Since(started) > openPatience {
			return unavailable(err)
		}
		log.Info("waiting for the queue's streams", "error", err)
		pause(ctx, backoff(100*time.Millisecond, min(attempt, 4), randomSpread()), nil)
	}
}

// passes says whether a server that answered so may answer otherwise later: it did
// not answer at all, has no leader or too few servers yet, or has not heard of the
// stream, the bucket or the secret that another has just made.
func passes(err error) bool {
	if errors.Is(err, jetstream.ErrJetStreamNotEnabled) || errors.Is(err, jetstream.ErrJetStreamNotEnabledForAccount) {
		return false
	}
	if api, ok := errors.AsType[*jetstream.APIError](err); ok {
		return api.Code == http.StatusServiceUnavailable || api.ErrorCode == errNoPeers
	}
	// The library has two such types, by the interface that was used.
	if api, ok := errors.AsType[*nats.APIError](err); ok {
		return api.Code == http.StatusServiceUnavailable
	}
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, nats.ErrTimeout) ||
		errors.Is(err, nats.ErrNoResponders) || errors.Is(err, nats.ErrDisconnected) ||
		errors.Is(err, jetstream.ErrNoStreamResponse) || errors.Is(err, jetstream.ErrStreamNotFound) ||
		errors.Is(err, jetstream.ErrBucketNotFound) || errors.Is(err, jetstream.ErrKeyNotFound)
}

// errNoPeers is what a cluster answers that has not found all its servers.
const errNoPeers jetstream.ErrorCode = 10005
