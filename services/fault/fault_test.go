package fault_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	"github.com/facestudio/facestudio/services/fault"
)

var kinds = map[fault.Kind]codes.Code{
	fault.Internal: codes.Internal, fault.Invalid: codes.InvalidArgument, fault.NotFound: codes.NotFound,
	fault.Conflict: codes.AlreadyExists, fault.Exhausted: codes.ResourceExhausted, fault.Unavailable: codes.Unavailable,
	fault.Deadline: codes.DeadlineExceeded, fault.Cancelled: codes.Canceled, fault.Precondition: codes.FailedPrecondition,
	fault.Unauthenticated: codes.Unauthenticated, fault.Denied: codes.PermissionDenied,
	fault.Stale: codes.Aborted,
}

func TestStatusComesBack(t *testing.T) {
	for kind, code := range kinds {
		f := fault.New(kind, faultv1.Reason_REASON_NO_FACE_FOUND, "subjects[0].photos[1]", "no face in %q", "a.jpg")
		f.RetryAfter = 3 * time.Second
		s := fault.ToStatus(fmt.Errorf("wrapped: %w", f))
		if s.Code() != code || s.Message() != `no face in "a.jpg"` {
			t.Errorf("%v: %v", kind, s)
		}
		got := fault.From(fmt.Errorf("called: %w", s.Err()))
		if got.Kind != kind || got.Reason != f.Reason || got.Field != f.Field || got.Message != f.Message || got.Retryable != f.Retryable {
			t.Errorf("%v came back as %+v", kind, got)
		}
		if f.Retryable && got.RetryAfter != f.RetryAfter {
			t.Errorf("delay %v", got.RetryAfter)
		}
	}
}

func TestStatusDetails(t *testing.T) {
	var info *errdetails.ErrorInfo
	var bad *errdetails.BadRequest
	for _, d := range fault.ToStatus(fault.InvalidField("alpha", "alpha is 1.5")).Details() {
		switch d := d.(type) {
		case *errdetails.ErrorInfo:
			info = d
		case *errdetails.BadRequest:
			bad = d
		case *errdetails.RetryInfo:
			t.Error("a bad field is not to be retried")
		}
	}
	if info.GetReason() != "INVALID_FIELD" || info.GetDomain() != "facestudio" || info.GetMetadata()["field"] != "alpha" {
		t.Errorf("info %v", info)
	}
	if v := bad.GetFieldViolations(); len(v) != 1 || v[0].GetField() != "alpha" || v[0].GetDescription() != "alpha is 1.5" {
		t.Errorf("violations %v", v)
	}
}

func TestALimitIsNamed(t *testing.T) {
	f := fault.New(fault.Exhausted, faultv1.Reason_REASON_QUOTA_EXHAUSTED, "", "as many as a day may have")
	f.Limit = &fault.Limit{Name: "pictures-per-day", Value: 100}
	s := fault.ToStatus(f)
	var quota *errdetails.QuotaFailure
	for _, d := range s.Details() {
		if q, ok := d.(*errdetails.QuotaFailure); ok {
			quota = q
		}
	}
	if v := quota.GetViolations(); len(v) != 1 || v[0].GetQuotaId() != "pictures-per-day" || v[0].GetQuotaValue() != 100 || v[0].GetDescription() != f.Message {
		t.Errorf("violations %v", v)
	}
	if got := fault.From(s.Err()); got.Limit == nil || *got.Limit != *f.Limit {
		t.Errorf("came back as %+v", got.Limit)
	}
}

