package rpc

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/test/bufconn"
)

// Limits of HTTP connections. A response may take as long as it likes: some are
// streams of events.
const (
	headerTimeout = 10 * time.Second
	readTimeout   = 5 * time.Minute
	idleTimeout   = 2 * time.Minute
	maxHeader     = 64 << 10
)

// maxMetadata bounds the metadata of a call, bytes: what HTTP headers of maxHeader
// become, and some.
const maxMetadata = 2 * maxHeader

// localBuffer bounds what is under way within the process, bytes.
const localBuffer = 1 << 20

// HandleHTTP makes the server answer HTTP/1.1 with a handler, on the address
// where it answers gRPC. Call it once, before Run.
func (s *Server) HandleHTTP(handler http.Handler) {
	s.protocols.web = newHandoff(s.listener.Addr())
	s.http = &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: headerTimeout,
		ReadTimeout:       readTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeader,
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
}

// DialLocal connects to the server from within the process, past its address
// and its TLS: what is in the way are the server's own interceptors. Call it
// before Run; the connection ends with the server.
func (s *Server) DialLocal() (*grpc.ClientConn, error) {
	if s.local == nil {
		s.local = bufconn.Listen(localBuffer)
	}
	listener := s.local
	return Dial("passthrough:///local", DialSettings{MaxMessage: s.maxMessage},
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) {
			return listener.DialContext(ctx)
		}))
}

// serve runs the servers until they stop, and returns the first failure.
func (s *Server) serve() error {
	var errs []error
	var mu sync.Mutex
	var all sync.WaitGroup
	start := func(what string, serve func() error) {
		all.Go(func() {
			err := serve()
			if err == nil || errors.Is(err, http.ErrServerClosed) {
				return
			}
			mu.Lock()
			errs = append(errs, fmt.Errorf("serve %s: %w", what, err))
			mu.Unlock()
			s.Close() //nolint:gosec // it has no error to tell
		})
	}
	start("gRPC", func() error { return s.grpc.Serve(outside{s.listener}) })
	if s.local != nil {
		start("gRPC within the process", func() error { return s.grpc.Serve(s.local) })
	}
	if s.http != nil {
		start("HTTP", func() error { return s.http.Serve(s.protocols.web) })
	}
	all.Wait()
	return errors.Join(errs...)
}

// handoff is the listener of the HTTP server: connections that another
// listener accepted.
type handoff struct {
	addr  net.Addr
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func newHandoff(addr net.Addr) *handoff {
	return &handoff{addr: addr, conns: make(chan net.Conn), done: make(chan struct{})}
}

// give hands a connection over; false when nobody takes it any more.
func (h *handoff) give(conn net.Conn) bool {
	select {
	case h.conns <- conn:
		return true
	case <-h.done:
		return false
	}
}

// Accept implements net.Listener.
func (h *handoff) Accept() (net.Conn, error) {
	select {
	case conn := <-h.conns:
		return conn, nil
	case <-h.done:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (h *handoff) Close() error {
	h.once.Do(func() { close(h.done) })
	return nil
}

// Addr implements net.Listener.
func (h *handoff) Addr() net.Addr { return h.addr }
