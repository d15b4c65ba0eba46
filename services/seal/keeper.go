package seal

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/url"
	"slices"
	"strings"
	"sync"

	"gocloud.dev/secrets"
	_ "gocloud.dev/secrets/localsecrets" // base64key://

	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	sealv1 "github.com/facestudio/facestudio/proto/gen/facestudio/seal/v1"
	"github.com/facestudio/facestudio/services/fault"
)

// Keeper has the key-encryption keys: the newest wraps, all of them unwrap. It
// is safe for concurrent use.
type Keeper struct {
	// source lists their URLs, the newest first.
	source func() ([]string, error)

	mu   sync.Mutex
	keys []encryptionKey
}

type encryptionKey struct {
	id     string
	keeper *secrets.Keeper
}

// OpenKeeper opens key-encryption keys by URL, the newest first: base64key://
// with 32 bytes in base 64, or a key of a key service as gocloud.dev/secrets names
// it. It fails with CONFIG_INVALID. The caller closes it.
func OpenKeeper(ctx context.Context, urls ...string) (*Keeper, error) {
	return openKeeper(ctx, func() ([]string, error) { return urls, nil })
}

func openKeeper(ctx context.Context, source func() ([]string, error)) (*Keeper, error) {
	k := &Keeper{source: source}
	if err := k.reload(ctx); err != nil {
		return nil, errors.Join(err, k.Close())
	}
	return k, nil
}

// Close lets go of the keys.
func (k *Keeper) Close() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	var errs []error
	for _, held := range k.keys {
		errs = append(errs, held.keeper.Close())
	}
	k.keys = nil
	return errors.Join(errs...)
}

// reload opens the keys that are new in the source; the others stay open, also
// those that it has no more, until Close.
func (k *Keeper) reload(ctx context.Context) error {
	urls, err := k.source()
	if err != nil {
		return err
	}
	if len(urls) == 0 {
		return badKey(nil, "there is no key-encryption key: give at least one")
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	var keys []encryptionKey
	for _, location := range urls {
		id := idOf(location)
		if i := slices.IndexFunc(k.keys, func(held encryptionKey) bool { return held.id == id }); i >= 0 {
			keys = append(keys, k.keys[i])
			continue
		}
		keeper, err := open(ctx, location)
		if err != nil {
			return err
		}
		keys = append(keys, encryptionKey{id, keeper})
		k.keys = append(k.keys, encryptionKey{id, keeper})
	}
	for _, held := range k.keys {
		if !slices.Contains(keys, held) {
			keys = append(keys, held)
		}
	}
	k.keys = keys
	return nil
}

// open opens one key. Its URL may be the key itself and is never told.
func open(ctx context.Context, location string) (*secrets.Keeper, error) {
	u, err := url.Parse(location)
	if err != nil || u.Scheme == "" {
		return nil, badKey(nil, "a key-encryption key is no URL: use base64key:// with 32 bytes in base 64, or a key service's")
	}
	if !secrets.DefaultURLMux().ValidKeeperScheme(u.Scheme) {
		return nil, badKey(nil, "this program has no driver for key-encryption keys of %s://, but for those of %s; the programs of cloud/cmd have more",
			u.Scheme, strings.Join(slices.Sorted(slices.Values(secrets.DefaultURLMux().KeeperSchemes())), ", "))
	}
	if u.Scheme != "base64key" && u.Host+u.Path == "" {
		return nil, badKey(nil, "%s:// names no key: use %s://KEY, as docs/cloud.md says", u.Scheme, u.Scheme)
	}
	keeper, err := secrets.OpenKeeper(ctx, location)
	if err != nil {
		if u.Scheme == "base64key" {
			// The library's error has the key.
			return nil, badKey(nil, "a base64key:// is not 32 bytes in base 64")
		}
		return nil, badKey(err, "the key-encryption key %s://%s cannot be opened", u.Scheme, u.Host)
	}
	return keeper, nil
}

func badKey(err error, format string, args ...any) error {
	return fault.Wrap(err, fault.Precondition, faultv1.Reason_REASON_CONFIG_INVALID, "seal-keys", format, args...)
}

// idOf names a key without telling it: who can guess a hash of 32 random bytes
// can guess those.
func idOf(location string) string {
	sum := sha256.Sum256([]byte(strings.TrimSpace(location)))
	return hex.EncodeToString(sum[:8])
}

// ids are the ids of the keys, the newest first.
func (k *Keeper) ids() []string {
	k.mu.Lock()
	defer k.mu.Unlock()
	out := make([]string, len(k.keys))
	for i, held := range k.keys {
		out[i] = held.id
	}
	return out
}

func (k *Keeper) find(id string) (encryptionKey, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, held := range k.keys {
		if held.id == id {
			return held, true
		}
	}
	return encryptionKey{}, false
}

func (k *Keeper) wrap(ctx context.Context, plain []byte) (*sealv1.WrappedKey, error) {
	// A key that was added meanwhile is the newest at once, so that nothing is
	// wrapped by one that is about to be taken away. Those that are held do when
	// the source cannot be read.
	_ = k.reload(ctx)
	newest, _ := k.find(k.ids()[0])
	wrapped, err := newest.keeper.Encrypt(ctx, plain)
	if err != nil {
		return nil, away(ctx, err, newest.id)
	}
	return &sealv1.WrappedKey{KeyEncryptionKey: newest.id, Wrapped: wrapped}, nil
}

func (k *Keeper) unwrap(ctx context.Context, w *sealv1.WrappedKey) ([]byte, error) {
	held, ok := k.find(w.GetKeyEncryptionKey())
	if !ok {
		// Somebody may have added it meanwhile.
		if err := k.reload(ctx); err != nil {
			return nil, err
		}
		if held, ok = k.find(w.GetKeyEncryptionKey()); !ok {
			return nil, badKey(nil, "data keys are wrapped by the key-encryption key %s, which is none of this process' (%s): give all processes of the mesh the same, and keep old ones until facestudio seal rotate has ended",
				w.GetKeyEncryptionKey(), strings.Join(k.ids(), ", "))
		}
	}
	plain, err := held.keeper.Decrypt(ctx, w.GetWrapped())
	if err != nil {
		return nil, away(ctx, err, held.id)
	}
	return plain, nil
}

func away(ctx context.Context, err error, id string) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return fault.Wrap(err, fault.Unavailable, faultv1.Reason_REASON_UNAVAILABLE, "",
		"the key-encryption key %s cannot be used for the moment; retry", id)
}
