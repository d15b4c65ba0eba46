package jobqueue

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/facestudio/facestudio/services/fault"
)

// bucket keeps bytes by tenant and id until they are erased. It asks the one
// server that decides, so that what was erased is not seen again, and what was
// stored is.
type bucket struct {
	q      *Queue
	stream jetstream.Stream
	kv     jetstream.KeyValue
}

// openBucket makes or checks a bucket and opens it.
func openBucket(ctx context.Context, q *Queue, want jetstream.StreamConfig) (*bucket, error) {
	// Erase overwrites single messages.
	want.DenyDelete = false
	want = decisive(want)
	kv, err := ensureBucket(ctx, q.js, want)
	if err != nil {
		return nil, err
	}
	stream, err := q.js.Stream(ctx, want.Name)
	if err != nil {
		return nil, fmt.Errorf("open stream %s: %w", want.Name, err)
	}
	return &bucket{q: q, stream: stream, kv: kv}, nil
}

func (b *bucket) create(ctx context.Context, key RecordKey, value []byte) error {
	if err := key.validate(); err != nil {
		return err
	}
	ctx, release := bounded(ctx)
	defer release()
	_, err := b.kv.Create(ctx, key.stored(), value)
	if errors.Is(err, jetstream.ErrKeyExists) {
		return fmt.Errorf("create document %s: %w", key.ID, ErrExists)
	}
	return storeError(ctx, err)
}

func (b *bucket) get(ctx context.Context, key RecordKey) (*Document, error) {
	if err := key.validate(); err != nil {
		return nil, err
	}
	ctx, release := bounded(ctx)
	defer release()
	msg, err := b.stream.GetLastMsgForSubject(ctx, b.subject(key))
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

func (b *bucket) subject(key RecordKey) string { return "$KV." + b.kv.Bucket() + "." + key.stored() }

func (b *bucket) list(ctx context.Context, keys string) ([]*Document, error) {
	watcher, err := b.kv.Watch(ctx, keys, jetstream.IgnoreDeletes())
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

// update replaces a value whose revision is still the given one, else it fails
// with ErrStale.
func (b *bucket) update(ctx context.Context, key RecordKey, value []byte, revision uint64) (uint64, error) {
	ctx, release := bounded(ctx)
	defer release()
	msg := nats.NewMsg(b.subject(key))
	msg.Data = value
	ack, err := b.q.js.PublishMsg(ctx, msg, jetstream.WithExpectLastSequencePerSubject(revision))
	if isStale(err) {
		return 0, fmt.Errorf("update document %s at %d: %w", key.ID, revision, ErrStale)
	}
	if err != nil {
		return 0, storeError(ctx, err)
	}
	return ack.Sequence, nil
}

// erase overwrites the bytes in the stream's files. It fails with ErrNotFound.
func (b *bucket) erase(ctx context.Context, key RecordKey) error {
	for {
		doc, err := b.get(ctx, key)
		if err != nil {
			return err
		}
		// What was updated in between is erased as it is now.
		erased, err := b.eraseAt(ctx, doc)
		if erased || err != nil {
			return err
		}
	}
}

// eraseAt erases at a revision; false when that is not there any more.
func (b *bucket) eraseAt(ctx context.Context, doc *Document) (bool, error) {
	ctx, release := bounded(ctx)
	defer release()
	err := b.stream.SecureDeleteMsg(ctx, doc.Revision)
	if errors.Is(err, jetstream.ErrMsgNotFound) || isAPI(err, errNoMessage) {
		return false, nil
	}
	if err != nil {
		return false, storeError(ctx, err)
	}
	// Nobody who watches is told of an erased message, but of a marker that
	// the key is removed, which itself goes soon.
	marker := nats.NewMsg(b.subject(doc.Key))
	marker.Header.Set(operationHeader, "PURGE")
	_, err = b.q.js.PublishMsg(ctx, marker, jetstream.WithMsgTTL(markerTTL))
	return true, storeError(ctx, err)
}

// errNoMessage is the server's code for a message that is not there.
const errNoMessage = 10057

func isAPI(err error, code jetstream.ErrorCode) bool {
	api, ok := errors.AsType[*jetstream.APIError](err)
	return ok && api.ErrorCode == code
}
