package throttle

import (
	"context"
	"slices"

	"google.golang.org/grpc"
)

// Guard returns a registrar that registers services with to, each of their calls
// counted first; what the server itself puts before calls runs before that, so
// that the caller is known. A stream is one call.
func (t *Throttle) Guard(to grpc.ServiceRegistrar) grpc.ServiceRegistrar { return guarded{t, to} }

type guarded struct {
	throttle *Throttle
	to       grpc.ServiceRegistrar
}

// RegisterService implements grpc.ServiceRegistrar.
func (g guarded) RegisterService(desc *grpc.ServiceDesc, impl any) {
	counted := *desc
	counted.Methods, counted.Streams = slices.Clone(desc.Methods), slices.Clone(desc.Streams)
	for i := range counted.Methods {
		handle := counted.Methods[i].Handler
		counted.Methods[i].Handler = func(srv any, ctx context.Context, decode func(any) error, before grpc.UnaryServerInterceptor) (any, error) {
			return handle(srv, ctx, decode, g.throttle.within(before))
		}
	}
	for i := range counted.Streams {
		handle := counted.Streams[i].Handler
		counted.Streams[i].Handler = func(srv any, stream grpc.ServerStream) error {
			if err := g.throttle.take(stream.Context()); err != nil {
				return err
			}
			return handle(srv, stream)
		}
	}
	g.to.RegisterService(&counted, impl)
}

// within is the interceptor that counts a call inside another one, nil for none.
func (t *Throttle) within(before grpc.UnaryServerInterceptor) grpc.UnaryServerInterceptor {
	return func(ctx context.Context, req any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
		counted := func(ctx context.Context, req any) (any, error) {
			if err := t.take(ctx); err != nil {
				return nil, err
			}
			return handler(ctx, req)
		}
		if before == nil {
			return counted(ctx, req)
		}
		return before(ctx, req, info, counted)
	}
}
