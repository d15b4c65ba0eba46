package flow

import (
	"context"

	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	"github.com/facestudio/facestudio/services/fault"
)

// Subjects gives the embeddings of enrolled subjects.
type Subjects interface {
	// Embedding returns e_f [512] of the subject "subjects/{subject}", unit
	// length; UNKNOWN_SUBJECT when there is no such one.
	Embedding(ctx context.Context, tenant, name string) ([]float32, error)
}

// enrolled returns e_f of an enrolled subject. at is the field that names it.
func (r *run) enrolled(ctx context.Context, at, name string) ([]float32, error) {
	if r.set.Subjects == nil {
		return nil, fault.New(fault.NotFound, faultv1.Reason_REASON_UNKNOWN_SUBJECT, at,
			"there is no subject %q: enrol it, or send photos", name)
	}
	embedding, err := r.set.Subjects.Embedding(ctx, r.job.Key.Tenant, name)
	if err != nil {
		return nil, blame(err, at)
	}
	return embedding, nil
}