func TestCausesStayInside(t *testing.T) {
	secret := errors.New("/home/ada/key: permission denied")
	for name, err := range map[string]error{
		"plain":   secret,
		"wrapped": fault.Wrap(secret, fault.Unavailable, faultv1.Reason_REASON_UNAVAILABLE, "", "the store is away; retry"),
		"foreign": status.Error(codes.Unknown, secret.Error()),
		"bug":     fault.New(fault.Internal, faultv1.Reason_REASON_UNSPECIFIED, "", "%v", secret),
	} {
		s := fault.ToStatus(err)
		if strings.Contains(s.Proto().String(), "ada") || strings.Contains(fault.ToProto(err).String(), "ada") {
			t.Errorf("%s: %v", name, s)
		}
		if !strings.Contains(fault.From(err).Error(), "ada") {
			t.Errorf("%s: the log does not know: %v", name, fault.From(err))
		}
	}
	if !errors.Is(fault.From(secret), secret) {
		t.Error("the cause is not in the chain")
	}
}

func TestFromClassifies(t *testing.T) {
	for name, c := range map[string]struct {
		err    error
		kind   fault.Kind
		reason faultv1.Reason
		retry  bool
	}{
		"cancelled":      {fmt.Errorf("x: %w", context.Canceled), fault.Cancelled, faultv1.Reason_REASON_CANCELLED, false},
		"deadline":       {context.DeadlineExceeded, fault.Deadline, faultv1.Reason_REASON_DEADLINE_PASSED, false},
		"grpc cancelled": {status.Error(codes.Canceled, ""), fault.Cancelled, faultv1.Reason_REASON_CANCELLED, false},
		"grpc deadline":  {status.Error(codes.DeadlineExceeded, ""), fault.Deadline, faultv1.Reason_REASON_DEADLINE_PASSED, false},
		"grpc away":      {status.Error(codes.Unavailable, ""), fault.Unavailable, faultv1.Reason_REASON_UNAVAILABLE, true},
		"grpc full":      {status.Error(codes.ResourceExhausted, ""), fault.Exhausted, faultv1.Reason_REASON_QUOTA_EXHAUSTED, true},
		"grpc other":     {status.Error(codes.Unimplemented, ""), fault.Internal, faultv1.Reason_REASON_UNSPECIFIED, false},
		"other":          {errors.New("x"), fault.Internal, faultv1.Reason_REASON_UNSPECIFIED, false},
	} {
		f := fault.From(c.err)
		if f.Kind != c.kind || f.Reason != c.reason || f.Retryable != c.retry || f.Message == "" {
			t.Errorf("%s: %+v", name, f)
		}
	}
	if fault.From(nil) != nil || fault.ToStatus(nil).Code() != codes.OK || fault.ToProto(nil) != nil || fault.FromProto(nil) != nil {
		t.Error("nil is a fault")
	}
	if fault.Is(nil, faultv1.Reason_REASON_UNSPECIFIED) || !fault.Is(context.Canceled, faultv1.Reason_REASON_CANCELLED) {
		t.Error("Is")
	}
}

// Every reason has a kind when it comes back from storage.
func TestStoredFaultsComeBack(t *testing.T) {
	for number := range faultv1.Reason_name {
		reason := faultv1.Reason(number)
		stored := &faultv1.Fault{Reason: reason, Message: "m", Field: "f", Retryable: true}
		f := fault.FromProto(stored)
		if f.Reason != reason || f.Message != "m" || f.Field != "f" || !f.Retryable {
			t.Errorf("%v: %+v", reason, f)
		}
		if internal := reason == faultv1.Reason_REASON_UNSPECIFIED || reason == faultv1.Reason_REASON_ATTEMPTS_EXHAUSTED; (f.Kind == fault.Internal) != internal {
			t.Errorf("%v: kind %d", reason, f.Kind)
		}
		if again := fault.ToProto(f); reason != faultv1.Reason_REASON_UNSPECIFIED && again.String() != stored.String() {
			t.Errorf("%v came back as %v", stored, again)
		}
	}
}

func TestAt(t *testing.T) {
	for field, want := range map[string]string{"": "style", "mask": "style.mask", "[2].x": "style[2].x"} {
		f := fault.InvalidField(field, "m")
		if got := f.At("style"); got.Field != want || f.Field != field {
			t.Errorf("%q became %q", field, got.Field)
		}
	}
}
