package rest

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	"github.com/facestudio/facestudio/services/fault"
)

// Problem is problem details (RFC 9457).
type Problem struct {
	// Type is where the reason is explained, a path on this server.
	Type string `json:"type"`
	// Title is the reason, in words.
	Title string `json:"title"`
	// Status is the HTTP status.
	Status int `json:"status"`
	// Detail is one sentence for people: what is wrong and the way out.
	Detail string `json:"detail"`
	// Reason is the stable cause, without "REASON_".
	Reason string `json:"reason"`
	// Field is the request field that is to blame; may be empty.
	Field string `json:"field,omitempty"`
	// Retryable says whether the same request may succeed later.
	Retryable bool `json:"retryable,omitempty"`
	// Violated are the names of the limits that are reached, as the field
	// RateLimit-Policy has them.
	Violated []string `json:"violated-policies,omitempty"`

	retryAfter time.Duration
}

// ProblemOf describes an error by the same mapping as gRPC's statuses.
func ProblemOf(err error) *Problem {
	if tooLarge, ok := errors.AsType[*http.MaxBytesError](err); ok {
		err = fault.New(fault.Invalid, faultv1.Reason_REASON_IMAGE_TOO_LARGE, "",
			"the request has more than %d bytes: scale the pictures down, or send fewer", tooLarge.Limit)
	}
	f := fault.From(err)
	p := &Problem{
		Status: runtime.HTTPStatusFromCode(fault.ToStatus(f).Code()), Detail: fault.ToStatus(f).Message(),
		Field: f.Field, Retryable: f.Retryable, retryAfter: f.RetryAfter,
	}
	if f.Limit != nil {
		p.Violated = []string{f.Limit.Name}
	}
	reason := f.Reason
	switch s, ok := foreign(err); {
	case ok && s.Code() == codes.InvalidArgument:
		// grpc-gateway's own: JSON that cannot be read, a parameter of another type.
		p.Status, p.Detail = http.StatusBadRequest, s.Message()
		reason = faultv1.Reason_REASON_INVALID_FIELD
	case ok && s.Code() == codes.Unimplemented:
		p.Status, p.Detail = http.StatusNotImplemented, "this server does not serve that"
		reason = faultv1.Reason_REASON_UNSUPPORTED
	case reason == faultv1.Reason_REASON_IMAGE_TOO_LARGE:
		p.Status = http.StatusRequestEntityTooLarge
	}
	p.Reason = strings.TrimPrefix(reason.String(), "REASON_")
	p.Title = title(p.Reason)
	p.Type = "/docs#reason-" + p.Reason
	return p
}

// title is a reason as people write: "No face found".
func title(reason string) string {
	words := strings.ToLower(strings.ReplaceAll(reason, "_", " "))
	if words == "unspecified" {
		return "Internal error"
	}
	return strings.ToUpper(words[:1]) + words[1:]
}

// write answers a request with the problem.
func (p *Problem) write(w http.ResponseWriter) {
	h := w.Header()
	h.Set("Content-Type", "application/problem+json")
	h.Set("Cache-Control", "no-store")
	if challenge := p.challenge(); challenge != "" {
		h.Set("WWW-Authenticate", challenge)
	}
	if p.Retryable {
		// Rounded up: who comes too early is refused again.
		h.Set("Retry-After", strconv.Itoa(max(1, int((p.retryAfter+time.Second-1)/time.Second))))
	}
	w.WriteHeader(p.Status)
	// The caller is gone if that fails.
	_ = json.NewEncoder(w).Encode(p)
}

// challenge says how to show who calls (RFC 6750 3); empty when that is not what
// is wrong.
func (p *Problem) challenge() string {
	const scheme = `Bearer realm="facestudio"`
	switch p.Reason {
	case "CREDENTIALS_MISSING":
		return scheme
	case "CREDENTIALS_INVALID", "CREDENTIALS_EXPIRED":
		return scheme + `, error="invalid_token"`
	case "SCOPE_MISSING":
		return scheme + `, error="insufficient_scope"`
	default:
		return ""
	}
}

func (a *API) failed(ctx context.Context, _ *runtime.ServeMux, _ runtime.Marshaler, w http.ResponseWriter, r *http.Request, err error) {
	if md, ok := runtime.ServerMetadataFromContext(ctx); ok {
		tellLimits(w, md.HeaderMD)
	}
	refuse(w, r, err)
}

func (a *API) misrouted(_ context.Context, _ *runtime.ServeMux, _ runtime.Marshaler, w http.ResponseWriter, r *http.Request, code int) {
	p := &Problem{Status: code, Reason: "UNSUPPORTED", Type: "/docs#reason-UNSUPPORTED", Title: http.StatusText(code)}
	switch code {
	case http.StatusMethodNotAllowed:
		p.Detail = r.Method + " is not possible there: /docs lists what is"
	case http.StatusNotFound:
		p.Detail = "there is nothing at this address: /docs lists what is"
	default:
		p.Detail = "the address cannot be read: /docs lists what is"
	}
	p.write(w)
}

// foreign returns the status of an error that the mesh did not classify.
func foreign(err error) (*status.Status, bool) {
	s, ok := status.FromError(err)
	return s, ok && len(s.Details()) == 0
}
