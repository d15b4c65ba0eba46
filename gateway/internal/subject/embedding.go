package subject

import (
	"context"
	"fmt"
	"time"

	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	gatewayv1 "github.com/facestudio/facestudio/proto/gen/facestudio/gateway/v1"
	"github.com/facestudio/facestudio/services/fault"
	"github.com/facestudio/facestudio/services/jobqueue"
	"github.com/facestudio/facestudio/services/tensor"
)

// Embeddings gives the embeddings of subjects to generations that name them.
type Embeddings struct {
	// Store has the subjects.
	Store *Store
	// FaceEncoder is the SHA-256 of the served bundle's face encoder.
	FaceEncoder string
}

// Embedding returns e_f of the subject "subjects/{subject}", unit length. It
// fails with UNKNOWN_SUBJECT, and with BUNDLE_MISMATCH when the subject was
// enrolled with another face encoder, whose embeddings say nothing to this one.
func (e *Embeddings) Embedding(ctx context.Context, tenant, name string) ([]float32, error) {
	id, ok := ParseName(name)
	if !ok {
		return nil, unknownName(name)
	}
	record, err := e.Store.Get(ctx, jobqueue.RecordKey{Tenant: tenant, ID: id})
	if err != nil {
		return nil, err
	}
	if record.GetSubject().GetFaceEncoder() != e.FaceEncoder {
		return nil, fault.New(fault.Precondition, faultv1.Reason_REASON_BUNDLE_MISMATCH, "name",
			"%s was enrolled with another face encoder than the one that is served: enrol the person anew", name)
	}
	embedding, err := tensor.FromProto(record.GetEmbedding())
	if err != nil {
		return nil, fmt.Errorf("read the embedding of %s: %w", name, err)
	}
	return embedding.Data, nil
}

// Gone returns a channel that is closed once a subject is deleted or has
// expired, also when there is none, or when ctx has ended.
func (e *Embeddings) Gone(ctx context.Context, tenant, name string) (<-chan struct{}, error) {
	id, ok := ParseName(name)
	if !ok {
		return nil, unknownName(name)
	}
	key := jobqueue.RecordKey{Tenant: tenant, ID: id}
	watching, stop := context.WithCancel(ctx)
	erased, err := e.Store.documents.Gone(watching, key)
	if err != nil {
		stop()
		return nil, fmt.Errorf("watch %s: %w", name, err)
	}
	record, err := e.Store.Get(ctx, key)
	if err != nil {
		stop()
		return nil, err
	}
	if _, expires := expiry(record); !expires {
		context.AfterFunc(ctx, stop)
		return erased, nil
	}
	out := make(chan struct{})
	go func() {
		defer close(out)
		defer stop()
		e.outlive(watching, key, record, erased)
	}()
	return out, nil
}

// outlive returns when a subject is erased or has expired, or its expiry cannot
// be told any more.
func (e *Embeddings) outlive(ctx context.Context, key jobqueue.RecordKey, record *gatewayv1.SubjectRecord, erased <-chan struct{}) {
	for {
		at, expires := expiry(record)
		if !expires {
			<-erased
			return
		}
		timer := time.NewTimer(at.Sub(e.Store.now()))
		select {
		case <-erased:
			timer.Stop()
			return
		case <-timer.C:
		}
		// It may expire at another time by now.
		var err error
		if record, err = e.Store.Get(ctx, key); err != nil {
			return
		}
		if again, expires := expiry(record); expires && again.Equal(at) {
			return
		}
	}
}

func unknownName(name string) error {
	return fault.New(fault.NotFound, faultv1.Reason_REASON_UNKNOWN_SUBJECT, "name",
		"%.100q is no name of an enrolled subject: write subjects/{subject}", name)
}
