// Package client calls a FaceStudio mesh from Go. It depends on gRPC and
// protobuf alone, so that any program can import it.
//
// Generate does the whole of a generation: it creates it so that a lost answer
// makes no second one, follows it over lost connections, and fetches its
// pictures. What fails is an *Error, with the stable reason, the field that is to
// blame and how long to wait before trying again. Calls that have no method here
// are made with the generated clients, which a Client has too.
package client

import (
	"cmp"
	"context"
	"crypto/tls"
	"fmt"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"

	gatewayv1 "github.com/facestudio/facestudio/proto/gen/facestudio/gateway/v1"
)

// DefaultMaxMessage is the largest message that is sent or received, bytes; the
// server has the same bound.
const DefaultMaxMessage = 64 << 20

// Options says how to reach a mesh. The zero value talks TLS by the system's
// authorities and shows no token.
type Options struct {
	// TLS is how TLS is talked; nil is the standard library's default.
	TLS *tls.Config
	// Insecure talks without TLS, as a mesh on this machine does. A token is then
	// sent in the clear.
	Insecure bool
	// Token is an API key or an access token, sent with every call as
	// "authorization: Bearer ...". Empty sends none.
	Token string
	// MaxMessage is the largest message, bytes; 0 means DefaultMaxMessage.
	MaxMessage int
	// Patience is how long a mesh that does not answer is asked again; 0 means 2
	// minutes.
	Patience time.Duration
	// Dial has further options of gRPC's own, such as a dialer.
	Dial []grpc.DialOption
}

const defaultPatience = 2 * time.Minute

// Client calls a mesh. One that has only the generated clients of the methods
// that are used is good, too. It may be used by many goroutines.
type Client struct {
	// Generations, Subjects, Uploads, Styles and Bundles are the generated clients;
	// Uploads is PictureService's.
	Generations gatewayv1.GenerationServiceClient
	Subjects    gatewayv1.SubjectServiceClient
	Uploads     gatewayv1.PictureServiceClient
	Styles      gatewayv1.StyleServiceClient
	Bundles     gatewayv1.BundleServiceClient

	patience time.Duration
	close    func() error
}

// Dial returns a client of the mesh at host:port. It connects with the first
// call. The caller closes it.
func Dial(target string, o Options) (*Client, error) {
	size := o.MaxMessage
	if size == 0 {
		size = DefaultMaxMessage
	}
	transport := credentials.NewTLS(o.TLS)
	if o.Insecure {
		transport = insecure.NewCredentials()
	}
	options := []grpc.DialOption{
		grpc.WithTransportCredentials(transport),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: 30 * time.Second, Timeout: 10 * time.Second}),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(size), grpc.MaxCallSendMsgSize(size)),
	}
	if o.Token != "" {
		options = append(options, grpc.WithPerRPCCredentials(bearer{o.Token, o.Insecure}))
	}
	conn, err := grpc.NewClient(target, append(options, o.Dial...)...)
	if err != nil {
		return nil, fmt.Errorf("dial %s: %w", target, err)
	}
	c := New(conn)
	c.close, c.patience = conn.Close, o.Patience
	return c, nil
}

// New returns a client over a connection, which the caller keeps owning.
func New(conn grpc.ClientConnInterface) *Client {
	return &Client{
		Generations: gatewayv1.NewGenerationServiceClient(conn),
		Subjects:    gatewayv1.NewSubjectServiceClient(conn),
		Uploads:     gatewayv1.NewPictureServiceClient(conn),
		Styles:      gatewayv1.NewStyleServiceClient(conn),
		Bundles:     gatewayv1.NewBundleServiceClient(conn),
	}
}

// Close ends the connection that Dial made.
func (c *Client) Close() error {
	if c.close == nil {
		return nil
	}
	return c.close()
}

// forbearance is how long a mesh that does not answer is asked again.
func (c *Client) forbearance() time.Duration { return cmp.Or(c.patience, defaultPatience) }

// bearer shows a token with every call.
type bearer struct {
	token    string
	insecure bool
}

// GetRequestMetadata implements credentials.PerRPCCredentials.
func (b bearer) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	return map[string]string{"authorization": "Bearer " + b.token}, nil
}

// RequireTransportSecurity implements credentials.PerRPCCredentials.
func (b bearer) RequireTransportSecurity() bool { return !b.insecure }
