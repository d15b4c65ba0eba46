package subject

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"google.golang.org/protobuf/proto"

	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	gatewayv1 "github.com/facestudio/facestudio/proto/gen/facestudio/gateway/v1"
	mediav1 "github.com/facestudio/facestudio/proto/gen/facestudio/media/v1"
	"github.com/facestudio/facestudio/services/blob"
	"github.com/facestudio/facestudio/services/fault"
	"github.com/facestudio/facestudio/services/jobqueue"
	"github.com/facestudio/facestudio/services/provenance"
)

// noteTries bounds how often a note of a deletion meets one that changed under it.
const noteTries = 10

// forgetRecords gives a generation pictures that do not tell how they were made:
// the record in each names the subject and has the prompt. The former ones are
// noted with the deletion, before nothing else names them.
func (r *Remover) forgetRecords(ctx context.Context, key jobqueue.RecordKey, g *gatewayv1.Generation) error {
	var former []*mediav1.Blob
	for i, picture := range g.GetPictures() {
		data, err := r.Blobs.Get(ctx, key.Tenant, picture.GetBlob())
		if fault.Is(err, faultv1.Reason_REASON_BLOB_MISSING) {
			continue // its week is over
		}
		if err != nil {
			return fmt.Errorf("read picture %d of %s: %w", i, g.GetName(), err)
		}
		plain := provenance.Forget(data)
		if bytes.Equal(plain, data) {
			continue
		}
		stored, err := r.Blobs.Put(ctx, key.Tenant, blob.Week, plain, picture.GetBlob().GetMediaType())
		if err != nil {
			return fmt.Errorf("store picture %d of %s: %w", i, g.GetName(), err)
		}
		former = append(former, picture.GetBlob())
		picture.Blob = stored
	}
	if len(former) == 0 {
		return nil
	}
	return r.note(ctx, key, func(erasure *gatewayv1.SubjectErasure) { erasure.Results = append(erasure.Results, former...) })
}

// note changes what a deletion has to do.
func (r *Remover) note(ctx context.Context, key jobqueue.RecordKey, change func(*gatewayv1.SubjectErasure)) error {
	for range noteTries {
		document, err := r.Erasures.Get(ctx, key)
		if err != nil {
			return fmt.Errorf("read a deletion: %w", err)
		}
		erasure, err := decodeErasure(document)
		if err != nil {
			return err
		}
		change(erasure)
		value, err := proto.Marshal(erasure)
		if err != nil {
			return fmt.Errorf("encode a deletion: %w", err)
		}
		if _, err = r.Erasures.Update(ctx, key, value, document.Revision); err == nil || !errors.Is(err, jobqueue.ErrStale) {
			return err
		}
	}
	return fmt.Errorf("note a deletion: %w", jobqueue.ErrStale)
}

// dropResults removes the pictures that were stored anew. Nobody else has the
// same bytes: the record in them names the subject.
func (r *Remover) dropResults(ctx context.Context, key jobqueue.RecordKey) error {
	erasure, err := r.begun(ctx, key)
	if errors.Is(err, jobqueue.ErrNotFound) {
		return nil // another process has ended the deletion
	}
	if err != nil {
		return err
	}
	for i, b := range erasure.GetResults() {
		if err := r.Blobs.Delete(ctx, key.Tenant, blob.Week, b); err != nil {
			return fmt.Errorf("delete result %d: %w", i, err)
		}
	}
	return nil
}
