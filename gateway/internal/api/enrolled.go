package api

import (
	"context"

	"google.golang.org/grpc"

	"github.com/facestudio/facestudio/gateway/internal/subject"
	gatewayv1 "github.com/facestudio/facestudio/proto/gen/facestudio/gateway/v1"
	mediav1 "github.com/facestudio/facestudio/proto/gen/facestudio/media/v1"
	"github.com/facestudio/facestudio/services/jobqueue"
)

// People keeps enrolled subjects; *subject.Store is one.
type People interface {
	Create(ctx context.Context, key jobqueue.RecordKey, record *gatewayv1.SubjectRecord) error
	Get(ctx context.Context, key jobqueue.RecordKey) (*gatewayv1.SubjectRecord, error)
	List(ctx context.Context, tenant string) ([]*gatewayv1.SubjectRecord, error)
	Update(ctx context.Context, key jobqueue.RecordKey, etag string, change func(*gatewayv1.Subject) error) (*gatewayv1.Subject, error)
}

// Looker looks at photos; *subject.Looker is one.
type Looker interface {
	Look(ctx context.Context, photos []subject.Photo) (*subject.Seen, error)
}

// Remover removes subjects; *subject.Remover is one.
type Remover interface {
	Remove(ctx context.Context, key jobqueue.RecordKey, etag string) (*gatewayv1.DeleteSubjectResponse, error)
	Drop(ctx context.Context, key jobqueue.RecordKey, photos []*mediav1.Blob) (dropped, shared []*mediav1.Blob, err error)
}

// SubjectsSettings says what Subjects is made of. All fields are needed.
type SubjectsSettings struct {
	// Settings are those of generations; of them the clock, randomness and the
	// check of pictures are used.
	Settings
	// People has the subjects.
	People People
	// Looker looks at their photos.
	Looker Looker
	// Remover removes them.
	Remover Remover
	// Blobs is where photos are kept.
	Blobs Blobs
	// Drop is told of photos that were stored to be looked at and may go.
	Drop func(tenant string, photos []*mediav1.Blob)
	// FaceEncoder is the SHA-256 of the bundle's face encoder.
	FaceEncoder string
}

// Subjects implements SubjectService. It may be used by many goroutines.
type Subjects struct {
	gatewayv1.UnimplementedSubjectServiceServer
	set SubjectsSettings
}

// NewSubjects returns the service.
func NewSubjects(s SubjectsSettings) *Subjects { return &Subjects{set: s} }

// Register registers the service.
func (s *Subjects) Register(to grpc.ServiceRegistrar) {
	gatewayv1.RegisterSubjectServiceServer(to, s)
}

// GetSubject implements SubjectService.
func (s *Subjects) GetSubject(ctx context.Context, req *gatewayv1.GetSubjectRequest) (*gatewayv1.Subject, error) {
	key, err := subjectKey(ctx, req.GetName())
	if err != nil {
		return nil, err
	}
	record, err := s.set.People.Get(ctx, key)
	return record.GetSubject(), err
}

// ListSubjects implements SubjectService.
func (s *Subjects) ListSubjects(ctx context.Context, req *gatewayv1.ListSubjectsRequest) (*gatewayv1.ListSubjectsResponse, error) {
	call, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	records, err := s.set.People.List(ctx, call.Tenant)
	if err != nil {
		return nil, err
	}
	list := make([]*gatewayv1.Subject, len(records))
	for i, record := range records {
		list[i] = record.GetSubject()
		list[i].PhotoVerdicts = nil
	}
	out := new(gatewayv1.ListSubjectsResponse)
	out.Subjects, out.NextPageToken, err = pageOf(listing{
		sign: s.set.Sign, collection: "subjects", tenant: call.Tenant, size: req.GetPageSize(), token: req.GetPageToken(),
	}, list)
	return out, err
}

// DeleteSubject implements SubjectService.
func (s *Subjects) DeleteSubject(ctx context.Context, req *gatewayv1.DeleteSubjectRequest) (*gatewayv1.DeleteSubjectResponse, error) {
	key, err := subjectKey(ctx, req.GetName())
	if err != nil {
		return nil, err
	}
	return s.set.Remover.Remove(ctx, key, req.GetEtag())
}

// subjectKey returns the record that a resource name of the caller's means.
func subjectKey(ctx context.Context, name string) (jobqueue.RecordKey, error) {
	call, err := caller(ctx)
	if err != nil {
		return jobqueue.RecordKey{}, err
	}
	id, ok := subject.ParseName(name)
	if !ok {
		return jobqueue.RecordKey{}, BadName(name, "subjects/{subject}")
	}
	return jobqueue.RecordKey{Tenant: call.Tenant, ID: id}, nil
}
