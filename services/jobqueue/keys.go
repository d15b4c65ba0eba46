package jobqueue

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/facestudio/facestudio/services/seal"
)

// keysBytes bounds the bucket of data keys: some 400 bytes each.
const keysBytes = 256 << 20

// keys stores wrapped data keys. It implements seal.Store.
type keys struct {
	q      *Queue
	bucket *bucket
}

func openKeys(ctx context.Context, q *Queue) (*keys, error) {
	want := bucketConfig(q.settings, keysName, "wrapped data keys, by tenant and scope")
	want.MaxBytes = min(q.settings.MaxBytes, keysBytes)
	b, err := openBucket(ctx, q, want)
	if err != nil {
		return nil, err
	}
	return &keys{q, b}, nil
}

func keyOfScope(of seal.Scope) RecordKey { return RecordKey{of.Tenant, of.Name} }

// Create implements seal.Store.
func (k *keys) Create(ctx context.Context, of seal.Scope, value []byte) error {
	err := k.bucket.create(ctx, keyOfScope(of), value)
	if errors.Is(err, ErrExists) {
		return seal.ErrKeyExists
	}
	return err
}

// Get implements seal.Store.
func (k *keys) Get(ctx context.Context, of seal.Scope) (seal.Stored, error) {
	doc, err := k.bucket.get(ctx, keyOfScope(of))
	if errors.Is(err, ErrNotFound) {
		return seal.Stored{}, seal.ErrDestroyed
	}
	if err != nil {
		return seal.Stored{}, err
	}
	return seal.Stored{Scope: of, Value: doc.Value, Revision: doc.Revision}, nil
}

// Replace implements seal.Store.
func (k *keys) Replace(ctx context.Context, of seal.Scope, value []byte, revision uint64) error {
	ctx, release := bounded(ctx)
	defer release()
	msg := nats.NewMsg(k.bucket.subject(keyOfScope(of)))
	msg.Data = value
	_, err := k.q.js.PublishMsg(ctx, msg, jetstream.WithExpectLastSequencePerSubject(revision))
	if isStale(err) {
		return seal.ErrDestroyed
	}
	return storeError(ctx, err)
}

// Erase implements seal.Store. It tells the other processes, as far as they
// listen at the moment.
func (k *keys) Erase(ctx context.Context, of seal.Scope) error {
	err := k.bucket.erase(ctx, keyOfScope(of))
	if errors.Is(err, ErrNotFound) {
		return seal.ErrDestroyed
	}
	if err != nil {
		return err
	}
	if err := k.q.nc.Publish(goneKey(of), nil); err != nil {
		k.q.log.Warn("the end of a data key is not told; processes that hold it find out within a minute", "error", err)
	}
	return nil
}

// All implements seal.Store.
func (k *keys) All(ctx context.Context) ([]seal.Stored, error) {
	docs, err := k.bucket.list(ctx, ">")
	out := make([]seal.Stored, len(docs))
	for i, doc := range docs {
		out[i] = seal.Stored{Scope: seal.Scope{Tenant: doc.Key.Tenant, Name: doc.Key.ID}, Value: doc.Value, Revision: doc.Revision}
	}
	return out, err
}

// hearGoneKey forgets a data key that another process destroyed.
func (q *Queue) hearGoneKey(m *nats.Msg) {
	if parts := strings.Split(m.Subject, "."); len(parts) == 3 {
		q.ring.Forget(seal.Scope{Tenant: parts[1], Name: parts[2]})
	}
}

// Ring has the data keys of the mesh, for what is stored beside the queue.
func (q *Queue) Ring() *seal.Ring { return q.ring }

// The scopes of the queue's own data keys.

// recordScope seals a record, and the news of it.
func recordScope(key RecordKey) seal.Scope {
	return seal.Scope{Tenant: key.Tenant, Name: "record-" + key.ID}
}

// WorkScope seals the calls that are made for a record, and what its stages keep
// meanwhile.
func WorkScope(tenant, record string) seal.Scope {
	return seal.Scope{Tenant: tenant, Name: "work-" + record}
}

// Scope is what seals what belongs to the call alone: that of its record's work,
// the tenant's when it has no record.
func (c Call) Scope() seal.Scope {
	if c.Record == "" {
		return seal.Shared(c.Tenant)
	}
	return WorkScope(c.Tenant, c.Record)
}

// ForgetWork destroys the data key of the calls that were made for a record:
// their requests and results, what is in the queue of them, and what stages keep
// beside it cannot be read any more. It reports whether there was one.
func (q *Queue) ForgetWork(ctx context.Context, key RecordKey) (bool, error) {
	if err := key.validate(); err != nil {
		return false, err
	}
	gone, err := q.ring.Destroy(ctx, WorkScope(key.Tenant, key.ID))
	if err != nil {
		return false, fmt.Errorf("forget the work on record %s: %w", key.ID, err)
	}
	return gone, nil
}
