package jobqueue

import (
	"context"
	"errors"
)

// The classes of work. Interactive goes before batch.
const (
	// Interactive is work that somebody waits for.
	Interactive = "interactive"
	// Batch is work that can wait.
	Batch = "batch"
)

// Call says for whom a call is made. It travels with the call: through the
// queue in headers, over plain gRPC in metadata.
type Call struct {
	// Tenant is whose work it is: 1 to 63 letters, digits, "_" or "-".
	// Required. Results are shared within a tenant, never between two.
	Tenant string
	// Class is Interactive or Batch; empty means Interactive.
	Class string
	// Owner names the piece of work that a call of an owned method belongs to,
	// for example "generations/7/pictures/0/denoise". A repeated call with the
	// same owner and method is the same work. Unused by methods with a content
	// key.
	Owner string
	// First says that nobody has called the method in the owner's name before, so that
	// there is no outcome to look for: the work is published at once. Said of a call
	// that was cancelled before, it may end with that cancel. Unused by methods with a
	// content key, and not carried.
	First bool
	// Record is the id of the tenant's record that the call is made for. Owned
	// calls are sealed with the key of that record's work, which ForgetWork
	// destroys. Empty, and for methods with a content key: the tenant's key. It
	// is not carried over plain gRPC.
	Record string
}

type callKey struct{}

// WithCall returns a context whose calls are made for c.
func WithCall(ctx context.Context, c Call) context.Context {
	return context.WithValue(ctx, callKey{}, c)
}

// CallFrom returns for whom the call in ctx is made: on the calling side what
// WithCall put there, in a handler what came with the call.
func CallFrom(ctx context.Context) (Call, bool) {
	c, ok := ctx.Value(callKey{}).(Call)
	return c, ok
}

// Causes of a context's end, as context.Cause tells them.
var (
	// ErrCancelRequested ends the context of work that somebody cancelled.
	ErrCancelRequested = errors.New("cancel requested")
	// ErrLeaseLost ends the context of a claim that somebody else has taken
	// over, or may have. Calls that end with it leave their work running: it
	// now belongs to the other.
	ErrLeaseLost = errors.New("lease lost")
	// ErrShutdown ends the context of work that is handed back because its
	// worker stops. Calls that end with it leave their work running.
	ErrShutdown = errors.New("worker stops")
	// ErrDecided ends the context of work whose result somebody else recorded.
	ErrDecided = errors.New("result recorded by another")
)
