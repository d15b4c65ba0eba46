package jobqueue

import (
	"context"
	"fmt"
	"io"
	"runtime/debug"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

// invoke runs the handler on the message's request and returns the serialised
// response. A panic is the error of this call alone.
func (j *job) invoke(ctx context.Context, m method) (response []byte, err error) {
	defer func() {
		if p := recover(); p != nil {
			j.s.settings.Logger.Error("handler panicked", "method", j.work.method, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			response, err = nil, status.Error(codes.Internal, "internal error")
		}
	}()
	ctx = WithCall(ctx, j.work.call())
	ctx = metadata.NewIncomingContext(ctx, j.work.metadata)
	ctx = grpc.NewContextWithServerTransportStream(ctx, silent(j.work.method))
	decode := func(into any) error {
		request, ok := into.(proto.Message)
		if !ok {
			return status.Errorf(codes.Internal, "the request of %s is no protobuf message", j.work.method)
		}
		if err := proto.Unmarshal(j.work.request, request); err != nil {
			return status.Errorf(codes.InvalidArgument, "the request cannot be read: %v", err)
		}
		return nil
	}
	if m.unary != nil {
		reply, err := m.unary.Handler(m.impl, ctx, decode, j.s.settings.Unary)
		if err != nil {
			return nil, err
		}
		return marshal(reply)
	}
	stream := &serverStream{ctx: ctx, decode: decode, send: func(b []byte) error {
		sealed, err := j.s.q.seals.SealExisting(ctx, j.work.scope, j.work.progressPlace(), b)
		if err != nil {
			return err
		}
		return j.s.q.nc.Publish(j.work.event(eventProgress), sealed)
	}}
	if err := j.s.serveStream(m, stream); err != nil {
		return nil, err
	}
	if !stream.sent {
		return nil, status.Errorf(codes.Internal, "%s ended without a result", j.work.method)
	}
	return stream.held, nil
}

func (s *Server) serveStream(m method, stream grpc.ServerStream) error {
	if s.settings.Stream == nil {
		return m.stream.Handler(m.impl, stream)
	}
	info := &grpc.StreamServerInfo{FullMethod: m.rule.method, IsServerStream: true}
	return s.settings.Stream(m.impl, stream, info, m.stream.Handler)
}

func marshal(m any) ([]byte, error) {
	message, ok := m.(proto.Message)
	if !ok {
		return nil, status.Errorf(codes.Internal, "%T is no protobuf message", m)
	}
	b, err := proto.Marshal(message)
	if err != nil {
		return nil, status.Errorf(codes.Internal, "encode the response: %v", err)
	}
	return b, nil
}

// serverStream is one server-streaming call on its handler's side. Which message
// is the last is known only when the handler returns, so each is held back until
// the next: those before the last are progress, the last is the result.
type serverStream struct {
	ctx      context.Context //nolint:containedctx // grpc.ServerStream hands it out
	decode   func(any) error
	send     func([]byte) error
	received bool
	sent     bool
	held     []byte
}

func (s *serverStream) Context() context.Context { return s.ctx }

func (s *serverStream) RecvMsg(m any) error {
	if s.received {
		return io.EOF
	}
	s.received = true
	return s.decode(m)
}

func (s *serverStream) SendMsg(m any) error {
	if err := s.ctx.Err(); err != nil {
		return status.FromContextError(err).Err()
	}
	b, err := marshal(m)
	if err != nil {
		return err
	}
	if len(b) > MaxPayload {
		return status.Errorf(codes.Internal, "a message of %d bytes is more than %d; store large parts as blobs", len(b), MaxPayload)
	}
	before, had := s.held, s.sent
	s.held, s.sent = b, true
	if had {
		// Progress may be lost: the work is worth more than the news of it.
		_ = s.send(before)
	}
	return nil
}

// Header and trailer metadata are not carried; setting them is no error, so that
// a handler need not know how it is called.
func (s *serverStream) SetHeader(metadata.MD) error  { return nil }
func (s *serverStream) SendHeader(metadata.MD) error { return nil }
func (s *serverStream) SetTrailer(metadata.MD)       {}

// silent is the transport that grpc.SetHeader and the like find in a handler.
type silent string

func (m silent) Method() string               { return string(m) }
func (m silent) SetHeader(metadata.MD) error  { return nil }
func (m silent) SendHeader(metadata.MD) error { return nil }
func (m silent) SetTrailer(metadata.MD) error { return nil }
