package jobqueue

import (
	"context"
	"io"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

// NewStream makes a server-streaming call: the request is sent when the client
// closes its side. As with any gRPC stream, the caller reads until an error or
// cancels ctx. Messages before the last one may be lost; the last one is the
// result and is not.
func (c *Conn) NewStream(ctx context.Context, desc *grpc.StreamDesc, method string, _ ...grpc.CallOption) (grpc.ClientStream, error) {
	if desc.ClientStreams {
		return nil, status.Errorf(codes.Unimplemented, "call through the queue: %s streams requests", method)
	}
	return &clientStream{conn: c, ctx: ctx, method: method, wake: make(chan struct{}, 1)}, nil
}

// clientStream is one server-streaming call on its caller's side.
type clientStream struct {
	conn    *Conn
	ctx     context.Context //nolint:containedctx // grpc.ClientStream hands it out
	method  string
	request proto.Message
	wake    chan struct{}

	mu       sync.Mutex
	progress [][]byte
	// ended is set with last or err.
	ended bool
	last  []byte
	err   error
}

// Header returns nothing: header metadata is not carried.
func (s *clientStream) Header() (metadata.MD, error) { return metadata.MD{}, nil }

// Trailer returns nothing: trailer metadata is not carried.
func (s *clientStream) Trailer() metadata.MD { return metadata.MD{} }

// Context returns the call's context.
func (s *clientStream) Context() context.Context { return s.ctx }

// SendMsg takes the one request.
func (s *clientStream) SendMsg(m any) error {
	request, ok := m.(proto.Message)
	if !ok || s.request != nil {
		return status.Errorf(codes.Internal, "%s takes one protobuf message", s.method)
	}
	s.request = proto.Clone(request)
	return nil
}

// CloseSend begins the call. What it starts ends with the call or its context.
func (s *clientStream) CloseSend() error {
	if s.request == nil {
		return status.Errorf(codes.Internal, "%s takes one request, and none was sent", s.method)
	}
	go func() {
		last, err := s.conn.call(s.ctx, s.method, s.request, s.hear)
		s.mu.Lock()
		s.ended, s.last, s.err = true, last, err
		s.mu.Unlock()
		s.signal()
	}()
	return nil
}

func (s *clientStream) hear(m []byte) {
	s.mu.Lock()
	if len(s.progress) == progressBuffer {
		s.progress = s.progress[1:]
	}
	s.progress = append(s.progress, m)
	s.mu.Unlock()
	s.signal()
}

func (s *clientStream) signal() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// RecvMsg reads the next message, io.EOF after the last.
func (s *clientStream) RecvMsg(m any) error {
	out, ok := m.(proto.Message)
	if !ok {
		return status.Errorf(codes.Internal, "the messages of %s are protobuf", s.method)
	}
	for {
		data, ok, err := s.next()
		if err != nil {
			return err
		}
		if ok {
			return unmarshal(data, out)
		}
		<-s.wake
	}
}

// next takes a message if there is one.
func (s *clientStream) next() ([]byte, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case len(s.progress) > 0:
		data := s.progress[0]
		s.progress = s.progress[1:]
		return data, true, nil
	case !s.ended:
		return nil, false, nil
	case s.err != nil:
		return nil, false, s.err
	default:
		s.err = io.EOF
		return s.last, true, nil
	}
}
