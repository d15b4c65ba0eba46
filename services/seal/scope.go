package seal

import (
	"context"
	"errors"
)

var (
	// ErrDestroyed says that there is no data key, or no longer the one that
	// sealed a value: what it sealed is gone for good.
	ErrDestroyed = errors.New("the data key is destroyed")
	// ErrUnreadable says that bytes are not what this package sealed for this
	// tenant and place: they are in the clear, damaged, or moved.
	ErrUnreadable = errors.New("not sealed, or changed or moved since")
	// ErrKeyExists says that a scope has a data key.
	ErrKeyExists = errors.New("the data key exists")
)

// Scope is what one data key seals.
type Scope struct {
	// Tenant is whose it is: letters, digits, "_" and "-".
	Tenant string
	// Name tells it from the tenant's others: 1 to 63 letters, digits, "_" and
	// "-".
	Name string
}

// tenantScope is the name of what is shared within a tenant.
const tenantScope = "tenant"

// Shared is the scope of what a tenant's work shares: what has no other owner.
func Shared(tenant string) Scope { return Scope{tenant, tenantScope} }

// Place is where a sealed value belongs. It is not stored: who opens a value has
// to know it.
type Place struct {
	// Purpose is the kind of value, for example "result".
	Purpose string
	// Name tells it from others of the kind, for example its key.
	Name string
}

// Stored is a wrapped data key as it is stored.
type Stored struct {
	// Scope is what it seals.
	Scope Scope
	// Value is the wrapped key.
	Value []byte
	// Revision grows with each write.
	Revision uint64
}

// Store keeps wrapped data keys. It answers from the one copy that decides, so
// that a key which was just made is found, and an erased one is not.
type Store interface {
	// Create stores a key. It fails with ErrKeyExists.
	Create(ctx context.Context, of Scope, value []byte) error
	// Get returns a key, or ErrDestroyed.
	Get(ctx context.Context, of Scope) (Stored, error)
	// Replace stores a key in place of the one of a revision. It fails with
	// ErrDestroyed when that is no longer the key.
	Replace(ctx context.Context, of Scope, value []byte, revision uint64) error
	// Erase removes a key and overwrites its bytes. It fails with ErrDestroyed.
	Erase(ctx context.Context, of Scope) error
	// All returns the keys of all tenants, in no order.
	All(ctx context.Context) ([]Stored, error)
}
