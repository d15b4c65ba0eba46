package rpc

import (
	"context"
	"log/slog"
	"runtime/debug"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"

	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	"github.com/facestudio/facestudio/services/fault"
)

// statusStream turns errors into statuses by fault's one mapping and logs what
// the mapping keeps from the caller.
func statusStream(log *slog.Logger) grpc.StreamServerInterceptor {
	return func(srv any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
		err := handler(srv, stream)
		if err != nil && ours(info.FullMethod) {
			return toStatus(stream.Context(), log, info.FullMethod, err)
		}
		return err
	}
}

// ours tells the mesh's methods from health and reflection, whose statuses are
// right already.
func ours(method string) bool { return strings.HasPrefix(method, "/facestudio.") }

func toStatus(ctx context.Context, log *slog.Logger, method string, err error) error {
	st := fault.ToStatus(err)
	if st.Code() == codes.Internal || st.Code() == codes.Unknown {
		log.ErrorContext(ctx, "call failed", slog.String("method", method), slog.Any("error", err))
	}
	return st.Err()
}

// RecoverUnary turns a panic into an internal fault, so that one call cannot
// take the others with it.
func RecoverUnary(ctx context.Context, req any, _ *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (out any, err error) {
	defer func() {
		if value := recover(); value != nil {
			err = panicked(value)
		}
	}()
	return handler(ctx, req)
}

// RecoverStream is RecoverUnary for streams.
func RecoverStream(srv any, stream grpc.ServerStream, _ *grpc.StreamServerInfo, handler grpc.StreamHandler) (err error) {
	defer func() {
		if value := recover(); value != nil {
			err = panicked(value)
		}
	}()
	return handler(srv, stream)
}

func panicked(value any) error {
	return fault.New(fault.Internal, faultv1.Reason_REASON_UNSPECIFIED, "", "panic: %v\n%s", value, debug.Stack())
}
