package jobqueue

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/timestamppb"

	jobqueuev1 "github.com/facestudio/facestudio/proto/gen/facestudio/jobqueue/v1"
	"github.com/facestudio/facestudio/services/seal"
)

// Who decides an outcome, as Result.decided_by tells.
const (
	byWorker     = "worker"
	byCanceller  = "canceller"
	byQuarantine = "quarantine"
)

// newResult is the outcome of a call: a status or, when it is OK, a response.
func newResult(s *status.Status, response []byte, attempt uint64, by string) *jobqueuev1.Result {
	r := &jobqueuev1.Result{
		Code: int32(s.Code()), Message: s.Message(), Response: response,
		Attempt: attempt, EndTime: timestamppb.New(time.Now()), DecidedBy: by,
	}
	for _, detail := range s.Proto().GetDetails() {
		if b, err := proto.Marshal(detail); err == nil {
			r.Details = append(r.Details, b)
		}
	}
	return r
}

// statusOf is the inverse of newResult.
func statusOf(r *jobqueuev1.Result) *status.Status {
	p := status.New(codes.Code(r.GetCode()), r.GetMessage()).Proto()
	for _, b := range r.GetDetails() {
		detail := &anypb.Any{}
		if err := proto.Unmarshal(b, detail); err == nil {
			p.Details = append(p.Details, detail)
		}
	}
	return status.FromProto(p)
}

// recorded is a result as it is stored.
type recorded struct {
	*jobqueuev1.Result
	revision uint64
}

func (r *recorded) code() codes.Code { return codes.Code(r.GetCode()) }

// lookup returns the recorded result or nil. An entry that is no result, which
// somebody edited by hand, is as good as none.
func (q *Queue) lookup(ctx context.Context, at address) (*recorded, error) {
	ctx, release := bounded(ctx)
	defer release()
	entry, err := q.results.Get(ctx, at.result())
	if errors.Is(err, jetstream.ErrKeyNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("look for a result: %w", err)
	}
	return q.openResult(ctx, at, entry.Value(), entry.Revision())
}

func parseResult(data []byte, revision uint64) *recorded {
	r := &jobqueuev1.Result{}
	if err := proto.Unmarshal(data, r); err != nil {
		return unreadable(revision)
	}
	return &recorded{r, revision}
}

// create records a result, sealed as its work is, and returns what there is to tell of
// it. That is nil when there was one: whoever creates it first decides.
func (q *Queue) create(ctx context.Context, at address, of seal.Scope, r *jobqueuev1.Result, ttl time.Duration) (*jobqueuev1.Word, error) {
	plain, err := proto.Marshal(r)
	if err != nil {
		return nil, fmt.Errorf("encode a result: %w", err)
	}
	data, err := q.sealResult(ctx, at, of, plain)
	if err != nil {
		return nil, fmt.Errorf("seal a result: %w", err)
	}
	// The server counts whole seconds.
	ttl = max(ttl.Round(time.Second), time.Second)
	msg := nats.NewMsg("$KV." + resultsName + "." + at.result())
	msg.Data = data
	msg.Header.Set(jetstream.ExpectedLastSubjSeqHeader, "0")
	msg.Header.Set(jetstream.MsgTTLHeader, ttl.String())
	revision, err := q.store(ctx, msg)
	if isStale(err) {
		// There is one, or the mark that there was one.
		ctx, release := bounded(ctx)
		defer release()
		revision, err = q.results.Create(ctx, at.result(), data, jetstream.KeyTTL(ttl))
	}
	if errors.Is(err, jetstream.ErrKeyExists) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("record a result: %w", err)
	}
	return &jobqueuev1.Word{Revision: revision, Outcome: data}, nil
}

// remove takes away an outcome that does not answer later calls, if it is still
// that one.
func (q *Queue) remove(ctx context.Context, at address, revision uint64) error {
	ctx, release := bounded(ctx)
	defer release()
	err := q.results.Delete(ctx, at.result(), jetstream.LastRevision(revision))
	if err == nil || errors.Is(err, jetstream.ErrKeyRevisionMismatch) || errors.Is(err, jetstream.ErrKeyExists) {
		return nil
	}
	return fmt.Errorf("remove an outcome: %w", err)
}
