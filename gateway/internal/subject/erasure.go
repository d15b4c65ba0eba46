package subject

import (
	"context"
	"errors"
	"fmt"

	"google.golang.org/protobuf/proto"

	gatewayv1 "github.com/facestudio/facestudio/proto/gen/facestudio/gateway/v1"
	"github.com/facestudio/facestudio/services/jobqueue"
)

// ErasureKind is the kind of documents that deletions under way are.
const ErasureKind = "erasures"

// ErasureBytes bounds their bucket.
const ErasureBytes = 16 << 20

// Erasures keeps the deletions under way; *jobqueue.Documents is one.
type Erasures interface {
	Create(ctx context.Context, key jobqueue.RecordKey, value []byte) error
	Get(ctx context.Context, key jobqueue.RecordKey) (*jobqueue.Document, error)
	All(ctx context.Context) ([]*jobqueue.Document, error)
	Update(ctx context.Context, key jobqueue.RecordKey, value []byte, revision uint64) (uint64, error)
	Erase(ctx context.Context, key jobqueue.RecordKey) error
}

// Generations has the generations; *record.Store is one.
type Generations interface {
	// Unname calls first for each of a tenant's generations that name a subject,
	// makes those that have ended not name it any more, with the pictures that first
	// gave them, and returns which those are, and which are under way.
	Unname(ctx context.Context, tenant, subject string,
		first func(jobqueue.RecordKey, *gatewayv1.Generation) error) (ended, underWay []jobqueue.RecordKey, err error)
}

// Work has the data keys of the work on generations; *jobqueue.Queue is one.
type Work interface {
	// ForgetWork destroys one.
	ForgetWork(ctx context.Context, key jobqueue.RecordKey) (bool, error)
}

// begin notes that a subject is to be deleted, before anything of it is: from
// then on the deletion goes on whatever happens.
func (r *Remover) begin(ctx context.Context, key jobqueue.RecordKey, record *gatewayv1.SubjectRecord) (*gatewayv1.SubjectErasure, error) {
	erasure := new(gatewayv1.SubjectErasure)
	for _, photo := range record.GetSubject().GetPhotos() {
		erasure.Photos = append(erasure.Photos, photo.GetBlob())
	}
	value, err := proto.Marshal(erasure)
	if err != nil {
		return nil, fmt.Errorf("encode a deletion: %w", err)
	}
	err = r.Erasures.Create(ctx, key, value)
	if errors.Is(err, jobqueue.ErrExists) {
		return r.begun(ctx, key)
	}
	if err != nil {
		return nil, fmt.Errorf("begin a deletion: %w", err)
	}
	return erasure, nil
}

// begun returns a deletion under way, or jobqueue.ErrNotFound.
func (r *Remover) begun(ctx context.Context, key jobqueue.RecordKey) (*gatewayv1.SubjectErasure, error) {
	document, err := r.Erasures.Get(ctx, key)
	if err != nil {
		return nil, fmt.Errorf("read a deletion: %w", err)
	}
	return decodeErasure(document)
}

func decodeErasure(document *jobqueue.Document) (*gatewayv1.SubjectErasure, error) {
	erasure := new(gatewayv1.SubjectErasure)
	if err := proto.Unmarshal(document.Value, erasure); err != nil {
		return nil, fmt.Errorf("decode the deletion of subject %s: %w", document.Key.ID, err)
	}
	return erasure, nil
}

// erase does, or goes on with, a deletion: the subject first, so that nobody
// finds it any more, then all that it left. It can be repeated from any point.
func (r *Remover) erase(ctx context.Context, key jobqueue.RecordKey, erasure *gatewayv1.SubjectErasure) (*gatewayv1.DeleteSubjectResponse, error) {
	out := &gatewayv1.DeleteSubjectResponse{Name: Name(key.ID)}
	switch err := r.Store.documents.Erase(ctx, key); {
	case err == nil:
		out.Embeddings, out.DataKeys = 1, 1
	case !errors.Is(err, jobqueue.ErrNotFound):
		return nil, fmt.Errorf("delete subject: %w", err)
	}
	var err error
	if out.Photos, out.SharedPhotos, err = r.Drop(ctx, key, erasure.GetPhotos()); err != nil {
		return nil, err
	}
	// A generation that names the subject no more is not found again: its work goes
	// first.
	ended, underWay, err := r.Generations.Unname(ctx, key.Tenant, out.GetName(), func(generation jobqueue.RecordKey, g *gatewayv1.Generation) error {
		destroyed, err := r.Work.ForgetWork(ctx, generation)
		if destroyed {
			out.DataKeys++
		}
		if err != nil {
			return err
		}
		return r.forgetRecords(ctx, key, g)
	})
	if err != nil {
		return nil, fmt.Errorf("unname the subject: %w", err)
	}
	if err := r.dropResults(ctx, key); err != nil {
		return nil, err
	}
	for _, generation := range ended {
		out.Generations = append(out.Generations, generationName(generation))
	}
	for _, generation := range underWay {
		out.EndingGenerations = append(out.EndingGenerations, generationName(generation))
	}
	if len(underWay) > 0 {
		return out, nil
	}
	if err := r.Erasures.Erase(ctx, key); err != nil && !errors.Is(err, jobqueue.ErrNotFound) {
		return nil, fmt.Errorf("end a deletion: %w", err)
	}
	return out, nil
}

// Finish goes on with the deletions that were begun and are not done.
func (r *Remover) Finish(ctx context.Context) error {
	documents, err := r.Erasures.All(ctx)
	if err != nil {
		return fmt.Errorf("list the deletions: %w", err)
	}
	for _, document := range documents {
		erasure, err := decodeErasure(document)
		if err != nil {
			return err
		}
		if _, err := r.erase(ctx, document.Key, erasure); err != nil {
			return err
		}
	}
	return nil
}

func generationName(key jobqueue.RecordKey) string { return "generations/" + key.ID }
