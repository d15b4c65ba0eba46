package jobqueue

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"
)

const (
	secretKey  = "content-key-secret"
	secretSize = 32

	// secretsBytes bounds the bucket: the server sets the space aside.
	secretsBytes = 1 << 20
)

// secret returns the installation's secret under content keys, which the first
// process to ask for it draws. It never changes: with another one nothing that
// was computed would be found again.
func secret(ctx context.Context, kv jetstream.KeyValue) ([]byte, error) {
	drawn := make([]byte, secretSize)
	if _, err := rand.Read(drawn); err != nil {
		return nil, fmt.Errorf("draw the installation's secret: %w", err)
	}
	_, err := kv.Create(ctx, secretKey, drawn)
	if err == nil {
		return drawn, nil
	}
	if !errors.Is(err, jetstream.ErrKeyExists) {
		return nil, fmt.Errorf("store the installation's secret: %w", err)
	}
	entry, err := kv.Get(ctx, secretKey)
	if err != nil {
		return nil, fmt.Errorf("read the installation's secret: %w", err)
	}
	if len(entry.Value()) != secretSize {
		return nil, fmt.Errorf("the installation's secret (%s in bucket %s) has %d bytes, not %d; it was changed by hand: delete it, and results are computed anew",
			secretKey, secretsName, len(entry.Value()), secretSize)
	}
	return entry.Value(), nil
}
