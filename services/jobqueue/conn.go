package jobqueue

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	"github.com/facestudio/facestudio/services/fault"
)

// MaxPayload bounds a request, a response and a message of a stream, in bytes.
// Pictures and tensors above 64 KiB travel by digest; a message of several
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
}

var _ grpc.ClientConnInterface = (*Conn)(nil)

// NewConn returns a Conn for the workers of a bundle.
func NewConn(q *Queue, s ConnSettings) *Conn { return &Conn{q, s.Bundle} }

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
	r, err := lookupRule(method)
	if err != nil {
		return nil, status.Errorf(codes.Unimplemented, "call through the queue: %v", err)
	}
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, c.q.settings.Timeout)
		defer cancel()
	}
	ctx, span := c.q.tracer.Start(ctx, "queue call "+method, trace.WithSpanKind(trace.SpanKindClient),
		trace.WithAttributes(attribute.String("messaging.system", "nats"), attribute.String("facestudio.stage", r.stage)))
	defer span.End()
	w, err := c.prepare(ctx, r, args)
	if err == nil {
		var result *recorded
		if result, err = c.q.await(ctx, r, w, progress); err == nil {
			span.SetAttributes(attribute.Int64("facestudio.attempt", int64(result.GetAttempt())))
			if result.code() == codes.OK {
				return result.GetResponse(), nil
			}
			err = statusOf(result.Result).Err()
		}
	}
	s := statusFrom(err)
	endSpan(span, s)
	return nil, s.Err()
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
	deadline, _ := ctx.Deadline()
	md, _ := metadata.FromOutgoingContext(ctx)
	return work{
		address: address{r.stage, c.bundle, call.Class, call.Tenant, key},
		method:  r.method, owner: call.Owner, deadline: deadline, metadata: md, payload: payload,
	}, nil
}

// statusFrom keeps a status as it is and maps everything else as faults are.
func statusFrom(err error) *status.Status {
	if s, ok := status.FromError(err); ok {
		return s
	}
	return fault.ToStatus(err)
}

// await puts the work into the queue, or joins it there, and returns its
// outcome. It listens before it publishes, and looks for itself whenever it may
// not have been told.
func (q *Queue) await(ctx context.Context, r rule, w work, progress func([]byte)) (*recorded, error) {
	listener, err := subscribe(q.nc, w.address)
	if err != nil {
		return nil, unavailable(err)
	}
	defer listener.stop()
	recheck := time.NewTicker(q.settings.Recheck)
	defer recheck.Stop()
	var (
		state  caller
		result *recorded
		next   = wantLook
		faults uint64
		// sent: the work may be in the queue, even if the answer was lost.
		sent bool
	)
	for {
		if ctx.Err() != nil {
			return nil, q.leave(ctx, r, w, sent)
		}
		var err error
		reconnected := q.reconnection()
		switch next {
		case wantReturn:
			return result, nil
		case wantGiveUp:
			return nil, fault.New(fault.Exhausted, faultv1.Reason_REASON_QUOTA_EXHAUSTED, "", "the queue of stage %s is full; retry later", w.stage)
		case wantLook:
			var found *recorded
			if found, err = q.lookup(ctx, w.address); err == nil {
				result, next = found, state.looked(found)
			}
		case wantRemove:
			if err = q.remove(ctx, w.address, state.stale); err == nil {
				next = state.removed()
			}
		case wantPublish:
			var accepted bool
			sent = true
			if accepted, err = q.publish(ctx, w); err == nil {
				next = state.published(accepted)
			}
		case wantFind:
			var present bool
			if present, err = q.present(ctx, w.address); err == nil {
				next = state.found(present)
			}
		case wantWait:
			select {
			case <-ctx.Done():
			case <-recheck.C:
				next = state.disturbed()
			case <-reconnected:
				next = state.disturbed()
			case <-listener.wake:
				messages, done, gone := listener.take()
				for _, m := range messages {
					if progress != nil {
						progress(m)
					}
				}
				switch {
				case done != nil:
					result, next = done, state.heard(done)
				case gone:
					next = state.disturbed()
				}
			}
		}
		if err == nil {
			faults = 0
			continue
		}
		// The server is away; the call lasts until its deadline.
		faults++
		pause(ctx, backoff(50*time.Millisecond, min(faults, 6), randomSpread()), reconnected)
		next = wantLook
	}
}

// pause waits a while, less when ctx ends or hurry is closed.
func pause(ctx context.Context, d time.Duration, hurry <-chan struct{}) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-hurry:
	case <-ctx.Done():
	}
}

// errStoreFailed is what the server answers when a stream refuses a message,
// above all because its subject has one.
const errStoreFailed jetstream.ErrorCode = 10077

// publish puts the work into the queue; it reports false when it was refused.
func (q *Queue) publish(ctx context.Context, w work) (bool, error) {
	msg := w.message(ctx)
	ctx, release := bounded(ctx)
	defer release()
	_, err := q.js.PublishMsg(ctx, msg)
	if err == nil {
		return true, nil
	}
	if api, ok := errors.AsType[*jetstream.APIError](err); ok && api.ErrorCode == errStoreFailed {
		return false, nil
	}
	return false, fmt.Errorf("publish work: %w", err)
}

// present says whether the work is in the queue.
func (q *Queue) present(ctx context.Context, at address) (bool, error) {
	ctx, release := bounded(ctx)
	defer release()
	_, err := q.work.GetLastMsgForSubject(ctx, at.work())
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("look for work: %w", err)
	}
	return true, nil
}

// leave ends a call whose context has ended and returns why. If the work is the
// caller's to end, it races for the result: once CANCELLED is recorded, nothing
// else can be, and the worker is told to stop.
func (q *Queue) leave(ctx context.Context, r rule, w work, sent bool) error {
	cause := context.Cause(ctx)
	ended := fault.From(ctx.Err())
	left := errors.Is(cause, ErrLeaseLost) || errors.Is(cause, ErrShutdown)
	if !sent || !cancels(r.owned(), fault.ToStatus(ended).Code(), left) {
		return ended
	}
	detached, cancel := context.WithTimeout(context.WithoutCancel(ctx), apiTimeout)
	defer cancel()
	won, err := q.create(detached, w.address, newResult(fault.ToStatus(ended), nil, 0, byCanceller), q.settings.FaultTTL)
	if err != nil {
		q.log.Warn("cancel not recorded; the work ends at its deadline", "method", w.method, "error", err)
	}
	if !won {
		return ended
	}
	if err := q.nc.Publish(w.cancel(), nil); err != nil {
		q.log.Warn("cancel not told; the worker sees it at its next heartbeat", "method", w.method, "error", err)
	}
	// What no worker has taken yet need not wait for one.
	if err := q.work.Purge(detached, jetstream.WithPurgeSubject(w.work())); err != nil {
		q.log.Warn("cancelled work stays in the queue until a worker drops it", "method", w.method, "error", err)
	}
	return ended
}

func unavailable(err error) error {
	return fault.Wrap(err, fault.Unavailable, faultv1.Reason_REASON_UNAVAILABLE, "", "the queue cannot be reached; retry")
}
