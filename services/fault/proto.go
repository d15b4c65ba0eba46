package fault

import faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"

// reasonKinds is the kind that a stored fault, which has none, gets back. What
// is not listed is Invalid.
var reasonKinds = map[faultv1.Reason]Kind{
	faultv1.Reason_REASON_UNSPECIFIED:         Internal,
	faultv1.Reason_REASON_UNKNOWN_SUBJECT:     NotFound,
	faultv1.Reason_REASON_UNKNOWN_GENERATION:  NotFound,
	faultv1.Reason_REASON_UNKNOWN_DEAD_LETTER: NotFound,
	faultv1.Reason_REASON_UNKNOWN_STAGE:       NotFound,
	faultv1.Reason_REASON_UNKNOWN_PICTURE:     NotFound,
	faultv1.Reason_REASON_UNKNOWN_UPLOAD:      NotFound,
	faultv1.Reason_REASON_UNKNOWN_STYLE:       NotFound,
	faultv1.Reason_REASON_ETAG_MISMATCH:       Stale,
	faultv1.Reason_REASON_WRONG_OFFSET:        Stale,
	faultv1.Reason_REASON_NOT_ENDED:           Precondition,
	faultv1.Reason_REASON_REQUEST_ID_REUSED:   Conflict,
	faultv1.Reason_REASON_QUOTA_EXHAUSTED:     Exhausted,
	faultv1.Reason_REASON_RATE_LIMITED:        Exhausted,
	faultv1.Reason_REASON_DEADLINE_PASSED:     Deadline,
	faultv1.Reason_REASON_CANCELLED:           Cancelled,
	faultv1.Reason_REASON_BUNDLE_INVALID:      Precondition,
	faultv1.Reason_REASON_BUNDLE_MISMATCH:     Precondition,
	faultv1.Reason_REASON_BUNDLE_NOT_SERVED:   Unavailable,
	faultv1.Reason_REASON_ROLE_MISSING:        Precondition,
	faultv1.Reason_REASON_CONFIG_INVALID:      Precondition,
	faultv1.Reason_REASON_UNAVAILABLE:         Unavailable,
	faultv1.Reason_REASON_ATTEMPTS_EXHAUSTED:  Internal,
	faultv1.Reason_REASON_BLOB_MISSING:        Precondition,
	faultv1.Reason_REASON_CREDENTIALS_MISSING: Unauthenticated,
	faultv1.Reason_REASON_CREDENTIALS_INVALID: Unauthenticated,
	faultv1.Reason_REASON_CREDENTIALS_EXPIRED: Unauthenticated,
	faultv1.Reason_REASON_SCOPE_MISSING:       Denied,
	faultv1.Reason_REASON_TENANT_MISMATCH:     Denied,
	faultv1.Reason_REASON_UNKNOWN_KEY:         NotFound,
}

// ToProto returns the form of err that is stored with a generation; nil for
// nil.
func ToProto(err error) *faultv1.Fault {
	f := From(err)
	if f == nil {
		return nil
	}
	return &faultv1.Fault{Reason: f.Reason, Message: public(f), Field: f.Field, Retryable: f.Retryable}
}

// FromProto returns the fault of its stored form, its kind by its reason; nil
// for nil.
func FromProto(m *faultv1.Fault) *Fault {
	if m == nil {
		return nil
	}
	kind, ok := reasonKinds[m.GetReason()]
	if !ok {
		kind = Invalid
	}
	return &Fault{Kind: kind, Reason: m.GetReason(), Field: m.GetField(), Message: m.GetMessage(), Retryable: m.GetRetryable()}
}
