package blob

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
)

// Load returns a tenant's blob with a retention by its digest alone, and whether
// it is there: bytes that have changed or cannot be read any more are not.
func (s *Store) Load(ctx context.Context, tenant, retention, digest string) ([]byte, bool, error) {
	key, err := s.keyOf(ctx, tenant, retention, digest)
	if err != nil {
		return nil, false, err
	}
	data, there, err := s.read(ctx, tenant, key)
	if unreadable(err) {
		return nil, false, nil
	}
	if err != nil || !there {
		return nil, false, err
	}
	sum := sha256.Sum256(data)
	return data, hex.EncodeToString(sum[:]) == digest, nil
}
