package auth

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	adminv1 "github.com/facestudio/facestudio/proto/gen/facestudio/admin/v1"
	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	"github.com/facestudio/facestudio/services/fault"
	"github.com/facestudio/facestudio/services/jobqueue"
)

// Kind is the kind of documents that keys are, and MaxBytes bounds them all.
const (
	Kind     = "keys"
	MaxBytes = 64 << 20
)

// everybody is in the place of the tenant in a key's document: a key is found
// before it is known whose it is.
const everybody = "mesh"

// Documents is where keys are kept; *jobqueue.Documents is one.
type Documents interface {
	Create(ctx context.Context, key jobqueue.RecordKey, value []byte) error
	Get(ctx context.Context, key jobqueue.RecordKey) (*jobqueue.Document, error)
	List(ctx context.Context, tenant string) ([]*jobqueue.Document, error)
	Erase(ctx context.Context, key jobqueue.RecordKey) error
}

// KeyStore keeps API keys, for all gateways of a mesh. It is safe for concurrent
// use.
type KeyStore struct {
	documents Documents
	now       func() time.Time
	random    io.Reader
}

// NewKeyStore returns the store over documents of Kind.
func NewKeyStore(documents Documents, now func() time.Time, random io.Reader) *KeyStore {
	return &KeyStore{documents: documents, now: now, random: random}
}

// Create draws the id and the secret of a key whose tenant, scopes, label and
// expiry are given, and stores it. It returns the key with the text that is
// handed out.
func (s *KeyStore) Create(ctx context.Context, asked *adminv1.Key) (*adminv1.Key, string, error) {
	id, err := draw(s.random, idBytes)
	if err != nil {
		return nil, "", err
	}
	secret, err := draw(s.random, secretBytes)
	if err != nil {
		return nil, "", err
	}
	key := proto.CloneOf(asked)
	key.Id, key.LastFour, key.CreateTime = id, secret[len(secret)-shown:], timestamppb.New(s.now())
	value, err := proto.Marshal(&adminv1.KeyRecord{Key: key, SecretDigest: digest(secret)})
	if err != nil {
		return nil, "", fmt.Errorf("encode key: %w", err)
	}
	if err := s.documents.Create(ctx, place(id), value); err != nil {
		return nil, "", fmt.Errorf("create key: %w", err)
	}
	return key, keyPrefix + id + "_" + secret, nil
}

// Get returns a key, also one that has expired, or UNKNOWN_KEY.
func (s *KeyStore) Get(ctx context.Context, id string) (*adminv1.KeyRecord, error) {
	if !idForm.MatchString(id) {
		// It may be a whole key, which is told to nobody.
		return nil, fault.New(fault.NotFound, faultv1.Reason_REASON_UNKNOWN_KEY, "id",
			"an id of a key has 16 digits and letters from a to v: list the keys")
	}
	document, err := s.documents.Get(ctx, place(id))
	if errors.Is(err, jobqueue.ErrNotFound) {
		return nil, unknown(id)
	}
	if err != nil {
		return nil, fmt.Errorf("read key: %w", err)
	}
	return decode(document)
}

// List returns the keys of a tenant, or of all when it is empty, the oldest
// first.
func (s *KeyStore) List(ctx context.Context, tenant string) ([]*adminv1.Key, error) {
	documents, err := s.documents.List(ctx, everybody)
	if err != nil {
		return nil, fmt.Errorf("list keys: %w", err)
	}
	var list []*adminv1.Key
	for _, document := range documents {
		record, err := decode(document)
		if err != nil {
			return nil, err
		}
		if tenant == "" || record.GetKey().GetTenant() == tenant {
			list = append(list, record.GetKey())
		}
	}
	slices.SortFunc(list, func(a, b *adminv1.Key) int {
		return cmp.Or(a.GetCreateTime().AsTime().Compare(b.GetCreateTime().AsTime()), cmp.Compare(a.GetId(), b.GetId()))
	})
	return list, nil
}

// Revoke removes a key and returns what it was, or UNKNOWN_KEY.
func (s *KeyStore) Revoke(ctx context.Context, id string) (*adminv1.Key, error) {
	record, err := s.Get(ctx, id)
	if err != nil {
		return nil, err
	}
	err = s.documents.Erase(ctx, place(id))
	if errors.Is(err, jobqueue.ErrNotFound) {
		return nil, unknown(id)
	}
	if err != nil {
		return nil, fmt.Errorf("revoke key: %w", err)
	}
	return record.GetKey(), nil
}

func place(id string) jobqueue.RecordKey { return jobqueue.RecordKey{Tenant: everybody, ID: id} }

func decode(document *jobqueue.Document) (*adminv1.KeyRecord, error) {
	record := new(adminv1.KeyRecord)
	if err := proto.Unmarshal(document.Value, record); err != nil {
		return nil, fmt.Errorf("decode key %s: %w", document.Key.ID, err)
	}
	return record, nil
}

func unknown(id string) error {
	return fault.New(fault.NotFound, faultv1.Reason_REASON_UNKNOWN_KEY, "id",
		"there is no key %s, or it was revoked: list the keys", id)
}
