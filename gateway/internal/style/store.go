// Package style keeps style pictures under names: what is told about each as a
// document, and its bytes as a blob of its own retention, removed with it.
package style

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"

	"google.golang.org/protobuf/proto"

	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	gatewayv1 "github.com/facestudio/facestudio/proto/gen/facestudio/gateway/v1"
	mediav1 "github.com/facestudio/facestudio/proto/gen/facestudio/media/v1"
	"github.com/facestudio/facestudio/services/blob"
	"github.com/facestudio/facestudio/services/fault"
	"github.com/facestudio/facestudio/services/jobqueue"
)

// Kind is the kind of documents that styles are.
const Kind = "styles"

// MaxStyles is how many styles a tenant may have: lists are made in memory.
const MaxStyles = 1000

// ErrExists says that there is a style with this key.
var ErrExists = jobqueue.ErrExists

const collection = "styles/"

var idPattern = regexp.MustCompile(`^[0-9a-v]{26}$`)

// Name is the resource name of a style.
func Name(id string) string { return collection + id }

// ParseName returns the id in a resource name; false when it is none.
func ParseName(name string) (id string, ok bool) {
	id, ok = strings.CutPrefix(name, collection)
	return id, ok && idPattern.MatchString(id)
}

// Documents keeps the records; *jobqueue.Documents is one.
type Documents interface {
	Create(ctx context.Context, key jobqueue.RecordKey, value []byte) error
	Get(ctx context.Context, key jobqueue.RecordKey) (*jobqueue.Document, error)
	List(ctx context.Context, tenant string) ([]*jobqueue.Document, error)
	Erase(ctx context.Context, key jobqueue.RecordKey) error
}

// Blobs keeps the pictures; *blob.Store is one.
type Blobs interface {
	Put(ctx context.Context, tenant, retention string, data []byte, mediaType string) (*mediav1.Blob, error)
	Drop(ctx context.Context, tenant, retention string, blobs []*mediav1.Blob,
		used func(context.Context) (func(*mediav1.Blob) bool, error)) (dropped, kept []*mediav1.Blob, err error)
}

// Store keeps styles. It is safe for concurrent use.
type Store struct {
	documents Documents
	blobs     Blobs
}

// NewStore returns the store over documents of Kind.
func NewStore(documents Documents, blobs Blobs) *Store { return &Store{documents, blobs} }

// Create stores a style with the bytes of its picture. It fails with ErrExists,
// and with QUOTA_EXHAUSTED when the tenant has too many. The bytes are stored
// before the record, so that they are there with it, and again after it, since a
// style with the same ones may have been removed just before.
func (s *Store) Create(ctx context.Context, key jobqueue.RecordKey, record *gatewayv1.StyleRecord, data []byte) error {
	list, err := s.documents.List(ctx, key.Tenant)
	if err != nil {
		return fmt.Errorf("list styles: %w", err)
	}
	if len(list) >= MaxStyles {
		return fault.New(fault.Exhausted, faultv1.Reason_REASON_QUOTA_EXHAUSTED, "",
			"there are %d styles, which is the most: delete one that is not used", len(list))
	}
	value, err := proto.Marshal(record)
	if err != nil {
		return fmt.Errorf("encode style: %w", err)
	}
	if err := s.put(ctx, key.Tenant, data); err != nil {
		return err
	}
	if err := s.documents.Create(ctx, key, value); err != nil {
		return fmt.Errorf("create style: %w", err)
	}
	return s.put(ctx, key.Tenant, data)
}

func (s *Store) put(ctx context.Context, tenant string, data []byte) error {
	if _, err := s.blobs.Put(ctx, tenant, blob.Style, data, http.DetectContentType(data)); err != nil {
		return fmt.Errorf("store the style's picture: %w", err)
	}
	return nil
}

// Get returns a style, or UNKNOWN_STYLE with field "name".
func (s *Store) Get(ctx context.Context, key jobqueue.RecordKey) (*gatewayv1.StyleRecord, error) {
	document, err := s.documents.Get(ctx, key)
	if errors.Is(err, jobqueue.ErrNotFound) {
		return nil, unknown(key.ID)
	}
	if err != nil {
		return nil, fmt.Errorf("read style: %w", err)
	}
	return decode(document)
}

// List returns a tenant's styles, in no order.
func (s *Store) List(ctx context.Context, tenant string) ([]*gatewayv1.Style, error) {
	documents, err := s.documents.List(ctx, tenant)
	if err != nil {
		return nil, fmt.Errorf("list styles: %w", err)
	}
	list := make([]*gatewayv1.Style, len(documents))
	for i, document := range documents {
		record, err := decode(document)
		if err != nil {
			return nil, err
		}
		list[i] = record.GetStyle()
	}
	return list, nil
}

// Remove removes a style: first its picture, unless another style of the tenant
// has it too, then the record, so that a removal that was broken off can be
// repeated. It fails with UNKNOWN_STYLE.
func (s *Store) Remove(ctx context.Context, key jobqueue.RecordKey) error {
	record, err := s.Get(ctx, key)
	if err != nil {
		return err
	}
	picture := []*mediav1.Blob{record.GetStyle().GetPicture().GetBlob()}
	_, _, err = s.blobs.Drop(ctx, key.Tenant, blob.Style, picture, func(ctx context.Context) (func(*mediav1.Blob) bool, error) {
		list, err := s.List(ctx, key.Tenant)
		return func(b *mediav1.Blob) bool {
			for _, other := range list {
				if other.GetName() != Name(key.ID) && other.GetPicture().GetBlob().GetSha256() == b.GetSha256() {
					return true
				}
			}
			return false
		}, err
	})
	if err != nil {
		return fmt.Errorf("drop the style's picture: %w", err)
	}
	err = s.documents.Erase(ctx, key)
	if errors.Is(err, jobqueue.ErrNotFound) {
		return unknown(key.ID)
	}
	if err != nil {
		return fmt.Errorf("delete style: %w", err)
	}
	return nil
}

func decode(document *jobqueue.Document) (*gatewayv1.StyleRecord, error) {
	record := new(gatewayv1.StyleRecord)
	if err := proto.Unmarshal(document.Value, record); err != nil {
		return nil, fmt.Errorf("decode style %s: %w", document.Key.ID, err)
	}
	return record, nil
}

func unknown(id string) error {
	return fault.New(fault.NotFound, faultv1.Reason_REASON_UNKNOWN_STYLE, "name",
		"there is no style %s, or it was deleted: create it anew, or list the styles", Name(id))
}
