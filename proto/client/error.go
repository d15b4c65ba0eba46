package client

import (
	"context"
	"errors"
	"strings"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	gatewayv1 "github.com/facestudio/facestudio/proto/gen/facestudio/gateway/v1"
)

// domain is the ErrorInfo domain of the mesh.
const domain = "facestudio"

// Error is why a call or a generation failed. Find it with errors.As.
type Error struct {
	// Code is the gRPC code of the call; of a generation that failed, Aborted or
	// Canceled.
	Code codes.Code
	// Reason is the stable cause; REASON_UNSPECIFIED when the mesh gave none.
	Reason faultv1.Reason
	// Field is the request field that is to blame, such as
	// "subjects[0].photos[1]"; of a generation, within it. Empty when none is.
	Field string
	// Message says what is wrong and the way out.
	Message string
	// Others are further fields that are to blame, each with its own reason.
	Others []*faultv1.Fault
	// Retryable says whether the same request may succeed later.
	Retryable bool
	// RetryAfter is how long to wait before that; 0 when the mesh does not say.
	RetryAfter time.Duration

	status *status.Status
}

// Error implements error.
func (e *Error) Error() string {
	text := e.Message
	if e.Field != "" {
		text = e.Field + ": " + text
	}
	if e.Reason != faultv1.Reason_REASON_UNSPECIFIED {
		text += " (" + strings.TrimPrefix(e.Reason.String(), "REASON_") + ")"
	}
	return text
}

// GRPCStatus returns the status that the call ended with.
func (e *Error) GRPCStatus() *status.Status { return e.status }

// Is makes the end of a context findable by errors.Is.
func (e *Error) Is(target error) bool {
	return errors.Is(target, context.Canceled) && e.Code == codes.Canceled ||
		errors.Is(target, context.DeadlineExceeded) && e.Code == codes.DeadlineExceeded
}

// wrap makes the error of a call an *Error; nil stays nil.
func wrap(err error) error {
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[*Error](err); ok {
		return err
	}
	s, ok := status.FromError(err)
	if !ok {
		s = status.FromContextError(err)
	}
	e := &Error{Code: s.Code(), Message: s.Message(), Retryable: s.Code() == codes.Unavailable, status: s}
	for _, detail := range s.Details() {
		switch d := detail.(type) {
		case *errdetails.ErrorInfo:
			if d.GetDomain() == domain {
				e.Reason, e.Field = reason(d.GetReason()), d.GetMetadata()["field"]
			}
		case *errdetails.BadRequest:
			for _, v := range d.GetFieldViolations() {
				e.Others = append(e.Others, &faultv1.Fault{Reason: reason(v.GetReason()), Field: v.GetField(), Message: v.GetDescription()})
			}
		case *errdetails.RetryInfo:
			e.Retryable, e.RetryAfter = true, d.GetRetryDelay().AsDuration()
		}
	}
	// The first violation is the error itself.
	e.Others = e.Others[min(1, len(e.Others)):]
	return e
}

func reason(name string) faultv1.Reason { return faultv1.Reason(faultv1.Reason_value["REASON_"+name]) }

// Outcome is nil for a generation that succeeded or has not ended, and else why
// it failed, an *Error.
func Outcome(g *gatewayv1.Generation) error {
	e := &Error{
		Reason: g.GetFault().GetReason(), Field: g.GetFault().GetField(),
		Message: g.GetFault().GetMessage(), Retryable: g.GetFault().GetRetryable(),
	}
	switch g.GetState() {
	case gatewayv1.State_STATE_FAILED:
		e.Code = codes.Aborted
	case gatewayv1.State_STATE_CANCELLED:
		e.Code = codes.Canceled
	default:
		return nil
	}
	if e.Message == "" {
		e.Message = g.GetName() + " did not succeed"
	}
	e.status = status.New(e.Code, e.Message)
	return e
}

// Ended tells whether a generation is in a terminal state.
func Ended(g *gatewayv1.Generation) bool {
	switch g.GetState() {
	case gatewayv1.State_STATE_SUCCEEDED, gatewayv1.State_STATE_FAILED, gatewayv1.State_STATE_CANCELLED:
		return true
	default:
		return false
	}
}
