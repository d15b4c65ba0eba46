package jobqueue

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/facestudio/facestudio/services/fault"
)

// Documents are what the mesh keeps beside the queue: one bucket of bytes by
// tenant and id, never worked on. Errors beside those named are those of
// Records.
type Documents struct {
	q      *Queue
	stream jetstream.Stream
	kv     jetstream.KeyValue
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

// Documents opens the bucket of a kind, 1 to 63 letters, digits, "_" or "-", or
// makes it.
func (q *Queue) Documents(ctx context.Context, kind string) (*Documents, error) {
	return q.DocumentsUpTo(ctx, kind, q.settings.MaxBytes)
}

// DocumentsUpTo is Documents for a kind that has a bound of its own, bytes: the
// server sets a bucket's space aside.
func (q *Queue) DocumentsUpTo(ctx context.Context, kind string, bytes int64) (*Documents, error) {
	if !validToken(kind) {
		return nil, fmt.Errorf("%q is no kind of documents", kind)
	}
	want := decisive(bucketConfig(q.settings, kind, "documents, by tenant and id"))
	want.MaxBytes = min(want.MaxBytes, bytes)
	// Erase overwrites single messages.
	want.DenyDelete = false
	d := &Documents{q: q}
	err := patiently(ctx, q.log, func(ctx context.Context) (err error) {
		if d.stream, err = ensure(ctx, q.js, want); err != nil {
			return err
		}
		if d.kv, err = q.js.KeyValue(ctx, kind); err != nil {
			return fmt.Errorf("open bucket %s: %w", kind, err)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return d, nil
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
	ctx, release := bounded(ctx)
	defer release()
	_, err := d.kv.Create(ctx, key.stored(), value)
	if errors.Is(err, jetstream.ErrKeyExists) {
		return fmt.Errorf("create document %s: %w", key.ID, ErrExists)
	}
	return storeError(ctx, err)
}

// Get returns a document or ErrNotFound. It asks the one server that decides,
// so that what was erased is not seen again.
func (d *Documents) Get(ctx context.Context, key RecordKey) (*Document, error) {
	if err := key.validate(); err != nil {
		return nil, err
	}
	ctx, release := bounded(ctx)
	defer release()
	msg, err := d.stream.GetLastMsgForSubject(ctx, d.subject(key))
	if errors.Is(err, jetstream.ErrMsgNotFound) || err == nil && msg.Header.Get(operationHeader) != "" {
		return nil, fmt.Errorf("get document %s: %w", key.ID, ErrNotFound)
	}
	if err != nil {
		return nil, storeError(ctx, err)
	}
	return &Document{Key: key, Value: msg.Data, CreateTime: msg.Time, Revision: msg.Sequence}, nil
}

// operationHeader marks a message of a bucket that removes its key.
const operationHeader = "KV-Operation"

func (d *Documents) subject(key RecordKey) string { return "$KV." + d.kv.Bucket() + "." + key.stored() }

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
	watcher, err := d.kv.Watch(ctx, keys, jetstream.IgnoreDeletes())
	if err != nil {
		return nil, storeError(ctx, err)
	}
	defer func() { _ = watcher.Stop() }()
	var list []*Document
	for {
		select {
		case <-ctx.Done():
			return nil, fault.From(ctx.Err())
		case stored := <-watcher.Updates():
			if stored == nil {
				return list, nil
			}
			if key, ok := parseRecordKey(stored.Key()); ok {
				list = append(list, &Document{Key: key, Value: stored.Value(), CreateTime: stored.Created(), Revision: stored.Revision()})
			}
		}
	}
}

// Erase removes a document: its bytes are overwritten in the stream's files. It
// fails with ErrNotFound.
func (d *Documents) Erase(ctx context.Context, key RecordKey) error {
	doc, err := d.Get(ctx, key)
	if err != nil {
		return err
	}
	ctx, release := bounded(ctx)
	defer release()
	err = d.stream.SecureDeleteMsg(ctx, doc.Revision)
	if errors.Is(err, jetstream.ErrMsgNotFound) || isAPI(err, errNoMessage) {
		return fmt.Errorf("erase document %s: %w", key.ID, ErrNotFound)
	}
	if err != nil {
		return storeError(ctx, err)
	}
	// Nobody who watches is told of an erased message, but of a marker that
	// the key is removed, which itself goes soon.
	marker := nats.NewMsg(d.subject(key))
	marker.Header.Set(operationHeader, "PURGE")
	if _, err := d.q.js.PublishMsg(ctx, marker, jetstream.WithMsgTTL(markerTTL)); err != nil {
		return storeError(ctx, err)
	}
	return nil
}

// errNoMessage is the server's code for a message that is not there.
const errNoMessage = 10057

func isAPI(err error, code jetstream.ErrorCode) bool {
	api, ok := errors.AsType[*jetstream.APIError](err)
	return ok && api.ErrorCode == code
}

// Gone returns a channel that is closed once the document is erased, also when
// it is not there to begin with, or when ctx has ended.
func (d *Documents) Gone(ctx context.Context, key RecordKey) (<-chan struct{}, error) {
	if err := key.validate(); err != nil {
		return nil, err
	}
	watching, stop := context.WithCancel(ctx)
	updates, err := (&Records{q: d.q, kv: d.kv}).rewatch(watching, key.stored())
	if err != nil {
		stop()
		return nil, err
	}
	out := make(chan struct{})
	go func() {
		defer close(out)
		defer stop()
		for seen := false; ; {
			stored, open := <-updates
			if !open || stored != nil && stored.Operation() != jetstream.KeyValuePut || stored == nil && !seen {
				return
			}
			// After a reconnection all is told anew, up to a nil.
			seen = stored != nil
		}
	}()
	return out, nil
}
