package blob

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/facestudio/facestudio/services/fault"
	"github.com/facestudio/facestudio/services/seal"
)

// Save stores data of a scope under a name, in place of what was there, for a day
// after it was last saved. It is for what work in hand writes again and again;
// the name is whatever tells that work from all other. When the scope's key is
// destroyed it cannot be read, or saved, any more.
func (s *Store) Save(ctx context.Context, of seal.Scope, name string, data []byte) error {
	if len(data) > MaxSize {
		return fault.InvalidField("data", "%d bytes are more than a blob may have, %d", len(data), MaxSize)
	}
	key, err := s.keyOf(ctx, of.Tenant, Day, named(name))
	if err != nil {
		return err
	}
	with := s.seals.SealExisting
	if of == seal.Shared(of.Tenant) {
		with = s.seals.Seal
	}
	sealed, err := with(ctx, of, place(key), data)
	if err != nil {
		return fmt.Errorf("seal what is saved: %w", err)
	}
	return s.write(ctx, key, sealed)
}

// Saved returns what a tenant saved last under a name; false when there is
// nothing that can be read.
func (s *Store) Saved(ctx context.Context, tenant, name string) ([]byte, bool, error) {
	key, err := s.keyOf(ctx, tenant, Day, named(name))
	if err != nil {
		return nil, false, err
	}
	data, there, err := s.read(ctx, tenant, key)
	if errors.Is(err, seal.ErrDestroyed) {
		return nil, false, nil
	}
	return data, there, err
}

// Forget removes what a tenant saved under a name. Removing what is not there
// is no error.
func (s *Store) Forget(ctx context.Context, tenant, name string) error {
	key, err := s.keyOf(ctx, tenant, Day, named(name))
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
