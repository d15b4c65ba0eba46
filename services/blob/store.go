package blob

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"gocloud.dev/blob"
	"gocloud.dev/blob/fileblob"
	"gocloud.dev/blob/memblob"
	"gocloud.dev/gcerrors"

	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	mediav1 "github.com/facestudio/facestudio/proto/gen/facestudio/media/v1"
	"github.com/facestudio/facestudio/services/config"
	"github.com/facestudio/facestudio/services/fault"
	"github.com/facestudio/facestudio/services/seal"
)

// The retentions: how long a blob is wanted. They are part of its key, so that
// a sweeper knows without a table what may go.
const (
	// Day is for what only the generation in work needs.
	Day = "1d"
	// Week is for results and what they were made from.
	Week = "7d"
	// Month is for what an owner keeps.
	Month = "30d"
	// Kept is for what is removed with its owner; no sweep takes it.
	Kept = "kept"
	// Uploaded is for pictures that callers name instead of sending them again.
	Uploaded = "uploaded"
	// Style is for pictures of styles, which are removed with them.
	Style = "style"
)

// retentions is where Get looks, in this order.
var retentions = []string{Day, Week, Month, Kept, Uploaded, Style}

// MaxSize bounds a blob: 64 MiB.
const MaxSize = 64 << 20

var (
	tenantPattern = regexp.MustCompile(`^[A-Za-z0-9_-]{1,63}$`)
	digestPattern = regexp.MustCompile(`^[0-9a-f]{64}$`)
)

// Store holds blobs. It is safe for concurrent use.
type Store struct {
	bucket *blob.Bucket
	seals  Sealer
}

// Sealer seals what is stored; *seal.Ring is one.
type Sealer interface {
	Seal(ctx context.Context, of seal.Scope, at seal.Place, value []byte) ([]byte, error)
	SealExisting(ctx context.Context, of seal.Scope, at seal.Place, value []byte) ([]byte, error)
	Open(ctx context.Context, tenant string, at seal.Place, sealed []byte) ([]byte, seal.Scope, error)
	Name(ctx context.Context, of seal.Scope, purpose, text string) (string, error)
}

// Open opens the store at a URL: file:///an/absolute/directory, which is made
// when missing, mem:// for one that lives in this Store alone, or a bucket as
// gocloud.dev/blob names it, when its driver is linked in. Whether a bucket can be
// reached shows at its first use. All processes that share a store share the keys
// of seals. The caller closes it.
func Open(ctx context.Context, location string, seals Sealer) (*Store, error) {
	u, err := url.Parse(location)
	if err != nil {
		return nil, badURL(location, err)
	}
	switch u.Scheme {
	case "mem":
		return &Store{memblob.OpenBucket(nil), seals}, nil
	case "file":
		if u.Host != "" || !strings.HasPrefix(u.Path, "/") {
			return nil, badURL(location, nil)
		}
		bucket, err := fileblob.OpenBucket(u.Path, &fileblob.Options{
			CreateDir: true, DirFileMode: 0o700,
			// Temporary files beside the real ones, so that the rename that makes
			// a write atomic never crosses file systems.
			NoTempDir: true,
			// The media type travels in the Blob message.
			Metadata: fileblob.MetadataDontWrite,
		})
		if err != nil {
			return nil, fault.Wrap(err, fault.Precondition, faultv1.Reason_REASON_CONFIG_INVALID, "blob-url",
				"the blob directory %s cannot be opened; make it writable or name another", u.Path)
		}
		return &Store{bucket, seals}, nil
	}
	if !blob.DefaultURLMux().ValidBucketScheme(u.Scheme) {
		return nil, badURL(location, nil)
	}
	if u.Host == "" {
		return nil, fault.New(fault.Precondition, faultv1.Reason_REASON_CONFIG_INVALID, "blob-url",
			"%s:// names no bucket: use %s://BUCKET", u.Scheme, u.Scheme)
	}
	bucket, err := blob.OpenBucket(ctx, location)
	if err != nil {
		return nil, fault.Wrap(err, fault.Precondition, faultv1.Reason_REASON_CONFIG_INVALID, "blob-url",
			"the bucket %s://%s cannot be opened: %v", u.Scheme, u.Host, err)
	}
	return &Store{bucket, seals}, nil
}

func badURL(location string, err error) error {
	return fault.Wrap(err, fault.Precondition, faultv1.Reason_REASON_CONFIG_INVALID, "blob-url",
		"%q is no blob store; use file:///absolute/directory, mem:// or a bucket of a scheme that this program has a driver for (%s; the programs of cloud/cmd have more)",
		config.RedactURL(location), strings.Join(schemes(), ", "))
}

// schemes are those that the linked drivers open, in order.
func schemes() []string {
	return slices.Sorted(slices.Values(blob.DefaultURLMux().BucketSchemes()))
}

// Close releases the store.
func (s *Store) Close() error { return s.bucket.Close() }

