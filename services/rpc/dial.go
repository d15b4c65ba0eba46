package rpc

import (
	"fmt"
	"time"

	"go.opentelemetry.io/contrib/instrumentation/google.golang.org/grpc/otelgrpc"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"
)

// DialSettings says how to reach a server.
type DialSettings struct {
	// TLS switches TLS on.
	TLS bool
	// CA is a PEM file of the authority that the server's certificate comes
	// from. Empty: the system's.
	CA string
	// Cert and Key are PEM files of the client's certificate. Both empty: none.
	Cert, Key string
	// MaxMessage is the largest message, bytes; 0 means DefaultMaxMessage.
	MaxMessage int
}

// Dial makes a connection to a server at host:port. It connects with the first
// call. A call's jobqueue.Call travels with it. More options of gRPC's own, such
// as a dialer, may follow.
func Dial(target string, s DialSettings, more ...grpc.DialOption) (*grpc.ClientConn, error) {
	if s.MaxMessage == 0 {
		s.MaxMessage = DefaultMaxMessage
	}
	creds := insecure.NewCredentials()
	if s.TLS || s.CA != "" || s.Cert != "" {
		tls, err := clientTLS(s)
		if err != nil {
			return nil, err
		}
		creds = credentials.NewTLS(tls)
	}
	options := []grpc.DialOption{
		grpc.WithTransportCredentials(creds),
		grpc.WithStatsHandler(otelgrpc.NewClientHandler()),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: 30 * time.Second, Timeout: 10 * time.Second}),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(s.MaxMessage), grpc.MaxCallSendMsgSize(s.MaxMessage)),
		grpc.WithChainUnaryInterceptor(dialUnary),
		grpc.WithChainStreamInterceptor(dialStream),
	}
	conn, err := grpc.NewClient(target, append(options, more...)...)
	if err != nil {
		return nil, fmt.Errorf("dial %s: %w", target, err)
	}
	return conn, nil
}
