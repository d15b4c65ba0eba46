package jobqueue

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	"github.com/facestudio/facestudio/services/fault"
)

// DeadLetter is work, or the follow-up of a record, that was given up, without its
// payload.
type DeadLetter struct {
	// ID is the letter's number, from 1; it is never used again.
	ID uint64
	// Stage, Bundle, Class and Tenant are whose work it was; empty for a message
	// that is none of ours.
	Stage, Bundle, Class, Tenant string
	// Key is the key of the work, which its result has too.
	Key string
	// Method is the full gRPC name; empty for a follow-up.
	Method string
	// Owner is the call's owner, for owned work; for a follow-up the record's id.
	Owner string
	// Reason is ATTEMPTS_EXHAUSTED, KILLED_WORKERS or FOREIGN.
	Reason string
	// Attempts is how often it failed or silenced its worker.
	Attempts uint64
	// Status is the last one, as "CODE: message".
	Status string
	// TraceID is of the trace that the call belonged to, 32 hexadecimal digits;
	// empty when it had none.
	TraceID string
	// Time is when the work was given up.
	Time time.Time
	// Size is the payload's, bytes.
	Size int
}

// DeadFilter says which dead letters are meant.
type DeadFilter struct {
	// Stage and Tenant, unless empty.
	Stage, Tenant string
	// After leaves out the letters up to this number.
	After uint64
}

// Dead is the store of dead letters. Errors beside those named are UNAVAILABLE
// when the server cannot be reached.
type Dead struct{ q *Queue }

// Dead returns the dead letters of all stages and tenants: they are for the
// operator, not for callers.
func (q *Queue) Dead() *Dead { return &Dead{q} }

// List returns at most limit dead letters, the oldest first.
func (d *Dead) List(ctx context.Context, f DeadFilter, limit int) ([]DeadLetter, error) {
	subject := deadAll
	if f.Stage != "" || f.Tenant != "" {
		if f.Stage != "" && !validToken(f.Stage) {
			return nil, fault.InvalidField("stage", "%q is no stage", f.Stage)
		}
		if f.Tenant != "" && !validToken(f.Tenant) {
			return nil, fault.InvalidField("tenant", "a tenant is 1 to 63 letters, digits, _ or -")
		}
		subject = strings.Join([]string{"dead", orAny(f.Stage), "*", "*", orAny(f.Tenant), "*"}, ".")
	}
	var list []DeadLetter
	for next := f.After + 1; len(list) < limit; {
		msg, err := d.read(ctx, next, jetstream.WithGetMsgSubject(subject))
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			break
		}
		if err != nil {
			return nil, storeError(ctx, err)
		}
		list = append(list, letterOf(ctx, msg))
		next = msg.Sequence + 1
	}
	return list, nil
}

func orAny(token string) string {
	if token == "" {
		return "*"
	}
	return token
}

// Get returns a dead letter, or UNKNOWN_DEAD_LETTER.
func (d *Dead) Get(ctx context.Context, id uint64) (DeadLetter, error) {
	msg, err := d.find(ctx, id)
	if err != nil {
		return DeadLetter{}, err
	}
	return letterOf(ctx, msg), nil
}

const (
	// leaveTime is how long what was given up may take to leave the queue, or its
	// record to say so: the letter is there before that.
	leaveTime  = 2 * time.Second
	leavePause = 50 * time.Millisecond
)

// Redrive puts the work of a dead letter into the queue again, with a new
// deadline and no attempts behind it, and removes the letter. What was recorded
// when it was given up is forgotten first. A follow-up is due again. It fails with
// INVALID_FIELD for a message that is none of ours or whose record is no more, and
// with QUOTA_EXHAUSTED when the same work stays in the queue, which it looks at for
// 2 s.
func (d *Dead) Redrive(ctx context.Context, id uint64) (DeadLetter, error) {
	for end := time.Now().Add(leaveTime); ; {
		letter, err := d.redrive(ctx, id)
		if !fault.Is(err, faultv1.Reason_REASON_QUOTA_EXHAUSTED) || time.Now().After(end) {
			return letter, err
		}
		select {
		case <-ctx.Done():
			return letter, err
		case <-time.After(leavePause):
		}
	}
}

