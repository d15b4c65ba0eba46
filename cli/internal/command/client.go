package command

import (
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/connectivity"

	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	"github.com/facestudio/facestudio/services/config"
	"github.com/facestudio/facestudio/services/fault"
	"github.com/facestudio/facestudio/services/rpc"
)

// defaultServer is where `facestudio up` listens.
const defaultServer = "127.0.0.1:7433"

// remote is the section of a connection to a running mesh.
type remote struct {
	// Server is the gateway's address, host:port.
	Server string
	// TLS, CA, Cert and Key are as in rpc.DialSettings.
	TLS           bool
	CA, Cert, Key string
	// credential says who calls.
	credential credential

	// preset is the default of Server.
	preset string
}

func (r *remote) Register(s *config.Set) {
	text := "address of a running mesh, host:port"
	if r.preset == "" {
		text += "; empty runs one inside this command"
	}
	s.String(&r.Server, "server", r.preset, text)
	s.Bool(&r.TLS, "tls", false, "talk TLS with the server")
	s.String(&r.CA, "tls-ca", "", "PEM file of the authority of the server's certificate; empty is the system's")
	s.String(&r.Cert, "tls-client-cert", "", "PEM file of this client's certificate")
	s.String(&r.Key, "tls-client-key", "", "PEM file of the certificate's key")
	r.credential.Register(s)
}

func (r *remote) Validate(p *config.Problems) {
	p.Check((r.Cert == "") == (r.Key == ""), "tls-client-cert", "tls-client-cert and tls-client-key belong together: give both or none")
	if r.Server == "" {
		return // a mesh inside this command asks for no key
	}
	r.credential.Validate(p)
	p.Check(!r.credential.given() || r.secure() || rpc.Loopback(r.Server), "api-key",
		"%s is another machine, and whoever is on the way could read the key: give --tls", r.Server)
}

// secure tells whether TLS is talked.
func (r *remote) secure() bool { return r.TLS || r.CA != "" || r.Cert != "" }

func (r *remote) dial() (*grpc.ClientConn, error) {
	var more []grpc.DialOption
	if r.credential.given() {
		more = append(more, grpc.WithPerRPCCredentials(&r.credential))
	}
	return rpc.Dial(r.Server, rpc.DialSettings{TLS: r.TLS, CA: r.CA, Cert: r.Cert, Key: r.Key}, more...)
}

// explain says how to reach a mesh when none was reached.
func (r *remote) explain(conn *grpc.ClientConn, err error) error {
	if err == nil || fault.From(err).Kind != fault.Unavailable || conn.GetState() == connectivity.Ready {
		return err
	}
	return fault.Wrap(err, fault.Unavailable, faultv1.Reason_REASON_UNAVAILABLE, "--server "+r.Server,
		"no mesh answers there: start one with `facestudio up`, or correct --server")
}

// callTimeout bounds the short calls.
const callTimeout = 30 * time.Second
