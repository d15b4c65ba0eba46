package rpc

import (
	"net"
	"net/netip"
	"time"

	"github.com/facestudio/facestudio/services/config"
)

// Config is what an operator sets about a gRPC server.
type Config struct {
	// Listen is the address to listen on, host:port. Port 0 takes a free one.
	Listen string
	// TLSCert and TLSKey are PEM files of the server's certificate and key.
	// Both empty: no TLS, which only a loopback address may do.
	TLSCert, TLSKey string
	// TLSClientCA is a PEM file of the authority whose clients are let in, and
	// trusted to say for which tenant they call. Empty: any client, which beyond
	// loopback needs a Guard.
	TLSClientCA string
	// InsecureListen allows an address beyond loopback without TLS, and without
	// knowing who calls.
	InsecureListen bool
	// Guarded says that the server gets a Guard, so that it need not know its
	// clients by their certificates. It is no setting of its own.
	Guarded bool
	// MaxMessage is the largest message that is received or sent, bytes.
	MaxMessage int
	// Grace is how long a stop waits for calls in flight.
	Grace time.Duration
	// DefaultListen, if not empty, is the default of Listen; set it before
	// Register.
	DefaultListen string
}

// DefaultMaxMessage holds a request with several pictures of up to 16 MiB and what
// stands around them.
const DefaultMaxMessage = 64 << 20

// Register implements config.Section.
func (c *Config) Register(s *config.Set) {
	if c.DefaultListen == "" {
		c.DefaultListen = "127.0.0.1:0"
	}
	s.String(&c.Listen, "listen", c.DefaultListen, "gRPC address, host:port; port 0 takes a free one")
	s.String(&c.TLSCert, "tls-cert", "", "PEM file of the server's certificate")
	s.String(&c.TLSKey, "tls-key", "", "PEM file of the certificate's key")
	s.String(&c.TLSClientCA, "tls-client-ca", "", "PEM file of the authority whose client certificates are needed; empty lets any client in")
	s.Bool(&c.InsecureListen, "insecure-listen", false, "allow an address beyond loopback without TLS, and whoever reaches it to call for any tenant")
	s.Int(&c.MaxMessage, "max-message", DefaultMaxMessage, "largest gRPC message, bytes")
	s.Duration(&c.Grace, "grace", 20*time.Second, "how long a stop waits for the work in hand")
}

// Validate implements config.Section.
func (c *Config) Validate(p *config.Problems) {
	_, _, err := net.SplitHostPort(c.Listen)
	p.Check(err == nil, "listen", "%q is no address: use host:port, for example 127.0.0.1:7433", c.Listen)
	p.Check((c.TLSCert == "") == (c.TLSKey == ""), "tls-cert", "tls-cert and tls-key belong together: give both or none")
	p.Check(c.TLSClientCA == "" || c.TLSCert != "", "tls-client-ca", "it needs tls-cert and tls-key")
	if err == nil && !c.InsecureListen && !Loopback(c.Listen) {
		p.Check(c.TLSCert != "", "listen",
			"%q is reachable from other machines and has no TLS: give tls-cert and tls-key, or --insecure-listen if the network is trusted", c.Listen)
		p.Check(c.TLSCert == "" || c.TLSClientCA != "" || c.Guarded, "listen",
			"%q is reachable from other machines, and nothing says who they are: give tls-client-ca (a gateway may have --auth instead), or --insecure-listen if the network is trusted", c.Listen)
	}
	p.Check(c.MaxMessage >= 64<<10, "max-message", "%d is too small: use at least 65536", c.MaxMessage)
	p.Check(c.Grace > 0, "grace", "%v is not positive: use for example 20s", c.Grace)
}

// Loopback tells whether an address host:port is only reachable from this
// machine.
func Loopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	if host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}