// Put stores data for a tenant and returns how to find it. Storing the same
// bytes again is no error and renews them. mediaType is an IANA media type.
func (s *Store) Put(ctx context.Context, tenant, retention string, data []byte, mediaType string) (*mediav1.Blob, error) {
	if len(data) > MaxSize {
		return nil, fault.InvalidField("data", "%d bytes are more than a blob may have, %d", len(data), MaxSize)
	}
	sum := sha256.Sum256(data)
	digest := hex.EncodeToString(sum[:])
	key, err := s.keyOf(ctx, tenant, retention, digest)
	if err != nil {
		return nil, err
	}
	sealed, err := s.seals.Seal(ctx, seal.Shared(tenant), place(key), data)
	if err != nil {
		return nil, fmt.Errorf("seal a blob: %w", err)
	}
	if err := s.write(ctx, key, sealed); err != nil {
		return nil, err
	}
	return &mediav1.Blob{Sha256: digest, Size: int64(len(data)), MediaType: mediaType}, nil
}

// Get returns a tenant's blob, whatever its retention, after checking its size
// and digest. It fails with BLOB_MISSING when the bytes are gone or changed.
func (s *Store) Get(ctx context.Context, tenant string, b *mediav1.Blob) ([]byte, error) {
	if b.GetSize() < 0 || b.GetSize() > MaxSize {
		return nil, fault.InvalidField("size", "a blob has 0 to %d bytes, not %d", MaxSize, b.GetSize())
	}
	changed := false
	for _, retention := range retentions {
		key, err := s.keyOf(ctx, tenant, retention, b.GetSha256())
		if err != nil {
			return nil, err
		}
		data, there, err := s.read(ctx, tenant, key)
		switch {
		case unreadable(err):
			changed = true
			continue
		case err != nil:
			return nil, err
		case !there:
			continue
		}
		sum := sha256.Sum256(data)
		if int64(len(data)) == b.GetSize() && hex.EncodeToString(sum[:]) == b.GetSha256() {
			return data, nil
		}
		changed = true
	}
	if changed {
		return nil, fault.New(fault.Precondition, faultv1.Reason_REASON_BLOB_MISSING, "sha256",
			"the stored bytes of blob %s are not what was asked for; store them again", b.GetSha256())
	}
	return nil, fault.New(fault.Precondition, faultv1.Reason_REASON_BLOB_MISSING, "sha256",
		"there is no blob %s, or it has expired; store it again", b.GetSha256())
}

func (s *Store) write(ctx context.Context, key string, sealed []byte) error {
	if err := s.bucket.WriteAll(ctx, key, sealed, &blob.WriterOptions{DisableContentTypeDetection: true}); err != nil {
		return unavailable(ctx, err)
	}
	return nil
}

// read returns what is stored under a key; false when there is nothing. What is
// larger than a blob may be is cut, which makes it unreadable.
func (s *Store) read(ctx context.Context, tenant, key string) ([]byte, bool, error) {
	r, err := s.bucket.NewReader(ctx, key, nil)
	if gcerrors.Code(err) == gcerrors.NotFound {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, unavailable(ctx, err)
	}
	defer func() { _ = r.Close() }()
	sealed, err := io.ReadAll(io.LimitReader(r, int64(MaxSize+seal.Overhead)))
	if err != nil {
		return nil, false, unavailable(ctx, err)
	}
	data, _, err := s.seals.Open(ctx, tenant, place(key), sealed)
	if err != nil {
		return nil, false, fmt.Errorf("open a blob: %w", err)
	}
	return data, true, nil
}

// unreadable says that what is stored cannot be had any more: it is in the clear
// or changed, or its key is destroyed.
func unreadable(err error) bool {
	return errors.Is(err, seal.ErrUnreadable) || errors.Is(err, seal.ErrDestroyed)
}

// place binds a blob to its key, which has its tenant, retention and name.
func place(key string) seal.Place { return seal.Place{Purpose: "blob", Name: key} }

// purpose of the HMACs that digests become.
const namePurpose = "blob"

// keyOf returns where a tenant's blob is stored: its digest is told by an HMAC of
// it under the tenant's key, so that who lists a bucket cannot tell whether a
// picture that they have is there.
func (s *Store) keyOf(ctx context.Context, tenant, retention, digest string) (string, error) {
	if err := check(tenant, retention, digest); err != nil {
		return "", err
	}
	name, err := s.seals.Name(ctx, seal.Shared(tenant), namePurpose, digest)
	if err != nil {
		return "", fmt.Errorf("name a blob: %w", err)
	}
	return fmt.Sprintf("%s/%s/%s", tenant, retention, name), nil
}

func check(tenant, retention, digest string) error {
	if !tenantPattern.MatchString(tenant) {
		return fault.InvalidField("tenant", "a tenant is 1 to 63 letters, digits, _ or -")
	}
	known := false
	for _, r := range retentions {
		known = known || r == retention
	}
	if !known {
		return fault.InvalidField("retention", "%q is none of %s", retention, strings.Join(retentions, ", "))
	}
	if !digestPattern.MatchString(digest) {
		return fault.InvalidField("sha256", "a digest is 64 lower-case hexadecimal digits")
	}
	return nil
}

func unavailable(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return fault.Wrap(err, fault.Unavailable, faultv1.Reason_REASON_UNAVAILABLE, "", "the blob store cannot be reached; retry")
}
