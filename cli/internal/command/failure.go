package command

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	"github.com/facestudio/facestudio/services/config"
	"github.com/facestudio/facestudio/services/fault"
)

// failure is an error as it is shown.
type failure struct {
	// Message says what is wrong and the way out.
	Message string `json:"message"`
	// Reason is the stable cause; empty when there is none.
	Reason string `json:"reason,omitempty"`
	// Field is what is to blame: a flag with its file, a setting or a path.
	Field string `json:"field,omitempty"`
	// Others are further fields to blame, where there are several.
	Others []otherField `json:"others,omitempty"`
	// Retryable says that the same command may succeed later.
	Retryable bool `json:"retryable,omitempty"`
	// ExitCode is the command's.
	ExitCode int `json:"exit_code"`
}

// otherField is one more field that is to blame.
type otherField struct {
	Field   string `json:"field"`
	Reason  string `json:"reason"`
	Message string `json:"message"`
}

func describe(err error) failure {
	out := failure{Message: err.Error(), ExitCode: exitCode(err)}
	if _, ok := errors.AsType[usageError](err); ok {
		return out
	}
	if _, ok := errors.AsType[*config.InvalidError](err); ok {
		out.Reason = reasonName(faultv1.Reason_REASON_CONFIG_INVALID)
		return out
	}
	f := fault.From(err)
	if f.Reason == faultv1.Reason_REASON_UNSPECIFIED {
		return out
	}
	out.Message, out.Field, out.Retryable = f.Message, f.Field, f.Retryable
	out.Reason = reasonName(f.Reason)
	for _, o := range f.Others {
		out.Others = append(out.Others, otherField{o.GetField(), reasonName(o.GetReason()), o.GetMessage()})
	}
	return out
}

func reasonName(r faultv1.Reason) string {
	return strings.TrimPrefix(r.String(), "REASON_")
}

// printFailure shows an error to people, or to programs as one JSON object.
func printFailure(w io.Writer, err error, asJSON bool) {
	f := describe(err)
	if asJSON {
		_ = json.NewEncoder(w).Encode(map[string]failure{"error": f})
		return
	}
	fmt.Fprintf(w, "facestudio: %s\n", f.Message)
	if f.Field != "" {
		fmt.Fprintf(w, "  field:  %s\n", f.Field)
	}
	if f.Reason != "" {
		fmt.Fprintf(w, "  reason: %s\n", f.Reason)
	}
	for _, o := range f.Others {
		fmt.Fprintf(w, "  also:   %s: %s (%s)\n", o.Field, o.Message, o.Reason)
	}
	if f.Retryable {
		fmt.Fprintln(w, "  the same command may succeed later")
	}
}
