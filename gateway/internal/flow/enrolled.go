package flow

import (
	"context"
	"sync"

	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	"github.com/facestudio/facestudio/services/fault"
)

// Subjects gives the embeddings of enrolled subjects.
type Subjects interface {
	// Embedding returns e_f [512] of the subject "subjects/{subject}", unit
	// length; UNKNOWN_SUBJECT when there is no such one.
	Embedding(ctx context.Context, tenant, name string) ([]float32, error)
	// Gone returns a channel that is closed once the subject is no more, also
	// when there is none to begin with, or when ctx has ended.
	Gone(ctx context.Context, tenant, name string) (<-chan struct{}, error)
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

// named are the enrolled subjects that the generation names, by the fields that
// do.
func (r *run) named() map[string]string {
	names := make(map[string]string)
	for i, subject := range r.want.GetSubjects() {
		if subject.GetSubject() != "" {
			names[subjectField(i)+".subject"] = subject.GetSubject()
		}
		for k, part := range subject.GetMix() {
			if part.GetSubject() != "" {
				names[mixField(i, k)+".subject"] = part.GetSubject()
			}
		}
	}
	return names
}

// whileEnrolled calls do, whose context ends when a subject that the generation
// names is deleted or expires. Then it fails, with UNKNOWN_SUBJECT, whatever do
// returned: nothing that is made of a deleted subject is handed out.
func (r *run) whileEnrolled(ctx context.Context, do func(context.Context) error) error {
	names := r.named()
	if len(names) == 0 || r.set.Subjects == nil {
		return do(ctx)
	}
	running, end := context.WithCancelCause(ctx)
	var watching sync.WaitGroup
	defer watching.Wait()
	defer end(nil)
	for at, name := range names {
		gone, err := r.set.Subjects.Gone(running, r.job.Key.Tenant, name)
		if err != nil {
			return blame(err, at)
		}
		watching.Go(func() {
			<-gone
			end(deleted(at, name))
		})
	}
	err := do(running)
	if f := fault.From(context.Cause(running)); ctx.Err() == nil && f != nil && f.Reason == faultv1.Reason_REASON_UNKNOWN_SUBJECT {
		return f
	}
	if err != nil {
		return err
	}
	// The news of a removal may be on its way.
	for at, name := range names {
		if _, err := r.enrolled(ctx, at, name); fault.Is(err, faultv1.Reason_REASON_UNKNOWN_SUBJECT) {
			return deleted(at, name)
		} else if err != nil {
			return err
		}
	}
	return nil
}

func deleted(at, name string) error {
	return fault.New(fault.NotFound, faultv1.Reason_REASON_UNKNOWN_SUBJECT, at,
		"%s was deleted or has expired while the generation ran: enrol the person anew, or send photos", name)
}
