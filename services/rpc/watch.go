package rpc

import (
	"context"
	"path"
	"strings"

	"google.golang.org/grpc"

	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	"github.com/facestudio/facestudio/services/fault"
)

var errStopping = fault.New(fault.Unavailable, faultv1.Reason_REASON_UNAVAILABLE, "", "the server is stopping: call again")

// watchStream ends streams of methods named Watch... when draining ends.
func watchStream(draining context.Context) grpc.StreamServerInterceptor {
	return func(srv any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
		if !strings.HasPrefix(path.Base(info.FullMethod), "Watch") {
			return handler(srv, stream)
		}
		ctx, cancel := context.WithCancelCause(stream.Context())
		defer cancel(nil)
		defer context.AfterFunc(draining, func() { cancel(errStopping) })()
		err := handler(srv, within{stream, ctx})
		if err != nil && draining.Err() != nil && stream.Context().Err() == nil {
			return errStopping
		}
		return err
	}
}

// within is a stream with another context.
type within struct {
	grpc.ServerStream
	ctx context.Context
}

func (s within) Context() context.Context { return s.ctx }
