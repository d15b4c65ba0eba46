package blob

import (
	"context"
	"errors"
	"io"
	"strings"
	"time"

	"gocloud.dev/blob"
	"gocloud.dev/gcerrors"

	mediav1 "github.com/facestudio/facestudio/proto/gen/facestudio/media/v1"
)

// ages is how long a blob of each retention is kept after it was last stored;
// of those without, forever.
var ages = map[string]time.Duration{
	Day:   24 * time.Hour,
	Week:  7 * 24 * time.Hour,
	Month: 30 * 24 * time.Hour,

	Uploaded: UploadedAge,
}

// UploadedAge is how long an uploaded picture is kept after it was last stored.
const UploadedAge = 7 * 24 * time.Hour

// Stored returns when a tenant's blob was last stored with a retention, by the
// store's clock; false when it is not there.
func (s *Store) Stored(ctx context.Context, tenant, retention string, b *mediav1.Blob) (time.Time, bool, error) {
	attributes, err := s.attributes(ctx, tenant, retention, b)
	if attributes == nil || err != nil {
		return time.Time{}, false, err
	}
	return attributes.ModTime, true, nil
}

// Version tells one storing of a tenant's blob with a retention from another, also
// of the same bytes; empty when it is not there. Times do not: those of S3 are
// whole seconds.
func (s *Store) Version(ctx context.Context, tenant, retention string, b *mediav1.Blob) (string, error) {
	attributes, err := s.attributes(ctx, tenant, retention, b)
	if attributes == nil || err != nil {
		return "", err
	}
	// Of S3 it is a digest of what is stored, which no two sealings share.
	return attributes.ETag, nil
}

// attributes returns nil when the blob is not there.
func (s *Store) attributes(ctx context.Context, tenant, retention string, b *mediav1.Blob) (*blob.Attributes, error) {
	key, err := s.keyOf(ctx, tenant, retention, b.GetSha256())
	if err != nil {
		return nil, err
	}
	attributes, err := s.bucket.Attributes(ctx, key)
	switch {
	case gcerrors.Code(err) == gcerrors.NotFound:
		return nil, nil
	case err != nil:
		return nil, unavailable(ctx, err)
	}
	return attributes, nil
}

// Delete removes a tenant's blob with a retention; the same bytes with another
// one stay. Removing what is not there is no error.
func (s *Store) Delete(ctx context.Context, tenant, retention string, b *mediav1.Blob) error {
	key, err := s.keyOf(ctx, tenant, retention, b.GetSha256())
	if err != nil {
		return err
	}
	return s.remove(ctx, key)
}

// Sweep removes, for all tenants, what was last stored longer ago than its
// retention says, and returns how many blobs that were. What has no blob's key
// is left alone.
func (s *Store) Sweep(ctx context.Context, now time.Time) (removed int, err error) {
	list := s.bucket.List(nil)
	for {
		object, err := list.Next(ctx)
		if errors.Is(err, io.EOF) {
			return removed, nil
		}
		if err != nil {
			return removed, unavailable(ctx, err)
		}
		if !expired(object, now) {
			continue
		}
		if err := s.remove(ctx, object.Key); err != nil {
			return removed, err
		}
		removed++
	}
}

func expired(object *blob.ListObject, now time.Time) bool {
	parts := strings.Split(object.Key, "/")
	if len(parts) != 3 || !tenantPattern.MatchString(parts[0]) || !digestPattern.MatchString(parts[2]) {
		return false
	}
	age, known := ages[parts[1]]
	return known && now.Sub(object.ModTime) > age
}

func (s *Store) remove(ctx context.Context, key string) error {
	if err := s.bucket.Delete(ctx, key); err != nil && gcerrors.Code(err) != gcerrors.NotFound {
		return unavailable(ctx, err)
	}
	return nil
}
