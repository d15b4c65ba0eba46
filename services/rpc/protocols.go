package rpc

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"slices"
	"sync/atomic"
	"time"

	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
)

// Application protocols, as TLS negotiates them.
const (
	http1 = "http/1.1"
	http2 = "h2"
)

// http2Start is how every HTTP/2 connection begins (RFC 9113 3.4), and no
// HTTP/1.1 request.
const http2Start = "PRI "

// protocols tells, for every connection of the one listener, whether it speaks
// gRPC or HTTP/1.1, and hands the second kind to the HTTP server. Each server
// then has connections of its own, so that each drains in its own way. Without
// TLS the first bytes tell; with TLS it is what the client offers, and a client
// that offers HTTP/1.1 at all, as browsers do, gets it.
//
// It is the server's transport credentials, where gRPC lets connections be
// taken away.
type protocols struct {
	credentials.TransportCredentials
	// tls and tlsHTTP are for the two kinds of connections; nil without TLS.
	tls, tlsHTTP *tls.Config
	// web takes the connections that speak HTTP/1.1; nil refuses them.
	web *handoff
	// draining ends handshakes.
	draining context.Context //nolint:containedctx // it is the server's life, not a call's
}

func newProtocols(draining context.Context, config *tls.Config) *protocols {
	p := &protocols{TransportCredentials: insecure.NewCredentials(), draining: draining}
	if config != nil {
		p.tls, p.tlsHTTP = config.Clone(), config.Clone()
		p.tls.NextProtos, p.tlsHTTP.NextProtos = []string{http2}, []string{http1}
	}
	return p
}

// ServerHandshake implements credentials.TransportCredentials.
func (p *protocols) ServerHandshake(raw net.Conn) (net.Conn, credentials.AuthInfo, error) {
	arrived, ok := raw.(*arrival)
	if !ok {
		// Not from outside: a connection within this process.
		return p.TransportCredentials.ServerHandshake(raw)
	}
	if p.tls != nil {
		return p.secure(arrived)
	}
	if p.web == nil {
		return p.TransportCredentials.ServerHandshake(raw)
	}
	start := make([]byte, len(http2Start))
	n, err := p.read(arrived.Conn, start)
	if n == 0 {
		return nil, nil, io.EOF // a probe, or a connection kept for later
	}
	begun := &prefixed{Conn: arrived.Conn, prefix: start[:n]}
	if err == nil && string(start) == http2Start {
		return p.TransportCredentials.ServerHandshake(begun)
	}
	return p.dispatch(arrived, begun)
}

// read fills b until the server drains. Afterwards draining no longer touches the
// connection, which may belong to somebody else soon.
func (p *protocols) read(conn net.Conn, b []byte) (int, error) {
	cut := make(chan struct{})
	stop := context.AfterFunc(p.draining, func() {
		defer close(cut)
		_ = conn.SetDeadline(time.Unix(1, 0))
	})
	n, err := io.ReadFull(conn, b)
	if !stop() {
		<-cut
	}
	return n, err
}

func (p *protocols) secure(arrived *arrival) (net.Conn, credentials.AuthInfo, error) {
	config := p.tls
	if p.web != nil {
		config = &tls.Config{MinVersion: tls.VersionTLS12, GetConfigForClient: p.choose} //nolint:gosec // choose has the certificates
	}
	conn := tls.Server(arrived.Conn, config)
	if err := conn.HandshakeContext(p.draining); err != nil {
		return nil, nil, err
	}
	state := conn.ConnectionState()
	if p.web != nil && state.NegotiatedProtocol != http2 {
		return p.dispatch(arrived, conn)
	}
	return conn, credentials.TLSInfo{
		State:          state,
		CommonAuthInfo: credentials.CommonAuthInfo{SecurityLevel: credentials.PrivacyAndIntegrity},
	}, nil
}

func (p *protocols) choose(hello *tls.ClientHelloInfo) (*tls.Config, error) {
	if len(hello.SupportedProtos) == 0 || slices.Contains(hello.SupportedProtos, http1) {
		return p.tlsHTTP, nil
	}
	return p.tls, nil
}

func (p *protocols) dispatch(arrived *arrival, conn net.Conn) (net.Conn, credentials.AuthInfo, error) {
	arrived.dispatched.Store(true)
	_ = arrived.Conn.SetDeadline(time.Time{})
	if !p.web.give(conn) {
		_ = conn.Close()
	}
	return nil, nil, credentials.ErrConnDispatched
}

// Clone implements credentials.TransportCredentials.
func (p *protocols) Clone() credentials.TransportCredentials {
	c := *p
	return &c
}

// outside marks what a listener accepts as coming from outside.
type outside struct{ net.Listener }

func (l outside) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &arrival{Conn: conn}, nil
}

// arrival is a connection before it is known what it speaks. Once it belongs to
// the HTTP server, gRPC's deadlines no longer reach it.
type arrival struct {
	net.Conn
	dispatched atomic.Bool
}

func (a *arrival) SetDeadline(t time.Time) error {
	if a.dispatched.Load() {
		return nil
	}
	return a.Conn.SetDeadline(t)
}

// prefixed is a connection whose first bytes were read already.
type prefixed struct {
	net.Conn
	prefix []byte
}

func (c *prefixed) Read(b []byte) (int, error) {
	if len(c.prefix) == 0 {
		return c.Conn.Read(b)
	}
	n := copy(b, c.prefix)
	c.prefix = c.prefix[n:]
	return n, nil
}
