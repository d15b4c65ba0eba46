package blob

import (
	"context"
	"crypto/sha256"
	"encoding/hex"

	"gocloud.dev/blob"
	"gocloud.dev/gcerrors"

	"github.com/facestudio/facestudio/services/fault"
)

// Save stores data for a tenant under a name, in place of what was there, for
// a day after it was last saved. It is for what work in hand writes again and
// again; the name is whatever tells that work from all other.
func (s *Store) Save(ctx context.Context, tenant, name string, data []byte) error {
	if len(data) > MaxSize {
		return fault.InvalidField("data", "%d bytes are more than a blob may have, %d", len(data), MaxSize)
	}
	key, err := keyOf(tenant, Day, named(name))
	if err != nil {
		return err
	}
	if err := s.bucket.WriteAll(ctx, key, data, &blob.WriterOptions{DisableContentTypeDetection: true}); err != nil {
		return unavailable(ctx, err)
	}
	return nil
}

// Saved returns what a tenant saved last under a name; false when there is
// nothing.
func (s *Store) Saved(ctx context.Context, tenant, name string) ([]byte, bool, error) {
	key, err := keyOf(tenant, Day, named(name))
	if err != nil {
		return nil, false, err
	}
	data, err := s.read(ctx, key)
	switch {
	case gcerrors.Code(err) == gcerrors.NotFound:
		return nil, false, nil
	case err != nil:
		return nil, false, unavailable(ctx, err)
	}
	return data, true, nil
}

// Forget removes what a tenant saved under a name. Removing what is not there
// is no error.
func (s *Store) Forget(ctx context.Context, tenant, name string) error {
	key, err := keyOf(tenant, Day, named(name))
	if err != nil {
		return err
	}
	return s.remove(ctx, key)
}

// named is a name's place among the digests, so that sweeps know it. No bytes
// are known whose digest it is.
func named(name string) string {
	sum := sha256.Sum256([]byte("name\x00" + name))
	return hex.EncodeToString(sum[:])
}
