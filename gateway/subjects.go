package gateway

import (
	"context"
	"fmt"
	"time"

	"github.com/facestudio/facestudio/gateway/internal/api"
	"github.com/facestudio/facestudio/gateway/internal/audit"
	"github.com/facestudio/facestudio/gateway/internal/flow"
	"github.com/facestudio/facestudio/gateway/internal/record"
	"github.com/facestudio/facestudio/gateway/internal/subject"
	adminv1 "github.com/facestudio/facestudio/proto/gen/facestudio/admin/v1"
	"github.com/facestudio/facestudio/services/bundle"
	"github.com/facestudio/facestudio/services/jobqueue"
)

// people are the parts of the gateway that keep enrolled subjects.
type people struct {
	store      *subject.Store
	embeddings *subject.Embeddings
	remover    *subject.Remover
}

func openPeople(ctx context.Context, env Env, log *audit.Log) (people, error) {
	documents, err := env.Queue.Documents(ctx, subject.Kind)
	if err != nil {
		return people{}, fmt.Errorf("open the subjects: %w", err)
	}
	erasures, err := env.Queue.DocumentsUpTo(ctx, subject.ErasureKind, subject.ErasureBytes)
	if err != nil {
		return people{}, fmt.Errorf("open the deletions: %w", err)
	}
	store := subject.NewStore(documents, time.Now)
	return people{
		store:      store,
		embeddings: &subject.Embeddings{Store: store, FaceEncoder: faceEncoder(env.Bundle)},
		remover: &subject.Remover{
			Store: store, Blobs: env.Blobs, Erasures: erasures, Generations: record.New(env.Queue, time.Now), Work: env.Queue, Log: env.Log,
			Expired: func(ctx context.Context, key jobqueue.RecordKey) {
				log.Note(ctx, &adminv1.AuditEntry{
					Tenant: key.Tenant, Action: adminv1.AuditAction_AUDIT_ACTION_DELETE, Subject: subject.Name(key.ID),
				}, nil)
			},
		},
	}, nil
}

// serveSubjects is SubjectService over the stages; queue is what carries the
// encoder's calls, nil when that keeps no results.
func (s *Service) serveSubjects(env Env, stages flow.Stages, queue *jobqueue.Conn, shared api.Settings) *api.Subjects {
	looker := &subject.Looker{Encoder: stages.Encoder, Bundle: env.Bundle.Digest(), Similarity: env.Bundle.Manifest.FaceEncoder.Similarity}
	if queue != nil {
		looker.Forget = queue.Forget
	}
	return api.NewSubjects(api.SubjectsSettings{
		Settings:    shared,
		People:      s.people.store,
		Looker:      looker,
		Remover:     s.people.remover,
		Blobs:       env.Blobs,
		Drop:        s.eraser.Drop,
		FaceEncoder: s.people.embeddings.FaceEncoder,
	})
}

// faceEncoder is the digest of a bundle's face encoder.
func faceEncoder(b *bundle.Bundle) string {
	for _, file := range b.Manifest.Files {
		if file.Role == bundle.FaceEncoderModel {
			return file.SHA256
		}
	}
	return ""
}
