package rpc

import (
	"context"
	"errors"
	"net"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/peer"

	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	"github.com/facestudio/facestudio/services/fault"
)

// Guard decides who is let in. It is asked about every call of the mesh's own
// methods; health and reflection answer everybody, since probes and tools have no
// credentials.
type Guard interface {
	// Admit returns the context that a call is answered in, or a fault that says
	// why it is refused. In ctx are the call's metadata and the jobqueue.Call that
	// these claim; what the returned context has is believed.
	Admit(ctx context.Context, method string) (context.Context, error)
	// Hold waits beside a call that was let in, whose context ctx is, and returns why
	// it may not go on any more, or nil when ctx has ended. The call then ends with
	// that fault, unless it succeeds at the same moment.
	Hold(ctx context.Context, method string) error
}

// Guard gives the server a guard, which then decides by itself who is let in.
// Without one a server answers whoever it has reason to trust to say for which
// tenant they call: those whose certificate it verified, and this machine. Call it
// before Run.
func (s *Server) Guard(g Guard) { s.door.guard = g }

// Admit tells whether a call that is to come by DialLocal would be let in, before
// what it brings is read. In ctx is the metadata that the call will have; the
// context that is returned has who calls.
func (s *Server) Admit(ctx context.Context, method string) (context.Context, error) {
	if s.local == nil {
		return nil, errors.New("nothing calls this server from within the process")
	}
	return s.door.admit(incoming(peer.NewContext(ctx, &peer.Peer{Addr: s.local.Addr()})), method)
}

// door lets calls in, or not.
type door struct {
	// open lets everybody in: InsecureListen.
	open  bool
	guard Guard
}

func (d *door) stream(srv any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
	ctx, err := d.admit(stream.Context(), info.FullMethod)
	if err != nil {
		return err
	}
	if d.guard == nil || !ours(info.FullMethod) {
		return handler(srv, within{stream, ctx})
	}
	return d.hold(ctx, info, func(ctx context.Context) error {
		if info.IsClientStream {
			stream = leaving{stream, ctx}
		}
		return handler(srv, within{stream, ctx})
	})
}

func (d *door) admit(ctx context.Context, method string) (context.Context, error) {
	switch {
	case !ours(method):
		return ctx, nil
	case d.guard != nil:
		return d.guard.Admit(ctx, method)
	case d.open || trusted(ctx):
		return ctx, nil
	default:
		return nil, fault.New(fault.Unauthenticated, faultv1.Reason_REASON_CREDENTIALS_MISSING, "",
			"this server answers only clients with a certificate of its authority: give one (see tls-client-ca)")
	}
}

// trusted tells whether the caller is within this process, on this machine, or
// has shown a certificate of ours.
func trusted(ctx context.Context) bool {
	p, ok := peer.FromContext(ctx)
	if !ok {
		return false
	}
	if info, ok := p.AuthInfo.(credentials.TLSInfo); ok && len(info.State.VerifiedChains) > 0 {
		return true
	}
	switch addr := p.Addr.(type) {
	case *net.TCPAddr:
		return addr.IP.IsLoopback()
	default:
		return addr.Network() == inProcess
	}
}

// inProcess is the network of a bufconn.Listener.
const inProcess = "bufconn"
