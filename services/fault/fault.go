// Package fault classifies errors: what kind, which stable reason, which field
// is to blame, and whether to try again. Code that knows what went wrong makes
// a Fault; the edges turn it into a gRPC status or a stored message, once.
package fault

import (
	"context"
	"errors"
	"fmt"
	"time"

	"google.golang.org/grpc/status"

	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
)

// Kind says who must act on a fault, and how.
type Kind uint8

// The kinds. The zero Kind is Internal: what nobody classified is our bug.
const (
	// Internal is a bug or an unforeseen failure on our side.
	Internal Kind = iota
	// Invalid is a request that can never succeed as it is.
	Invalid
	// NotFound names something that is not there, or not the caller's.
	NotFound
	// Conflict is a request that contradicts what exists already.
	Conflict
	// Exhausted is a limit reached for now.
	Exhausted
	// Unavailable is a dependency that cannot be reached for now.
	Unavailable
	// Deadline is a deadline that passed.
	Deadline
	// Cancelled is work that its owner no longer wants.
	Cancelled
	// Precondition is a valid request that the system is not set up for.
	Precondition
	// Unauthenticated is a call of nobody that is known.
	Unauthenticated
	// Denied is a call that its caller, who is known, may not make.
	Denied
	// Stale is a request about a state of something that has changed since.
	Stale
)

// Fault is a classified error.
//
//nolint:errname // fault.Error would say less than fault.Fault
type Fault struct {
	// Kind says who must act.
	Kind Kind
	// Reason is the stable cause.
	Reason faultv1.Reason
	// Field is the path of the request field, setting or file to blame:
	// "subjects[0].photos[1]". Empty when none is.
	Field string
	// Message is one sentence for the caller: what is wrong and the way out.
	Message string
	// Retryable says whether the same request may succeed later.
	Retryable bool
	// RetryAfter is how long to wait before that; zero means one second.
	RetryAfter time.Duration
	// Limit is the limit that is reached, of a fault of kind Exhausted; nil when
	// none is named.
	Limit *Limit
	// Others are further fields to blame, each with its own reason and message,
	// where a request has several; of a fault of kind Invalid they are sent.
	Others []*faultv1.Fault
	// Err is the cause, for logs only; may be nil.
	Err error
}

// Limit is a limit that a request has reached.
type Limit struct {
	// Name is what the operator calls it: "pictures-per-day".
	Name string
	// Value is what is allowed, in the limit's own unit; 0 when that is not one
	// number.
	Value int64
}

// New returns a fault. It is retryable when kind is Exhausted or Unavailable.
// The message is for the caller: it names what is wrong and the way out.
func New(kind Kind, reason faultv1.Reason, field, format string, args ...any) *Fault {
	return &Fault{
		Kind: kind, Reason: reason, Field: field,
		Message:   fmt.Sprintf(format, args...),
		Retryable: kind == Exhausted || kind == Unavailable,
	}
}

// Wrap is New with a cause, which is logged but never sent.
func Wrap(err error, kind Kind, reason faultv1.Reason, field, format string, args ...any) *Fault {
	f := New(kind, reason, field, format, args...)
	f.Err = err
	return f
}

// InvalidField is the most frequent fault: a field outside its range.
func InvalidField(field, format string, args ...any) *Fault {
	return New(Invalid, faultv1.Reason_REASON_INVALID_FIELD, field, format, args...)
}

// Error returns field, message and cause, for logs and terminals.
func (f *Fault) Error() string {
	s := f.Message
	if f.Field != "" {
		s = f.Field + ": " + s
	}
	if f.Err != nil {
		s += ": " + f.Err.Error()
	}
	return s
}

// Unwrap returns the cause.
func (f *Fault) Unwrap() error { return f.Err }

// At returns a copy of f whose field is below parent: At("style") turns field
// "mask" into "style.mask" and no field into "style".
func (f *Fault) At(parent string) *Fault {
	c := *f
	switch {
	case f.Field == "":
		c.Field = parent
	case f.Field[0] == '[':
		c.Field = parent + f.Field
	default:
		c.Field = parent + "." + f.Field
	}
	return &c
}

// From classifies err: a Fault in its chain, a context's end, a gRPC status;
// anything else is Internal. It returns nil for nil.
func From(err error) *Fault {
	if err == nil {
		return nil
	}
	if f, ok := errors.AsType[*Fault](err); ok {
		return f
	}
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return Wrap(err, Deadline, faultv1.Reason_REASON_DEADLINE_PASSED, "", "the deadline passed; retry with a longer one")
	case errors.Is(err, context.Canceled):
		return Wrap(err, Cancelled, faultv1.Reason_REASON_CANCELLED, "", "the call was cancelled")
	}
	// Not status.FromError: it puts what wraps the status into its message.
	if s, ok := errors.AsType[statusError](err); ok {
		return fromStatus(s.GRPCStatus(), err)
	}
	return Wrap(err, Internal, faultv1.Reason_REASON_UNSPECIFIED, "", internalMessage)
}

// statusError is an error that has a gRPC status.
type statusError interface {
	error
	GRPCStatus() *status.Status
}

// Is reports whether err is a fault with this reason.
func Is(err error, reason faultv1.Reason) bool {
	return err != nil && From(err).Reason == reason
}
