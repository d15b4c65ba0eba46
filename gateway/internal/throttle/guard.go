package throttle

import (
	"context"
	"slices"

	"google.golang.org/grpc"
)

// Guard returns a registrar that registers services with to, each of their calls
// counted first, before its message is read. It is for servers that know who calls
// by then, as rpc.Server does. A stream is one call.
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
			if err := g.throttle.take(ctx); err != nil {
				return nil, err
			}
			return handle(srv, ctx, decode, before)
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
