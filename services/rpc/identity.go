package rpc

import (
	"context"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	"github.com/facestudio/facestudio/services/jobqueue"
)

// Metadata keys that carry a jobqueue.Call over plain gRPC.
const (
	tenantKey = "facestudio-tenant"
	classKey  = "facestudio-class"
	ownerKey  = "facestudio-owner"
)

// incoming puts the caller's identity, as its metadata says, into the context.
func incoming(ctx context.Context) context.Context {
	md, ok := metadata.FromIncomingContext(ctx)
	if !ok {
		return ctx
	}
	first := func(key string) string {
		if values := md.Get(key); len(values) > 0 {
			return values[0]
		}
		return ""
	}
	call := jobqueue.Call{Tenant: first(tenantKey), Class: first(classKey), Owner: first(ownerKey)}
	if call == (jobqueue.Call{}) {
		return ctx
	}
	return jobqueue.WithCall(ctx, call)
}

// outgoing puts the identity in the context into the call's metadata.
func outgoing(ctx context.Context) context.Context {
	call, ok := jobqueue.CallFrom(ctx)
	if !ok {
		return ctx
	}
	return metadata.AppendToOutgoingContext(ctx,
		tenantKey, call.Tenant, classKey, call.Class, ownerKey, call.Owner)
}

func identityStream(srv any, stream grpc.ServerStream, _ *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
	return handler(srv, within{stream, incoming(stream.Context())})
}

func dialUnary(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
	return invoke(outgoing(ctx), method, req, reply, cc, opts...)
}

func dialStream(ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, open grpc.Streamer, opts ...grpc.CallOption) (grpc.ClientStream, error) {
	return open(outgoing(ctx), desc, cc, method, opts...)
}
