package blob

import (
	"context"
	"fmt"

	mediav1 "github.com/facestudio/facestudio/proto/gen/facestudio/media/v1"
)

// Drop removes those of a tenant's blobs with a retention that nobody uses any
// more; used is asked once, and then tells of each. Who begins to use a blob
// stores it before it is seen to use it, and again after: a blob that was stored
// anew between the first look at it and its end is left alone. Drop returns what
// it removed and what stays.
func (s *Store) Drop(ctx context.Context, tenant, retention string, blobs []*mediav1.Blob,
	used func(context.Context) (func(*mediav1.Blob) bool, error),
) (dropped, kept []*mediav1.Blob, err error) {
	first := make(map[string]string)
	for _, b := range blobs {
		if first[b.GetSha256()], err = s.Version(ctx, tenant, retention, b); err != nil {
			return nil, nil, fmt.Errorf("look for a blob: %w", err)
		}
	}
	inUse, err := used(ctx)
	if err != nil {
		return nil, nil, err
	}
	for _, b := range blobs {
		version, known := first[b.GetSha256()]
		if !known {
			continue // it is there twice
		}
		delete(first, b.GetSha256())
		again, err := s.Version(ctx, tenant, retention, b)
		if err != nil {
			return nil, nil, fmt.Errorf("look for a blob: %w", err)
		}
		if inUse(b) || again != version {
			kept = append(kept, b)
			continue
		}
		if err := s.Delete(ctx, tenant, retention, b); err != nil {
			return nil, nil, fmt.Errorf("delete a blob: %w", err)
		}
		dropped = append(dropped, b)
	}
	return dropped, kept, nil
}
