package gateway

import (
	"context"
	"fmt"
	"net"
	"strings"

	"google.golang.org/grpc/metadata"

	"github.com/facestudio/facestudio/gateway/internal/auth"
	"github.com/facestudio/facestudio/gateway/internal/rest"
	"github.com/facestudio/facestudio/gateway/internal/web"
	"github.com/facestudio/facestudio/services/config"
	"github.com/facestudio/facestudio/services/rpc"
)

// HTTP is what an operator sets about REST and the web page, which are served on
// the address of gRPC.
type HTTP struct {
	// Off serves gRPC alone.
	Off bool
	// Hosts are further names that the server goes by, without a port. On loopback
	// requests for another name are refused, since a web site could be behind them;
	// elsewhere they are once a name is given.
	Hosts []string
}

// Register implements config.Section.
func (c *HTTP) Register(s *config.Set) {
	s.Bool(&c.Off, "no-http", false, "serve gRPC alone, without REST and the web page")
	s.Strings(&c.Hosts, "http-hosts", nil, "further host names that HTTP requests may be for, as a reverse proxy passes them on")
}

// Validate implements config.Section.
func (c *HTTP) Validate(p *config.Problems) {
	for _, host := range c.Hosts {
		_, _, err := net.SplitHostPort(host)
		p.Check(host != "" && err != nil && !strings.Contains(host, "/"), "http-hosts",
			"%q is no host name: use for example studio.example.com, without scheme and port", host)
	}
}

// RegisterHTTP makes a server answer REST and the web page, too. Its requests
// come back to the server as gRPC calls, so the services are registered with the
// same server.
func (s *Service) RegisterHTTP(on *rpc.Server, c HTTP) error {
	if c.Off {
		return nil
	}
	conn, err := on.DialLocal()
	if err != nil {
		return fmt.Errorf("connect HTTP to gRPC: %w", err)
	}
	s.conns = append(s.conns, conn)
	api, err := rest.New(conn, rest.Settings{
		MaxMessage: on.MaxMessage(),
		Admit: func(ctx context.Context, method string) error {
			md, _ := metadata.FromOutgoingContext(ctx)
			ctx, err := on.Admit(metadata.NewIncomingContext(auth.Ahead(ctx), md), method)
			if err != nil {
				return err
			}
			return s.policy.throttle.Check(ctx)
		},
	})
	if err != nil {
		return err
	}
	hosts := make([]string, len(c.Hosts))
	for i, host := range c.Hosts {
		hosts[i] = strings.ToLower(host)
	}
	handler, err := web.New(web.Settings{
		API: api, Document: rest.Document, Loopback: rpc.Loopback(on.Addr()), Hosts: hosts,
	})
	if err != nil {
		return err
	}
	on.HandleHTTP(handler)
	return nil
}
