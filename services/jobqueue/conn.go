package jobqueue

import (
	"context"

	"google.golang.org/grpc"
)

// ConnSettings say which workers a Conn calls.
type ConnSettings struct {
	// Bundle is the id of the model bundle whose workers take the calls
	// (bundle.ID: 12 hexadecimal digits); letters, digits, "_" and "-".
	Bundle string
}

// Conn makes gRPC calls through the queue: it is the connection of generated
// clients. Unary and server-streaming methods with a key_rule can be called;
// the caller's Call (WithCall) must be in the context. See the package
// documentation for what joining, cancelling and deadlines mean.
type Conn struct{}

var _ grpc.ClientConnInterface = (*Conn)(nil)

// NewConn returns a Conn for the workers of a bundle.
func NewConn(q *Queue, s ConnSettings) *Conn { panic("jobqueue: not written yet") }

// Invoke makes a unary call.
func (c *Conn) Invoke(ctx context.Context, method string, args, reply any, opts ...grpc.CallOption) error {
	panic("jobqueue: not written yet")
}

// NewStream makes a server-streaming call.
func (c *Conn) NewStream(ctx context.Context, desc *grpc.StreamDesc, method string, opts ...grpc.CallOption) (grpc.ClientStream, error) {
	panic("jobqueue: not written yet")
}
