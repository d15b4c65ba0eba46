package jobqueue

import (
	"context"
	"fmt"
	"sync"
	"time"

	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	"github.com/facestudio/facestudio/services/fault"
	"github.com/facestudio/facestudio/services/seal"
)

// MaxPayload bounds a request, a response and a message of a stream, in bytes.
// Large pictures and tensors above 64 KiB travel by digest; a message of several
// smaller ones still fits.
const MaxPayload = 256 << 10

// ConnSettings say which workers a Conn calls.
type ConnSettings struct {
	// Bundle is the id of the model bundle whose workers take the calls
	// (bundle.ID: 12 hexadecimal digits); letters, digits, "_" and "-".
	Bundle string
}

// Conn makes gRPC calls through the queue: it is the connection of generated
// clients. Unary and server-streaming methods with a key_rule can be called;
// the caller's Call (WithCall) must be in the context. Errors are gRPC statuses
// as the handler returned them. Call options, header and trailer metadata of
// the response are not carried. See the package documentation for what joining,
// cancelling and deadlines mean.
type Conn struct {
	q      *Queue
	bundle string
	// rules are those of the methods that were called, by name.
	rules sync.Map
}

var _ grpc.ClientConnInterface = (*Conn)(nil)

// NewConn returns a Conn for the workers of a bundle.
func NewConn(q *Queue, s ConnSettings) *Conn { return &Conn{q: q, bundle: s.Bundle} }

// Invoke makes a unary call.
func (c *Conn) Invoke(ctx context.Context, method string, args, reply any, _ ...grpc.CallOption) error {
	out, ok := reply.(proto.Message)
	if !ok {
		return status.Errorf(codes.Internal, "the reply of %s is no protobuf message", method)
	}
	response, err := c.call(ctx, method, args, nil)
	if err != nil {
		return err
	}
	return unmarshal(response, out)
}

func unmarshal(data []byte, m proto.Message) error {
	if err := proto.Unmarshal(data, m); err != nil {
		return status.Errorf(codes.Internal, "read the response: %v", err)
	}
	return nil
}

// call makes a call and returns the serialised response or a status error.
// progress, if not nil, is called in order with the messages before the last.
func (c *Conn) call(ctx context.Context, method string, args any, progress func([]byte)) ([]byte, error) {
	r, err := c.rule(method)
	if err != nil {
		return nil, status.Errorf(codes.Unimplemented, "call through the queue: %v", err)
	}
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, c.q.settings.Timeout)
		defer cancel()
	}
	begun := time.Now()
	ctx, span := c.q.spanOf(ctx, ofCall(opCall, method, address{stage: r.stage}), trace.SpanKindClient)
	defer span.End()
	w, err := c.prepare(ctx, r, args)
	if err != nil {
		// What was never sent is no call.
		s := statusFrom(err)
		endSpan(span, s)
		return nil, s.Err()
	}
	result, err := c.q.await(ctx, r, w, progress)
	if err == nil {
		span.SetAttributes(attemptNumber(result.GetAttempt()))
		err = statusOf(result.Result).Err()
	}
	s := statusFrom(err)
	endSpan(span, s)
	c.q.metrics.answered(ctx, w.address, time.Since(begun), s.Code())
	if err != nil {
		return nil, s.Err()
	}
	return result.GetResponse(), nil
}

// rule is lookupRule, once for each method.
func (c *Conn) rule(method string) (rule, error) {
	if known, ok := c.rules.Load(method); ok {
		return known.(rule), nil //nolint:forcetypeassert // nothing else is stored
	}
	r, err := lookupRule(method)
	if err == nil {
		c.rules.Store(method, r)
	}
	return r, err
}

// prepare makes the work of a call.
func (c *Conn) prepare(ctx context.Context, r rule, args any) (work, error) {
	request, ok := args.(proto.Message)
	if !ok {
		return work{}, status.Errorf(codes.Internal, "the request of %s is no protobuf message", r.method)
	}
	call, _ := CallFrom(ctx)
	if call.Class == "" {
		call.Class = Interactive
	}
	switch {
	case !validToken(call.Tenant):
		return work{}, fault.InvalidField("tenant", "a call through the queue has a tenant of 1 to 63 letters, digits, _ or -; set it with jobqueue.WithCall")
	case call.Class != Interactive && call.Class != Batch:
		return work{}, fault.InvalidField("class", "a class is %s or %s", Interactive, Batch)
	case call.Record != "" && !validToken("work-"+call.Record):
		return work{}, fault.InvalidField("record", "the id of a record is 1 to 58 letters, digits, _ or -")
	case !validToken(c.bundle):
		return work{}, fault.InvalidField("bundle", "a bundle id is 1 to 63 letters, digits, _ or -; set ConnSettings.Bundle")
	}
	payload, err := proto.Marshal(request)
	if err != nil {
		return work{}, fmt.Errorf("encode the request: %w", err)
	}
	if len(payload) > MaxPayload {
		return work{}, fault.InvalidField("", "the request has %d bytes and a message at most %d; store large parts as blobs and send their digests", len(payload), MaxPayload)
	}
	key, err := r.key(c.q.secret, call, c.bundle, request)
	if err != nil {
		return work{}, err
	}
	scope := seal.Shared(call.Tenant)
	if r.owned() {
		scope = call.Scope()
	}
	// call has given it one.
	until, _ := ctx.Deadline()
	deadline := c.q.Now().Add(time.Until(until))
	md, _ := metadata.FromOutgoingContext(ctx)
	return work{
		address: address{r.stage, c.bundle, call.Class, call.Tenant, key},
		method:  r.method, owner: call.Owner, deadline: deadline, metadata: md, request: payload, scope: scope,
		first: r.owned() && call.First,
	}, nil
}

// statusFrom keeps a status as it is and maps everything else as faults are.
func statusFrom(err error) *status.Status {
	if s, ok := status.FromError(err); ok {
		return s
	}
	return fault.ToStatus(err)
}

func unavailable(err error) error {
	return fault.Wrap(err, fault.Unavailable, faultv1.Reason_REASON_UNAVAILABLE, "", "the queue cannot be reached; retry")
}
