// Package stage lets the tests of a stage run it as its process does, on the
// tiny bundle, and call it over gRPC in memory.
package stage

import (
	"context"
	"log/slog"
	"net"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/test/bufconn"

	"github.com/facestudio/facestudio/services/blob"
	"github.com/facestudio/facestudio/services/fault"
	"github.com/facestudio/facestudio/services/jobqueue"
	"github.com/facestudio/facestudio/services/testkit"
	"github.com/facestudio/facestudio/services/worker"
)

// Tenant is for whom the calls of a connection of Dial are made.
const Tenant = "test"

// Env returns what a stage is built from: the tiny bundle, one thread, one
// slot, and an empty blob store in memory.
func Env(tb testing.TB) worker.Env {
	tb.Helper()
	blobs, err := blob.Open(tb.Context(), "mem://", testkit.Ring(tb))
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := blobs.Close(); err != nil {
			tb.Error(err)
		}
	})
	return worker.Env{
		Bundle:  testkit.TinyBundle(tb),
		Runtime: testkit.Runtime(tb),
		Threads: 1,
		Slots:   1,
		Blobs:   blobs,
		Log:     slog.New(slog.DiscardHandler),
	}
}

// Build builds a stage, which is closed with the test.
func Build(tb testing.TB, build worker.Build, env worker.Env) worker.Stage {
	tb.Helper()
	built, err := build(tb.Context(), env)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := built.Close(); err != nil {
			tb.Error(err)
		}
	})
	return built
}

// Dial serves a stage in memory and returns a connection to it. Errors are
// statuses, as they are between processes.
func Dial(tb testing.TB, served worker.Stage) *grpc.ClientConn {
	tb.Helper()
	return DialAs(tb, served, func(ctx context.Context) context.Context {
		return jobqueue.WithCall(ctx, jobqueue.Call{Tenant: Tenant})
	})
}

// DialAs is Dial with as making the context that the stage sees of a call's.
func DialAs(tb testing.TB, served worker.Stage, as func(context.Context) context.Context) *grpc.ClientConn {
	tb.Helper()
	listener := bufconn.Listen(1 << 20)
	server := grpc.NewServer(grpc.UnaryInterceptor(unary(as)), grpc.StreamInterceptor(stream(as)))
	served.Register(server)
	done := make(chan error, 1)
	go func() { done <- server.Serve(listener) }()
	conn, err := grpc.NewClient("passthrough:///stage",
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return listener.DialContext(ctx) }),
		grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		_ = conn.Close()
		server.GracefulStop()
		if err := <-done; err != nil {
			tb.Error(err)
		}
	})
	return conn
}

func unary(as func(context.Context) context.Context) grpc.UnaryServerInterceptor {
	return func(ctx context.Context, req any, _ *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
		out, err := handler(as(ctx), req)
		if err != nil {
			return nil, fault.ToStatus(err).Err()
		}
		return out, nil
	}
}

func stream(as func(context.Context) context.Context) grpc.StreamServerInterceptor {
	return func(srv any, s grpc.ServerStream, _ *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
		if err := handler(srv, called{s, as(s.Context())}); err != nil {
			return fault.ToStatus(err).Err()
		}
		return nil
	}
}

// called is a stream whose context says for whom it is.
type called struct {
	grpc.ServerStream
	ctx context.Context //nolint:containedctx // a stream has one
}

func (c called) Context() context.Context { return c.ctx }
