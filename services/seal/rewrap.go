package seal

import (
	"context"
	"errors"
	"fmt"
)

// Rewrapped tells what Rewrap did.
type Rewrapped struct {
	// Newest is the id of the key-encryption key that wraps all data keys now.
	Newest string
	// Keys is how many data keys were wrapped anew.
	Keys int
	// Before is how many were wrapped by the newest one already.
	Before int
	// Old are the ids of key-encryption keys that wrap nothing any more, so that
	// they can be removed.
	Old []string
}

// Rewrap reads the key-encryption keys again and wraps every data key with the
// newest. It can be repeated, and stopped at any time.
func (r *Ring) Rewrap(ctx context.Context) (Rewrapped, error) {
	if err := r.keeper.reload(ctx); err != nil {
		return Rewrapped{}, err
	}
	ids := r.keeper.ids()
	out := Rewrapped{Newest: ids[0], Old: ids[1:]}
	all, err := r.store.All(ctx)
	if err != nil {
		return out, fmt.Errorf("list the data keys: %w", err)
	}
	for _, stored := range all {
		drawn, by, err := r.dataKey(ctx, stored)
		if err != nil {
			return out, err
		}
		if by == out.Newest {
			out.Before++
			continue
		}
		value, err := r.wrap(ctx, drawn)
		if err != nil {
			return out, err
		}
		err = r.store.Replace(ctx, stored.Scope, value, stored.Revision)
		if errors.Is(err, ErrDestroyed) {
			continue
		}
		if err != nil {
			return out, fmt.Errorf("store a data key: %w", err)
		}
		out.Keys++
	}
	return out, nil
}
