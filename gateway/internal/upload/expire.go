package upload

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	gatewayv1 "github.com/facestudio/facestudio/proto/gen/facestudio/gateway/v1"
	"github.com/facestudio/facestudio/services/jobqueue"
)

// expireEvery is how often what has expired is removed.
const expireEvery = 10 * time.Minute

// Drop removes an upload with its chunks, or fails with UNKNOWN_UPLOAD.
func (s *Store) Drop(ctx context.Context, key jobqueue.RecordKey) error {
	record, _, err := s.get(ctx, key)
	if err != nil {
		return err
	}
	return s.drop(ctx, key, record)
}

// drop removes the chunks before the record, so that it can be repeated.
func (s *Store) drop(ctx context.Context, key jobqueue.RecordKey, record *gatewayv1.UploadRecord) error {
	for _, name := range record.GetChunks() {
		if err := s.blobs.Forget(ctx, key.Tenant, name); err != nil {
			return fmt.Errorf("drop chunk: %w", err)
		}
	}
	err := s.documents.Erase(ctx, key)
	if errors.Is(err, jobqueue.ErrNotFound) {
		return unknown(key.ID)
	}
	if err != nil {
		return fmt.Errorf("drop upload: %w", err)
	}
	return nil
}

// Run removes what has expired, at once and then now and then until ctx ends.
func (s *Store) Run(ctx context.Context) {
	tick := time.NewTicker(expireEvery)
	defer tick.Stop()
	for {
		removed, err := s.Expire(ctx)
		if err != nil && ctx.Err() == nil {
			s.log.WarnContext(ctx, "expired uploads are not removed yet", slog.Any("error", err))
		}
		if removed > 0 {
			s.log.InfoContext(ctx, "expired uploads are removed", slog.Int("count", removed))
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// Expire removes the uploads of all tenants that have expired, and returns how
// many that were.
func (s *Store) Expire(ctx context.Context) (removed int, err error) {
	documents, err := s.documents.All(ctx)
	if err != nil {
		return 0, fmt.Errorf("list uploads: %w", err)
	}
	var errs []error
	for _, document := range documents {
		record, err := decode(document)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		if !s.expired(record) {
			continue
		}
		if err := s.drop(ctx, document.Key, record); err != nil {
			errs = append(errs, err)
			continue
		}
		removed++
	}
	return removed, errors.Join(errs...)
}
