package auth

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/sync/singleflight"

	adminv1 "github.com/facestudio/facestudio/proto/gen/facestudio/admin/v1"
	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	"github.com/facestudio/facestudio/services/fault"
)

const (
	// remembered is how long what is known of a key is believed: a key that was
	// revoked, also at another gateway, is refused after that.
	remembered = 5 * time.Second
	// rememberedKeys bounds the memory. Wrong ids are in it, too, so that trying
	// many costs this process little and the queue not more than one look each.
	rememberedKeys = 8192
)

// KeyRing tells whose a key is. It is safe for concurrent use.
type KeyRing struct {
	store *KeyStore
	now   func() time.Time
	// admin is the digest of the operator's key; nil without one.
	admin []byte
	known *lru.Cache[string, seen]
	looks singleflight.Group
}

// seen is what was found at a time: a key, or that there is none.
type seen struct {
	record *adminv1.KeyRecord
	at     time.Time
}

// NewKeyRing returns the ring of the keys in a store and of the operator's key,
// which may be empty.
func NewKeyRing(store *KeyStore, now func() time.Time, adminKey string) (*KeyRing, error) {
	known, err := lru.New[string, seen](rememberedKeys)
	if err != nil {
		return nil, fmt.Errorf("make the memory of keys: %w", err)
	}
	r := &KeyRing{store: store, now: now, known: known}
	if adminKey != "" {
		r.admin = digest(adminKey)
	}
	return r, nil
}

// Principal implements Keys.
func (r *KeyRing) Principal(ctx context.Context, key string) (Principal, error) {
	if r.admin != nil && subtle.ConstantTimeCompare(digest(key), r.admin) == 1 {
		return Principal{Name: "admin", Scopes: []Scope{Admin}}, nil
	}
	parts := keyForm.FindStringSubmatch(key)
	if parts == nil {
		return Principal{}, invalid("the API key is misspelt or cut off: it has the form fsk_<id>_<secret>", nil)
	}
	id, secret := parts[1], parts[2]
	record, err := r.find(ctx, id)
	if err != nil {
		return Principal{}, err
	}
	if record == nil || subtle.ConstantTimeCompare(digest(secret), record.GetSecretDigest()) != 1 {
		return Principal{}, invalid("the API key is not known here, or was revoked: use another one", nil)
	}
	if end := record.GetKey().GetExpireTime(); end != nil && !r.now().Before(end.AsTime()) {
		return Principal{}, expired("the API key has expired: get a new one")
	}
	who := Principal{Name: id, Tenant: record.GetKey().GetTenant()}
	for _, scope := range record.GetKey().GetScopes() {
		who.Scopes = append(who.Scopes, Scope(scope))
	}
	return who, nil
}

// find returns the key of an id, nil when there is none.
func (r *KeyRing) find(ctx context.Context, id string) (*adminv1.KeyRecord, error) {
	if s, ok := r.known.Get(id); ok && r.now().Sub(s.at) < remembered {
		return s.record, nil
	}
	found, err, _ := r.looks.Do(id, func() (any, error) {
		at := r.now()
		// Others wait for this look, too.
		record, err := r.store.Get(context.WithoutCancel(ctx), id)
		if err != nil && !fault.Is(err, faultv1.Reason_REASON_UNKNOWN_KEY) {
			return nil, err
		}
		r.known.Add(id, seen{record, at})
		return record, nil
	})
	if err != nil {
		return nil, err
	}
	return found.(*adminv1.KeyRecord), nil
}

// Forget makes the next call look a key up anew.
func (r *KeyRing) Forget(id string) { r.known.Remove(id) }

// errAdminKey says what an operator's key must be.
var errAdminKey = errors.New("it must hold one line, fsk_admin_ and at least 32 random letters and digits")

// ReadAdminKey reads the operator's key from a file.
func ReadAdminKey(path string) (string, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	key := strings.TrimSpace(string(data))
	if !adminForm.MatchString(key) {
		return "", errAdminKey
	}
	return key, nil
}
