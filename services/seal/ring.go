package seal

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"google.golang.org/protobuf/proto"

	sealv1 "github.com/facestudio/facestudio/proto/gen/facestudio/seal/v1"
)

// Ring seals and opens values with the data keys of a Store. Errors beside those
// named are those of the Store and the Keeper. It is safe for concurrent use.
type Ring struct {
	store  Store
	keeper *Keeper
	cache  *cache
	// process begins every nonce of this Ring.
	process [nonceSize - 8]byte
	// sealed counts them.
	sealed atomic.Uint64
}

// New returns a ring over the data keys of a store, which keeper wraps.
func New(store Store, keeper *Keeper) (*Ring, error) {
	r := &Ring{store: store, keeper: keeper, cache: newCache(time.Now)}
	if _, err := rand.Read(r.process[:]); err != nil {
		return nil, fmt.Errorf("draw a nonce: %w", err)
	}
	return r, nil
}

// Seal seals a value for its place with the scope's data key, which is drawn if
// there is none.
func (r *Ring) Seal(ctx context.Context, of Scope, at Place, value []byte) ([]byte, error) {
	k, err := r.key(ctx, of)
	if errors.Is(err, ErrDestroyed) {
		k, err = r.draw(ctx, of)
	}
	if err != nil {
		return nil, err
	}
	return k.seal(of, at, r.nonce(), value), nil
}

// SealExisting is Seal for those who come late: it fails with ErrDestroyed when
// the scope has no data key, and does not give it a new one.
func (r *Ring) SealExisting(ctx context.Context, of Scope, at Place, value []byte) ([]byte, error) {
	k, err := r.key(ctx, of)
	if err != nil {
		return nil, err
	}
	return k.seal(of, at, r.nonce(), value), nil
}

// Open returns a tenant's value that was sealed for this place, and the scope
// that it was sealed for. It fails with ErrUnreadable and ErrDestroyed.
func (r *Ring) Open(ctx context.Context, tenant string, at Place, sealed []byte) ([]byte, Scope, error) {
	b, err := parse(sealed)
	if err != nil {
		return nil, Scope{}, err
	}
	of := Scope{tenant, b.scope}
	k, err := r.key(ctx, of)
	if err == nil && k.id != b.id {
		// Destroyed and drawn anew, which the cache may not know yet.
		r.cache.drop(of)
		if k, err = r.key(ctx, of); err == nil && k.id != b.id {
			err = fmt.Errorf("open a %s: %w", at.Purpose, ErrDestroyed)
		}
	}
	if err != nil {
		return nil, of, err
	}
	value, err := k.open(tenant, at, b)
	return value, of, err
}

// Name returns an HMAC of a text under the scope's data key, 64 hexadecimal
// digits: the same for the same text and purpose as long as the key lives, and
// telling nothing about the text to those who do not have the key.
func (r *Ring) Name(ctx context.Context, of Scope, purpose, text string) (string, error) {
	k, err := r.key(ctx, of)
	if errors.Is(err, ErrDestroyed) {
		k, err = r.draw(ctx, of)
	}
	if err != nil {
		return "", err
	}
	return hex.EncodeToString(k.name(purpose, text)), nil
}

// Destroy removes a scope's data key: nothing that it sealed can be opened any
// more, here from now on, elsewhere within a minute or as soon as Forget is
// called there. It reports false when there was none.
func (r *Ring) Destroy(ctx context.Context, of Scope) (bool, error) {
	err := r.store.Erase(ctx, of)
	r.cache.drop(of)
	if errors.Is(err, ErrDestroyed) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("destroy a data key: %w", err)
	}
	return true, nil
}

// Forget drops a data key from memory: it was destroyed elsewhere.
func (r *Ring) Forget(of Scope) { r.cache.drop(of) }

// nonce returns the next nonce.
func (r *Ring) nonce() (n [nonceSize]byte) {
	copy(n[:], r.process[:])
	binary.BigEndian.PutUint64(n[len(r.process):], r.sealed.Add(1))
	return n
}

