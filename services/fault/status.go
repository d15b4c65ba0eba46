package fault

import (
	"strings"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/protoadapt"
	"google.golang.org/protobuf/types/known/durationpb"

	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
)

// Domain is the ErrorInfo domain of every fault.
const Domain = "facestudio"

const (
	internalMessage = "internal error"
	reasonPrefix    = "REASON_"
	fieldKey        = "field"
	quotaSubject    = "tenant" // whose limits they are: the caller's own
	defaultDelay    = time.Second
)

var kindCodes = map[Kind]codes.Code{
	Internal:        codes.Internal,
	Invalid:         codes.InvalidArgument,
	NotFound:        codes.NotFound,
	Conflict:        codes.AlreadyExists,
	Exhausted:       codes.ResourceExhausted,
	Unavailable:     codes.Unavailable,
	Deadline:        codes.DeadlineExceeded,
	Cancelled:       codes.Canceled,
	Precondition:    codes.FailedPrecondition,
	Unauthenticated: codes.Unauthenticated,
	Denied:          codes.PermissionDenied,
	Stale:           codes.Aborted,
}

// ToStatus is the one mapping of errors to gRPC: a code, an ErrorInfo with
// reason, domain and field, a BadRequest for an invalid field, a QuotaFailure that
// names a limit, and a RetryInfo when trying again may help. Causes are never sent, and what nobody
// classified says only "internal error". It returns the OK status for nil.
func ToStatus(err error) *status.Status {
	f := From(err)
	if f == nil {
		return status.New(codes.OK, "")
	}
	info := &errdetails.ErrorInfo{Reason: name(f.Reason), Domain: Domain}
	if f.Field != "" {
		info.Metadata = map[string]string{fieldKey: f.Field}
	}
	details := []protoadapt.MessageV1{info}
	if f.Kind == Invalid && f.Field != "" {
		bad := &errdetails.BadRequest{FieldViolations: []*errdetails.BadRequest_FieldViolation{
			{Field: f.Field, Description: f.Message, Reason: name(f.Reason)},
		}}
		for _, o := range f.Others {
			bad.FieldViolations = append(bad.FieldViolations, &errdetails.BadRequest_FieldViolation{
				Field: o.GetField(), Description: o.GetMessage(), Reason: name(o.GetReason()),
			})
		}
		details = append(details, bad)
	}
	if f.Limit != nil {
		details = append(details, &errdetails.QuotaFailure{Violations: []*errdetails.QuotaFailure_Violation{
			{Subject: quotaSubject, Description: f.Message, QuotaId: f.Limit.Name, QuotaValue: f.Limit.Value},
		}})
	}
	if f.Retryable {
		delay := f.RetryAfter
		if delay <= 0 {
			delay = defaultDelay
		}
		details = append(details, &errdetails.RetryInfo{RetryDelay: durationpb.New(delay)})
	}
	s := status.New(kindCodes[f.Kind], public(f))
	// Only a status of code OK refuses details, and no kind maps to it.
	if with, err := s.WithDetails(details...); err == nil {
		return with
	}
	return s
}

// fromStatus is the inverse of ToStatus. A status that another program made is
// classified by its code when the code speaks of the connection or the call's
// end, and is Internal otherwise.
func fromStatus(s *status.Status, err error) *Fault {
	f := &Fault{Kind: kindOfCode(s.Code()), Message: s.Message(), Err: err}
	ours := false
	for _, detail := range s.Details() {
		switch d := detail.(type) {
		case *errdetails.ErrorInfo:
			if d.GetDomain() == Domain {
				ours = true
				f.Reason = faultv1.Reason(faultv1.Reason_value[reasonPrefix+d.GetReason()])
				f.Field = d.GetMetadata()[fieldKey]
			}
		case *errdetails.BadRequest:
			for _, v := range d.GetFieldViolations() {
				f.Others = append(f.Others, &faultv1.Fault{
					Reason:  faultv1.Reason(faultv1.Reason_value[reasonPrefix+v.GetReason()]),
					Message: v.GetDescription(), Field: v.GetField(),
				})
			}
		case *errdetails.QuotaFailure:
			for _, v := range d.GetViolations() {
				f.Limit = &Limit{Name: v.GetQuotaId(), Value: v.GetQuotaValue()}
			}
		case *errdetails.RetryInfo:
			f.Retryable, f.RetryAfter = true, d.GetRetryDelay().AsDuration()
		}
	}
	if ours {
		// The first violation is the fault itself.
		f.Others = f.Others[min(1, len(f.Others)):]
		// The cause stayed with the sender; the status says nothing more.
		f.Err = nil
		return f
	}
	switch f.Kind {
	case Unavailable:
		return Wrap(err, Unavailable, faultv1.Reason_REASON_UNAVAILABLE, "", "a service cannot be reached; retry")
	case Deadline:
		return Wrap(err, Deadline, faultv1.Reason_REASON_DEADLINE_PASSED, "", "the deadline passed; retry with a longer one")
	case Cancelled:
		return Wrap(err, Cancelled, faultv1.Reason_REASON_CANCELLED, "", "the call was cancelled")
	case Exhausted:
		return Wrap(err, Exhausted, faultv1.Reason_REASON_QUOTA_EXHAUSTED, "", "a limit is reached; retry later")
	default:
		return Wrap(err, Internal, faultv1.Reason_REASON_UNSPECIFIED, "", internalMessage)
	}
}

func kindOfCode(code codes.Code) Kind {
	for kind, c := range kindCodes {
		if c == code {
			return kind
		}
	}
	return Internal
}

func name(reason faultv1.Reason) string {
	return strings.TrimPrefix(reason.String(), reasonPrefix)
}

// public is the message that leaves the process.
func public(f *Fault) string {
	if f.Reason == faultv1.Reason_REASON_UNSPECIFIED && f.Kind == Internal {
		return internalMessage
	}
	return f.Message
}
