package jobqueue

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/facestudio/facestudio/services/fault"
	"github.com/facestudio/facestudio/services/seal"
)

// Documents are what the mesh keeps beside the queue: one bucket of bytes by
// tenant and id, never worked on. Each is sealed with a data key of its own.
// Errors beside those named are those of Records.
type Documents struct {
	q      *Queue
	kind   string
	bucket *bucket
	feed   *feed
}

// Document is one of them as it was stored at a revision.
type Document struct {
	// Key is its name.
	Key RecordKey
	// Value is what was stored.
	Value []byte
	// CreateTime is when, by the server's clock.
	CreateTime time.Time
	// Revision grows with each write of the bucket.
	Revision uint64
}

// Documents opens the bucket of a kind, 1 to 32 letters, digits, "_" or "-", or
// makes it.
func (q *Queue) Documents(ctx context.Context, kind string) (*Documents, error) {
	return q.DocumentsUpTo(ctx, kind, q.settings.MaxBytes)
}

// DocumentsUpTo is Documents for a kind that has a bound of its own, bytes: the
// server sets a bucket's space aside.
func (q *Queue) DocumentsUpTo(ctx context.Context, kind string, bytes int64) (*Documents, error) {
	if !validToken(kind) || len(kind) > 32 {
		return nil, fmt.Errorf("%q is no kind of documents", kind)
	}
	want := bucketConfig(q.settings, kind, "documents, by tenant and id")
	want.MaxBytes = min(want.MaxBytes, bytes)
	var b *bucket
	err := patiently(ctx, q.log, func(ctx context.Context) (err error) {
		b, err = openBucket(ctx, q, want)
		return err
	})
	if err != nil {
		return nil, err
	}
	return &Documents{q: q, kind: kind, bucket: b, feed: newRecords(q, b.kv).feed}, nil
}

func (d *Documents) scope(key RecordKey) seal.Scope {
	return seal.Scope{Tenant: key.Tenant, Name: d.kind + "-" + key.ID}
}

func (d *Documents) place(key RecordKey) seal.Place {
	return seal.Place{Purpose: "document " + d.kind, Name: key.ID}
}

// Create stores a document, which is kept until it is erased; it is durable
// when Create returns. It fails with ErrExists.
func (d *Documents) Create(ctx context.Context, key RecordKey, value []byte) error {
	if err := key.validate(); err != nil {
		return err
	}
	if len(value) > MaxRecord {
		return fault.InvalidField("", "the document has %d bytes and may have %d; keep large parts as blobs", len(value), MaxRecord)
	}
	sealed, err := d.q.seals.Seal(ctx, d.scope(key), d.place(key), value)
	if err != nil {
		return fmt.Errorf("seal document %s: %w", key.ID, err)
	}
	return d.bucket.create(ctx, key, sealed)
}

// Get returns a document or ErrNotFound, as it stands at the moment. One whose
// data key is destroyed is not found.
func (d *Documents) Get(ctx context.Context, key RecordKey) (*Document, error) {
	doc, err := d.bucket.get(ctx, key)
	if err != nil {
		return nil, err
	}
	return d.open(ctx, doc)
}

func (d *Documents) open(ctx context.Context, doc *Document) (*Document, error) {
	value, _, err := d.q.seals.Open(ctx, doc.Key.Tenant, d.place(doc.Key), doc.Value)
	if errors.Is(err, seal.ErrDestroyed) {
		return nil, fmt.Errorf("open document %s: %w", doc.Key.ID, ErrNotFound)
	}
	if err != nil {
		return nil, fmt.Errorf("open document %s: %w", doc.Key.ID, err)
	}
	doc.Value = value
	return doc, nil
}

// List returns a tenant's documents, in no order.
func (d *Documents) List(ctx context.Context, tenant string) ([]*Document, error) {
	if !validToken(tenant) {
		return nil, fault.InvalidField("tenant", "a tenant is 1 to 63 letters, digits, _ or -")
	}
	return d.list(ctx, tenant+".*")
}

// All returns the documents of all tenants, in no order.
func (d *Documents) All(ctx context.Context) ([]*Document, error) { return d.list(ctx, ">") }

func (d *Documents) list(ctx context.Context, keys string) ([]*Document, error) {
	sealed, err := d.bucket.list(ctx, keys)
	if err != nil {
		return nil, err
	}
	var list []*Document
	for _, doc := range sealed {
		doc, err := d.open(ctx, doc)
		switch {
		case err == nil:
			list = append(list, doc)
		case errors.Is(err, ErrNotFound):
		default:
			return nil, err
		}
	}
	return list, nil
}

// Erase removes a document: its data key is destroyed, and the bytes of both are
// overwritten in the streams' files. It fails with ErrNotFound.
func (d *Documents) Erase(ctx context.Context, key RecordKey) error {
	if err := key.validate(); err != nil {
		return err
	}
	if _, err := d.q.ring.Destroy(ctx, d.scope(key)); err != nil {
		return err
	}
	return d.bucket.erase(ctx, key)
}

// Gone returns a channel that is closed once the document is erased, also when
// it is not there to begin with, or when ctx has ended.
func (d *Documents) Gone(ctx context.Context, key RecordKey) (<-chan struct{}, error) {
	if err := key.validate(); err != nil {
		return nil, err
	}
	told, err := d.feed.follow(ctx, key.stored())
	if err != nil {
		return nil, err
	}
	revision, err := d.revision(ctx, key)
	if err != nil {
		told.leave()
		return nil, err
	}
	out := make(chan struct{})
	go func() {
		defer close(out)
		defer told.leave()
		for revision > 0 {
			select {
			case <-ctx.Done():
				return
			case <-told.missed:
				now, err := d.revision(ctx, key)
				if err == nil {
					revision = now
					continue
				}
				// Until it is known, it is there.
				told.again()
				pause(ctx, time.Second, d.q.reconnection())
			case news, open := <-told.changes:
				if !open || news.gone && news.revision > revision {
					return
				}
			}
		}
	}()
	return out, nil
}

// revision is that of a document, 0 when it is not there.
func (d *Documents) revision(ctx context.Context, key RecordKey) (uint64, error) {
	doc, err := d.bucket.get(ctx, key)
	if errors.Is(err, ErrNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	return doc.Revision, nil
}
