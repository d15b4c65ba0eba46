package jobqueue

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/facestudio/facestudio/services/seal"
)

const (
	contentSecretKey = "content-key-secret"
	keySecretKey     = "key-secret"
	secretSize       = 32

	// secretsBytes bounds the bucket: the server sets the space aside.
	secretsBytes = 1 << 20
)

// installation seals the installation's own secrets. No scope of a tenant's has
// this name, should a tenant be called so.
var installation = seal.Scope{Tenant: "_installation", Name: "secrets"}

// contentSecret returns the installation's secret under content keys. It is
// sealed, so that a process with other key-encryption keys than the rest of the
// mesh is told so when it starts.
func (q *Queue) contentSecret(ctx context.Context, kv jetstream.KeyValue) ([]byte, error) {
	at := seal.Place{Purpose: "secret", Name: contentSecretKey}
	drawn := make([]byte, secretSize)
	if _, err := rand.Read(drawn); err != nil {
		return nil, fmt.Errorf("draw the installation's secret: %w", err)
	}
	sealed, err := q.seals.Seal(ctx, installation, at, drawn)
	if err != nil {
		return nil, fmt.Errorf("seal the installation's secret: %w", err)
	}
	if sealed, err = once(ctx, kv, contentSecretKey, sealed); err != nil {
		return nil, err
	}
	plain, _, err := q.seals.Open(ctx, installation.Tenant, at, sealed)
	if err != nil {
		return nil, fmt.Errorf("open the installation's secret (%s in bucket %s); if it is of a version before sealing, or was changed by hand, start with an empty NATS store: %w",
			contentSecretKey, secretsName, err)
	}
	return plain, nil
}

// secret returns a secret of the installation that is not sealed, which the first
// process to ask for it draws.
func secret(ctx context.Context, kv jetstream.KeyValue, name string) ([]byte, error) {
	drawn := make([]byte, secretSize)
	if _, err := rand.Read(drawn); err != nil {
		return nil, fmt.Errorf("draw the installation's secret: %w", err)
	}
	value, err := once(ctx, kv, name, drawn)
	if err == nil && len(value) != secretSize {
		err = fmt.Errorf("the installation's secret (%s in bucket %s) has %d bytes, not %d; it was changed by hand",
			name, secretsName, len(value), secretSize)
	}
	return value, err
}

// once stores a value under a name, unless there is one: then it returns that.
// It never changes: with another secret nothing that was computed would be found
// again.
func once(ctx context.Context, kv jetstream.KeyValue, name string, value []byte) ([]byte, error) {
	_, err := kv.Create(ctx, name, value)
	if err == nil {
		return value, nil
	}
	if !errors.Is(err, jetstream.ErrKeyExists) {
		return nil, fmt.Errorf("store the installation's secret: %w", err)
	}
	entry, err := kv.Get(ctx, name)
	if err != nil {
		return nil, fmt.Errorf("read the installation's secret: %w", err)
	}
	return entry.Value(), nil
}
