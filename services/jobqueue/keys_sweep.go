package jobqueue

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/facestudio/facestudio/services/seal"
)

// keyGrace is how old a data key is before it may be without its record: the key
// is drawn first.
const keyGrace = time.Hour

// SweepKeys destroys the data keys of records that are no more, and returns how
// many those were. now is the local time. Records expire by themselves; their keys, which are
// overwritten, have to be swept. Documents take their keys with them.
func (q *Queue) SweepKeys(ctx context.Context, now time.Time) (destroyed int, err error) {
	now = now.Add(q.clock.lag())
	docs, err := q.keys.bucket.list(ctx, ">")
	if err != nil {
		return 0, err
	}
	for _, doc := range docs {
		record, ok := strings.CutPrefix(doc.Key.ID, "record-")
		if !ok {
			record, ok = strings.CutPrefix(doc.Key.ID, "work-")
		}
		if !ok || now.Sub(doc.CreateTime) < keyGrace {
			continue
		}
		there, err := q.hasRecord(ctx, RecordKey{doc.Key.Tenant, record})
		if err != nil {
			return destroyed, err
		}
		if there {
			continue
		}
		gone, err := q.ring.Destroy(ctx, seal.Scope{Tenant: doc.Key.Tenant, Name: doc.Key.ID})
		if err != nil {
			return destroyed, err
		}
		if gone {
			destroyed++
		}
	}
	return destroyed, nil
}

func (q *Queue) hasRecord(ctx context.Context, key RecordKey) (bool, error) {
	ctx, release := bounded(ctx)
	defer release()
	_, err := q.records.kv.Get(ctx, key.stored())
	if errors.Is(err, jetstream.ErrKeyNotFound) {
		return false, nil
	}
	return err == nil, storeError(ctx, err)
}
