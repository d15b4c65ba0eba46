package jobqueue

import (
	"context"
	"errors"
	"fmt"

	"github.com/facestudio/facestudio/services/fault"
	"github.com/facestudio/facestudio/services/seal"
)

// Update replaces a document if its revision is still the given one, and returns
// the new revision; else, also when it was erased, it fails with ErrStale. It
// stays sealed with the same data key, so that what its former revisions leave in
// files goes with that key.
func (d *Documents) Update(ctx context.Context, key RecordKey, value []byte, revision uint64) (uint64, error) {
	if err := key.validate(); err != nil {
		return 0, err
	}
	if len(value) > MaxRecord {
		return 0, fault.InvalidField("", "the document has %d bytes and may have %d; keep large parts as blobs", len(value), MaxRecord)
	}
	sealed, err := d.q.seals.SealExisting(ctx, d.scope(key), d.place(key), value)
	if errors.Is(err, seal.ErrDestroyed) {
		return 0, fmt.Errorf("update document %s at %d: %w", key.ID, revision, ErrStale)
	}
	if err != nil {
		return 0, fmt.Errorf("seal document %s: %w", key.ID, err)
	}
	return d.bucket.update(ctx, key, sealed, revision)
}