// key returns a scope's data key, or ErrDestroyed.
func (r *Ring) key(ctx context.Context, of Scope) (*key, error) {
	k, drops := r.cache.get(of)
	if k != nil {
		return k, nil
	}
	stored, err := r.store.Get(ctx, of)
	if err != nil {
		return nil, fmt.Errorf("read a data key: %w", err)
	}
	k, err = r.unwrap(ctx, stored)
	if err != nil {
		return nil, err
	}
	r.cache.put(of, k, drops)
	return k, nil
}

// draw makes a scope's data key, unless somebody else is faster.
func (r *Ring) draw(ctx context.Context, of Scope) (*key, error) {
	if of.Tenant == "" || of.Name == "" || len(of.Name) > maxScope {
		return nil, fmt.Errorf("%q of tenant %q is no scope of a data key", of.Name, of.Tenant)
	}
	drawn := &sealv1.DataKey{Id: make([]byte, idSize), Secret: make([]byte, secretSize), Tenant: of.Tenant, Scope: of.Name}
	for _, b := range [][]byte{drawn.Id, drawn.Secret} {
		if _, err := rand.Read(b); err != nil {
			return nil, fmt.Errorf("draw a data key: %w", err)
		}
	}
	value, err := r.wrap(ctx, drawn)
	if err != nil {
		return nil, err
	}
	err = r.store.Create(ctx, of, value)
	if err != nil && !errors.Is(err, ErrKeyExists) {
		return nil, fmt.Errorf("store a data key: %w", err)
	}
	k, readErr := r.key(ctx, of)
	// A cluster refuses a second key some moments before the first can be read.
	for look := 0; err != nil && errors.Is(readErr, ErrDestroyed) && look < looks; look++ {
		select {
		case <-ctx.Done():
		case <-time.After(lookPause):
		}
		k, readErr = r.key(ctx, of)
	}
	return k, readErr
}

// looks is how often a data key that somebody else was faster to store is looked
// for, with lookPause between two.
const (
	looks     = 40
	lookPause = 25 * time.Millisecond
)

func (r *Ring) wrap(ctx context.Context, drawn *sealv1.DataKey) ([]byte, error) {
	plain, err := proto.Marshal(drawn)
	if err != nil {
		return nil, fmt.Errorf("encode a data key: %w", err)
	}
	wrapped, err := r.keeper.wrap(ctx, plain)
	if err != nil {
		return nil, err
	}
	value, err := proto.Marshal(wrapped)
	if err != nil {
		return nil, fmt.Errorf("encode a wrapped data key: %w", err)
	}
	return value, nil
}

func (r *Ring) unwrap(ctx context.Context, stored Stored) (*key, error) {
	drawn, _, err := r.dataKey(ctx, stored)
	if err != nil {
		return nil, err
	}
	return newKey(drawn.GetId(), drawn.GetSecret())
}

// dataKey returns what is stored and the id of what wrapped it.
func (r *Ring) dataKey(ctx context.Context, stored Stored) (*sealv1.DataKey, string, error) {
	wrapped := &sealv1.WrappedKey{}
	if err := proto.Unmarshal(stored.Value, wrapped); err != nil {
		return nil, "", fmt.Errorf("read the data key %s of tenant %s, which was changed by hand: %w", stored.Scope.Name, stored.Scope.Tenant, err)
	}
	plain, err := r.keeper.unwrap(ctx, wrapped)
	if err != nil {
		return nil, "", err
	}
	drawn := &sealv1.DataKey{}
	if err := proto.Unmarshal(plain, drawn); err != nil {
		return nil, "", fmt.Errorf("read a data key: %w", err)
	}
	if (Scope{drawn.GetTenant(), drawn.GetScope()}) != stored.Scope {
		return nil, "", fmt.Errorf("the data key of %s of tenant %s was moved there from another place: %w", stored.Scope.Name, stored.Scope.Tenant, ErrUnreadable)
	}
	return drawn, wrapped.GetKeyEncryptionKey(), nil
}