func (d *Dead) redrive(ctx context.Context, id uint64) (DeadLetter, error) {
	msg, err := d.find(ctx, id)
	if err != nil {
		return DeadLetter{}, err
	}
	letter := letterOf(ctx, msg)
	if msg.Header.Get(headerRecord) != "" {
		if err := d.followAgain(ctx, letter, msg.Header); err != nil {
			return letter, err
		}
		return letter, d.Drop(ctx, id)
	}
	subject := "work." + strings.TrimPrefix(msg.Subject, "dead.")
	deadline := d.q.Now().Add(d.q.settings.Timeout)
	header := nats.Header{}
	for name, values := range msg.Header {
		header[name] = values
	}
	for _, name := range []string{headerReason, headerAttempts, headerStatus, nats.MsgIdHdr} {
		header.Del(name)
	}
	header.Set(headerDeadline, strconv.FormatInt(deadline.UnixMilli(), 10))
	w, err := parseWork(subject, header, msg.Data)
	if err != nil || letter.Reason == reasonForeign {
		return letter, fault.InvalidField("name", "dead letter %d is no work of this mesh: it can only be dropped", id)
	}
	if err := d.q.openRequest(ctx, &w); lost(err) {
		return letter, fault.InvalidField("name", "the payload of dead letter %d cannot be read any more, since its data key was destroyed: it can only be dropped", id)
	} else if err != nil {
		return letter, unavailable(err)
	}
	found, err := d.q.lookup(ctx, w.address)
	if err != nil {
		return letter, unavailable(err)
	}
	if found != nil && found.GetDecidedBy() == byQuarantine {
		if err := d.q.remove(ctx, w.address, found.revision); err != nil {
			return letter, unavailable(err)
		}
	}
	ctx = traceContext.Extract(ctx, propagation.HeaderCarrier(header))
	accepted, err := d.q.publish(ctx, w)
	if err != nil {
		return letter, unavailable(err)
	}
	if !accepted {
		return letter, fault.New(fault.Exhausted, faultv1.Reason_REASON_QUOTA_EXHAUSTED, "name",
			"the work of dead letter %d is in the queue already, or the queue is full; retry later", id)
	}
	return letter, d.Drop(ctx, id)
}

// Drop removes a dead letter and overwrites its payload. One that is gone already
// is UNKNOWN_DEAD_LETTER.
func (d *Dead) Drop(ctx context.Context, id uint64) error {
	ctx, release := bounded(ctx)
	defer release()
	err := d.q.dead.SecureDeleteMsg(ctx, id)
	if errors.Is(err, jetstream.ErrMsgDeleteUnsuccessful) {
		// The library does not tell why.
		if _, gone := d.find(ctx, id); gone != nil {
			return gone
		}
	}
	if err != nil {
		return storeError(ctx, fmt.Errorf("drop a dead letter: %w", err))
	}
	return nil
}

func (d *Dead) find(ctx context.Context, id uint64) (*jetstream.RawStreamMsg, error) {
	msg, err := d.read(ctx, id)
	if errors.Is(err, jetstream.ErrMsgNotFound) || id == 0 {
		return nil, unknownLetter(err, id)
	}
	return msg, storeError(ctx, err)
}

func (d *Dead) read(ctx context.Context, id uint64, opts ...jetstream.GetMsgOpt) (*jetstream.RawStreamMsg, error) {
	ctx, release := bounded(ctx)
	defer release()
	msg, err := d.q.dead.GetMsg(ctx, id, opts...)
	if err != nil {
		return nil, fmt.Errorf("read a dead letter: %w", err)
	}
	return msg, nil
}

func unknownLetter(err error, id uint64) error {
	return fault.Wrap(err, fault.NotFound, faultv1.Reason_REASON_UNKNOWN_DEAD_LETTER, "name",
		"there is no dead letter %d, or no more; list them", id)
}

// letterOf reads what it can: somebody may have written the message by hand.
func letterOf(ctx context.Context, msg *jetstream.RawStreamMsg) DeadLetter {
	l := DeadLetter{
		ID: msg.Sequence, Time: msg.Time, Size: len(msg.Data),
		Method: msg.Header.Get(headerMethod), Reason: msg.Header.Get(headerReason),
	}
	if at, ok := parseAddress("work." + strings.TrimPrefix(msg.Subject, "dead.")); ok {
		l.Stage, l.Bundle, l.Class, l.Tenant, l.Key = at.stage, at.bundle, at.class, at.tenant, at.key
	}
	if l.Bundle == noBundle {
		l.Bundle = ""
	}
	l.Attempts, _ = strconv.ParseUint(msg.Header.Get(headerAttempts), 10, 64)
	l.Status, _ = decodeHeader(msg.Header.Get(headerStatus))
	l.Owner, _ = decodeHeader(msg.Header.Get(headerOwner))
	from := traceContext.Extract(trace.ContextWithSpanContext(ctx, trace.SpanContext{}), propagation.HeaderCarrier(msg.Header))
	if id := trace.SpanContextFromContext(from).TraceID(); id.IsValid() {
		l.TraceID = id.String()
	}
	return l
}
