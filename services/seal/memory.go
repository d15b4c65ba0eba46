package seal

import (
	"context"
	"encoding/base64"
	"sync"
)

// urlOf is the URL of a key of 32 bytes.
func urlOf(key [32]byte) string {
	return "base64key://" + base64.URLEncoding.EncodeToString(key[:])
}

// OpenDerived opens the key-encryption key that is these 32 bytes. The caller
// closes the keeper.
func OpenDerived(ctx context.Context, key [32]byte) (*Keeper, error) {
	return OpenKeeper(ctx, urlOf(key))
}

// NewInMemory returns a ring whose keys are in this process' memory alone: what
// it sealed is lost with it. It is for tests, and for stores that live as long.
func NewInMemory(ctx context.Context) (*Ring, error) {
	location, err := drawURL()
	if err != nil {
		return nil, err
	}
	keeper, err := OpenKeeper(ctx, location)
	if err != nil {
		return nil, err
	}
	return New(NewMemoryStore(), keeper)
}

// NewMemoryStore returns a store that is in this process' memory alone; several
// rings can share it.
func NewMemoryStore() Store { return &memory{keys: make(map[Scope]Stored)} }

// memory is a Store in memory.
type memory struct {
	mu   sync.Mutex
	keys map[Scope]Stored
	last uint64
}

func (m *memory) Create(_ context.Context, of Scope, value []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, ok := m.keys[of]; ok {
		return ErrKeyExists
	}
	m.last++
	m.keys[of] = Stored{of, value, m.last}
	return nil
}

func (m *memory) Get(_ context.Context, of Scope) (Stored, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	stored, ok := m.keys[of]
	if !ok {
		return stored, ErrDestroyed
	}
	return stored, nil
}

func (m *memory) Replace(_ context.Context, of Scope, value []byte, revision uint64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if stored, ok := m.keys[of]; !ok || stored.Revision != revision {
		return ErrDestroyed
	}
	m.last++
	m.keys[of] = Stored{of, value, m.last}
	return nil
}

func (m *memory) Erase(_ context.Context, of Scope) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, ok := m.keys[of]; !ok {
		return ErrDestroyed
	}
	delete(m.keys, of)
	return nil
}

func (m *memory) All(context.Context) ([]Stored, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	out := make([]Stored, 0, len(m.keys))
	for _, stored := range m.keys {
		out = append(out, stored)
	}
	return out, nil
}
