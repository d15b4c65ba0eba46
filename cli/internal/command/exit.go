package command

import (
	"errors"
	"fmt"

	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	"github.com/facestudio/facestudio/services/config"
	"github.com/facestudio/facestudio/services/fault"
)

// Exit codes of the command.
const (
	exitOK          = 0
	exitFailed      = 1
	exitUsage       = 2
	exitInput       = 3
	exitCancelled   = 4
	exitUnavailable = 5
)

// usageError is a command line that cannot be run.
type usageError struct{ err error }

func (e usageError) Error() string { return e.err.Error() }
func (e usageError) Unwrap() error { return e.err }

func usage(format string, args ...any) error {
	return usageError{fmt.Errorf(format, args...)}
}

// exitCode says what a script may conclude from an error.
func exitCode(err error) int {
	if err == nil {
		return exitOK
	}
	if _, ok := errors.AsType[usageError](err); ok {
		return exitUsage
	}
	if _, ok := errors.AsType[*config.InvalidError](err); ok {
		return exitUsage
	}
	f := fault.From(err)
	switch f.Reason {
	case faultv1.Reason_REASON_BUNDLE_INVALID, faultv1.Reason_REASON_CONFIG_INVALID:
		return exitUsage
	}
	switch f.Kind {
	case fault.Invalid, fault.NotFound, fault.Conflict:
		return exitInput
	case fault.Cancelled, fault.Deadline:
		return exitCancelled
	case fault.Unavailable, fault.Exhausted:
		return exitUnavailable
	case fault.Unauthenticated, fault.Denied:
		return exitUsage // the key is a setting
	}
	return exitFailed
}
