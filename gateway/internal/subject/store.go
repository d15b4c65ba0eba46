// Package subject enrols people: it looks at their photos, keeps a subject with
// its face embedding, gives the embedding to generations that name it, and
// removes all of it again.
package subject

import (
	"context"
	"errors"
	"fmt"
	"time"

	"google.golang.org/protobuf/proto"

	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	gatewayv1 "github.com/facestudio/facestudio/proto/gen/facestudio/gateway/v1"
	"github.com/facestudio/facestudio/services/fault"
	"github.com/facestudio/facestudio/services/jobqueue"
)

// ErrExists says that there is a subject with this key.
var ErrExists = jobqueue.ErrExists

// Kind is the kind of documents that subjects are.
const Kind = "subjects"

// Documents keeps the records; *jobqueue.Documents is one.
type Documents interface {
	Create(ctx context.Context, key jobqueue.RecordKey, value []byte) error
	Get(ctx context.Context, key jobqueue.RecordKey) (*jobqueue.Document, error)
	List(ctx context.Context, tenant string) ([]*jobqueue.Document, error)
	All(ctx context.Context) ([]*jobqueue.Document, error)
	Update(ctx context.Context, key jobqueue.RecordKey, value []byte, revision uint64) (uint64, error)
	Erase(ctx context.Context, key jobqueue.RecordKey) error
	Gone(ctx context.Context, key jobqueue.RecordKey) (<-chan struct{}, error)
}

// Store keeps subjects. One that has expired is as good as none, also while its
// record is still there. It is safe for concurrent use.
type Store struct {
	documents Documents
	now       func() time.Time
}

// NewStore returns the store over documents of Kind. now is the clock that
// subjects expire by.
func NewStore(documents Documents, now func() time.Time) *Store {
	return &Store{documents: documents, now: now}
}

// Create stores a subject. It fails with ErrExists.
func (s *Store) Create(ctx context.Context, key jobqueue.RecordKey, record *gatewayv1.SubjectRecord) error {
	value, err := proto.Marshal(record)
	if err != nil {
		return fmt.Errorf("encode subject: %w", err)
	}
	if err := s.documents.Create(ctx, key, value); err != nil {
		return fmt.Errorf("create subject: %w", err)
	}
	return nil
}

// Get returns a subject, or UNKNOWN_SUBJECT with field "name".
func (s *Store) Get(ctx context.Context, key jobqueue.RecordKey) (*gatewayv1.SubjectRecord, error) {
	document, err := s.documents.Get(ctx, key)
	if errors.Is(err, jobqueue.ErrNotFound) {
		return nil, unknown(key.ID)
	}
	if err != nil {
		return nil, fmt.Errorf("read subject: %w", err)
	}
	record, err := decode(document)
	if err == nil && s.expired(record) {
		return nil, unknown(key.ID)
	}
	return record, err
}

// List returns a tenant's subjects, in no order.
func (s *Store) List(ctx context.Context, tenant string) ([]*gatewayv1.SubjectRecord, error) {
	documents, err := s.documents.List(ctx, tenant)
	if err != nil {
		return nil, fmt.Errorf("list subjects: %w", err)
	}
	var list []*gatewayv1.SubjectRecord
	for _, document := range documents {
		record, err := decode(document)
		if err != nil {
			return nil, err
		}
		if !s.expired(record) {
			list = append(list, record)
		}
	}
	return list, nil
}

// expiry is when a subject expires; false when it does not.
func expiry(record *gatewayv1.SubjectRecord) (time.Time, bool) {
	at := record.GetSubject().GetExpireTime()
	return at.AsTime(), at != nil
}

func (s *Store) expired(record *gatewayv1.SubjectRecord) bool {
	at, ok := expiry(record)
	return ok && !s.now().Before(at)
}

func decode(document *jobqueue.Document) (*gatewayv1.SubjectRecord, error) {
	record := new(gatewayv1.SubjectRecord)
	if err := proto.Unmarshal(document.Value, record); err != nil {
		return nil, fmt.Errorf("decode subject %s: %w", document.Key.ID, err)
	}
	record.Subject.Etag = etagOf(document.Key, document.Revision)
	return record, nil
}

func unknown(id string) error {
	return fault.New(fault.NotFound, faultv1.Reason_REASON_UNKNOWN_SUBJECT, "name",
		"there is no subject %s, or it was deleted or has expired: enrol the person anew, or list the subjects", Name(id))
}
