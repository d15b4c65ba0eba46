package jobqueue

import (
	"context"
	"errors"

	"google.golang.org/grpc/codes"

	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	jobqueuev1 "github.com/facestudio/facestudio/proto/gen/facestudio/jobqueue/v1"
	"github.com/facestudio/facestudio/services/fault"
	"github.com/facestudio/facestudio/services/seal"
)

// sealer is what the queue needs of a seal.Ring.
type sealer interface {
	Seal(ctx context.Context, of seal.Scope, at seal.Place, value []byte) ([]byte, error)
	SealExisting(ctx context.Context, of seal.Scope, at seal.Place, value []byte) ([]byte, error)
	Open(ctx context.Context, tenant string, at seal.Place, sealed []byte) ([]byte, seal.Scope, error)
}

// The places of what the queue seals. A request is bound to its method too, so
// that it cannot be answered as another one's; its class is not, since work of
// both classes has one result.

func (w work) place() seal.Place {
	return seal.Place{Purpose: "work", Name: w.stage + "." + w.bundle + "." + w.key + w.method}
}

func (a address) resultPlace() seal.Place   { return seal.Place{Purpose: "result", Name: a.key} }
func (a address) progressPlace() seal.Place { return seal.Place{Purpose: "progress", Name: a.key} }
func (k RecordKey) place() seal.Place       { return seal.Place{Purpose: "record", Name: k.ID} }
func (k RecordKey) newsPlace() seal.Place   { return seal.Place{Purpose: "news", Name: k.ID} }

// sealRequest seals a request, once.
func (q *Queue) sealRequest(ctx context.Context, w *work) (err error) {
	if w.payload == nil {
		w.payload, err = q.seals.Seal(ctx, w.scope, w.place(), w.request)
	}
	return err
}

// openRequest opens the request of work that was delivered.
func (q *Queue) openRequest(ctx context.Context, w *work) (err error) {
	ctx, release := bounded(ctx)
	defer release()
	w.request, w.scope, err = q.seals.Open(ctx, w.tenant, w.place(), w.payload)
	return err
}

// sealResult seals a result with the key of its work, or, when that is destroyed
// (which is an outcome, too), with the tenant's.
func (q *Queue) sealResult(ctx context.Context, at address, of seal.Scope, plain []byte) ([]byte, error) {
	sealed, err := q.seals.SealExisting(ctx, of, at.resultPlace(), plain)
	if errors.Is(err, seal.ErrDestroyed) {
		return q.seals.Seal(ctx, seal.Shared(at.tenant), at.resultPlace(), plain)
	}
	return sealed, err
}

// openResult returns a stored result. One that is none, that somebody changed or
// whose key is destroyed is as good as none. It fails when the keys cannot be
// reached.
func (q *Queue) openResult(ctx context.Context, at address, sealed []byte, revision uint64) (*recorded, error) {
	plain, _, err := q.seals.Open(ctx, at.tenant, at.resultPlace(), sealed)
	if lost(err) {
		return unreadable(revision), nil
	}
	if err != nil {
		return nil, err
	}
	return parseResult(plain, revision), nil
}

func unreadable(revision uint64) *recorded {
	return &recorded{&jobqueuev1.Result{Code: int32(codes.Unavailable), Message: "the stored result cannot be read"}, revision}
}

// lost says that what was sealed cannot be had any more, rather than not now.
func lost(err error) bool {
	return errors.Is(err, seal.ErrDestroyed) || errors.Is(err, seal.ErrUnreadable)
}

// erased is the outcome of work whose key was destroyed.
func erased(err error) error {
	return fault.Wrap(err, fault.Precondition, faultv1.Reason_REASON_UNKNOWN_GENERATION, "",
		"the work was erased with the data key that sealed it, since its generation has ended or a person in it was deleted")
}
