package subject

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	gatewayv1 "github.com/facestudio/facestudio/proto/gen/facestudio/gateway/v1"
	mediav1 "github.com/facestudio/facestudio/proto/gen/facestudio/media/v1"
	"github.com/facestudio/facestudio/services/blob"
	"github.com/facestudio/facestudio/services/fault"
	"github.com/facestudio/facestudio/services/jobqueue"
)

const (
	// expireEvery is how often what has expired is removed.
	expireEvery = 10 * time.Minute
	// finishEvery is how often deletions go on that wait for generations to end.
	finishEvery = time.Minute
)

// Blobs is where photos and results are kept; *blob.Store is one.
type Blobs interface {
	// Get returns the bytes of a blob.
	Get(ctx context.Context, tenant string, b *mediav1.Blob) ([]byte, error)
	// Put stores bytes with a retention.
	Put(ctx context.Context, tenant, retention string, data []byte, mediaType string) (*mediav1.Blob, error)
	// Version tells one storing of a blob with a retention from another; empty
	// when it is not there.
	Version(ctx context.Context, tenant, retention string, b *mediav1.Blob) (string, error)
	// Delete removes a blob with a retention.
	Delete(ctx context.Context, tenant, retention string, b *mediav1.Blob) error
}

// Remover removes subjects with all that belongs to them.
type Remover struct {
	// Store has the subjects.
	Store *Store
	// Blobs has their photos.
	Blobs Blobs
	// Erasures has the deletions that were begun.
	Erasures Erasures
	// Generations name subjects.
	Generations Generations
	// Work is what stages were told of them.
	Work Work
	// Expired, if not nil, is told of each subject that was removed by itself.
	Expired func(ctx context.Context, key jobqueue.RecordKey)
	// Log gets what is removed by itself.
	Log *slog.Logger
}

// Remove removes a subject and all that it left, or goes on with that. It fails
// with UNKNOWN_SUBJECT, and with ETAG_MISMATCH when the etag is not empty and not
// the subject's.
func (r *Remover) Remove(ctx context.Context, key jobqueue.RecordKey, etag string) (*gatewayv1.DeleteSubjectResponse, error) {
	erasure, err := r.begun(ctx, key)
	if err == nil {
		return r.erase(ctx, key, erasure)
	}
	if !errors.Is(err, jobqueue.ErrNotFound) {
		return nil, err
	}
	record, err := r.Store.Get(ctx, key)
	if err != nil {
		return nil, err
	}
	if err := match(record, etag); err != nil {
		return nil, err
	}
	return r.remove(ctx, key, record)
}

func (r *Remover) remove(ctx context.Context, key jobqueue.RecordKey, record *gatewayv1.SubjectRecord) (*gatewayv1.DeleteSubjectResponse, error) {
	erasure, err := r.begin(ctx, key, record)
	if err != nil {
		return nil, err
	}
	return r.erase(ctx, key, erasure)
}

// Drop removes photos that a subject keeps, or would have kept, and that no
// other one of its tenant does. A subject that is created meanwhile stores its
// photos before its record and again after it: a photo that was stored anew
// between the first look at it and its end is left alone.
func (r *Remover) Drop(ctx context.Context, key jobqueue.RecordKey, photos []*mediav1.Blob) (dropped, shared []*mediav1.Blob, err error) {
	if len(photos) == 0 {
		return nil, nil, nil
	}
	first := make([]string, len(photos))
	for i, b := range photos {
		if first[i], err = r.Blobs.Version(ctx, key.Tenant, blob.Kept, b); err != nil {
			return nil, nil, fmt.Errorf("look for photo %d: %w", i, err)
		}
	}
	used, err := r.keptByOthers(ctx, key)
	if err != nil {
		return nil, nil, err
	}
	done := make(map[string]bool)
	for i, b := range photos {
		if done[b.GetSha256()] {
			continue
		}
		done[b.GetSha256()] = true
		again, err := r.Blobs.Version(ctx, key.Tenant, blob.Kept, b)
		if err != nil {
			return nil, nil, fmt.Errorf("look for photo %d: %w", i, err)
		}
		if used[b.GetSha256()] || again != first[i] {
			shared = append(shared, b)
			continue
		}
		if err := r.Blobs.Delete(ctx, key.Tenant, blob.Kept, b); err != nil {
			return nil, nil, fmt.Errorf("delete photo %d: %w", i, err)
		}
		dropped = append(dropped, b)
	}
	return dropped, shared, nil
}

// keptByOthers are the digests of the photos that other subjects of the tenant
// keep.
func (r *Remover) keptByOthers(ctx context.Context, key jobqueue.RecordKey) (map[string]bool, error) {
	list, err := r.Store.List(ctx, key.Tenant)
	if err != nil {
		return nil, err
	}
	used := make(map[string]bool)
	for _, record := range list {
		if record.GetSubject().GetName() == Name(key.ID) {
			continue
		}
		for _, photo := range record.GetSubject().GetPhotos() {
			used[photo.GetBlob().GetSha256()] = true
		}
	}
	return used, nil
}

// Run removes what has expired and finishes deletions, at once and then now and
// then until ctx ends.
func (r *Remover) Run(ctx context.Context) {
	expire, finish := time.NewTicker(expireEvery), time.NewTicker(finishEvery)
	defer expire.Stop()
	defer finish.Stop()
	r.finish(ctx)
	r.expire(ctx)
	for {
		select {
		case <-ctx.Done():
			return
		case <-expire.C:
			r.expire(ctx)
		case <-finish.C:
			r.finish(ctx)
		}
	}
}

func (r *Remover) finish(ctx context.Context) {
	if err := r.Finish(ctx); err != nil && ctx.Err() == nil {
		r.Log.WarnContext(ctx, "deletions of subjects are not done yet", slog.Any("error", err))
	}
}

func (r *Remover) expire(ctx context.Context) {
	removed, err := r.Expire(ctx)
	if err != nil && ctx.Err() == nil {
		r.Log.WarnContext(ctx, "expired subjects are not removed yet", slog.Any("error", err))
	}
	if removed > 0 {
		r.Log.InfoContext(ctx, "expired subjects are removed", slog.Int("count", removed))
	}
}

// Expire removes the subjects of all tenants that have expired, and returns how
// many that were.
func (r *Remover) Expire(ctx context.Context) (removed int, err error) {
	documents, err := r.Store.documents.All(ctx)
	if err != nil {
		return 0, fmt.Errorf("list subjects: %w", err)
	}
	for _, document := range documents {
		record, err := decode(document)
		if err != nil {
			return removed, err
		}
		if !r.Store.expired(record) {
			continue
		}
		_, err = r.remove(ctx, document.Key, record)
		if f := fault.From(err); f != nil && f.Kind != fault.NotFound {
			return removed, err
		}
		if err == nil {
			// Another gateway may have been faster.
			removed++
			if r.Expired != nil {
				r.Expired(ctx, document.Key)
			}
		}
	}
	return removed, nil
}
