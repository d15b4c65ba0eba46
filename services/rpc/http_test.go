package rpc_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/facestudio/facestudio/services/rpc"
	"github.com/facestudio/facestudio/services/testkit/certs"
)

// web is a running server that answers both protocols.
type web struct {
	server *rpc.Server
	local  *grpc.ClientConn
	stop   context.CancelFunc
	done   chan error
}

func serveWeb(t *testing.T, c rpc.Config, handler http.Handler) *web {
	t.Helper()
	c.Listen, c.MaxMessage = "127.0.0.1:0", rpc.DefaultMaxMessage
	if c.Grace == 0 {
		c.Grace = time.Minute
	}
	server, err := rpc.NewServer(t.Context(), c, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	server.HandleHTTP(handler)
	local, err := server.DialLocal()
	if err != nil {
		t.Fatal(err)
	}
	server.Ready(true)
	ctx, stop := context.WithCancel(context.Background())
	w := &web{server: server, local: local, stop: stop, done: make(chan error, 1)}
	go func() { w.done <- server.Run(ctx) }()
	t.Cleanup(func() {
		_ = local.Close()
		stop()
		_ = server.Close()
	})
	return w
}

func check(t *testing.T, conn *grpc.ClientConn) {
	t.Helper()
	answer, err := healthv1.NewHealthClient(conn).Check(t.Context(), &healthv1.HealthCheckRequest{})
	if err != nil || answer.GetStatus() != healthv1.HealthCheckResponse_SERVING {
		t.Errorf("health is %v, %v", answer.GetStatus(), err)
	}
}

// fetch is "" after a failure. It may be called from any goroutine.
func fetch(t *testing.T, client *http.Client, url string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Error(err)
		return ""
	}
	res, err := client.Do(req)
	if err != nil {
		t.Error(err)
		return ""
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Error(err)
		return ""
	}
	return res.Proto + " " + string(body)
}

func hello(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello") }

func TestOneAddressForBothProtocols(t *testing.T) {
	id := certs.New(t)
	pem, err := os.ReadFile(id.Cert)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	tests := []struct {
		name   string
		config rpc.Config
		dial   rpc.DialSettings
		scheme string
	}{
		{"plain", rpc.Config{}, rpc.DialSettings{}, "http://"},
		{"TLS", rpc.Config{TLSCert: id.Cert, TLSKey: id.Key}, rpc.DialSettings{CA: id.Cert}, "https://"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			w := serveWeb(t, test.config, http.HandlerFunc(hello))
			conn, err := rpc.Dial(w.server.Addr(), test.dial)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = conn.Close() }()
			transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}, ForceAttemptHTTP2: true}
			defer transport.CloseIdleConnections()
			for range 2 {
				if got := fetch(t, &http.Client{Transport: transport}, test.scheme+w.server.Addr()); got != "HTTP/1.1 hello" {
					t.Errorf("got %q", got)
				}
				check(t, conn)
				check(t, w.local)
			}
		})
	}
}

func TestStopWaitsForRequests(t *testing.T) {
	entered, release := make(chan struct{}), make(chan struct{})
	w := serveWeb(t, rpc.Config{}, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		close(entered)
		<-release
		_, _ = io.WriteString(w, "done")
	}))
	answered := make(chan string, 1)
	go func() { answered <- fetch(t, new(http.Client), "http://"+w.server.Addr()) }()
	<-entered
	// Connections that say nothing do not hold the stop up.
	silent, err := new(net.Dialer).DialContext(t.Context(), "tcp", w.server.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	w.stop()
	if _, err := silent.Read(make([]byte, 1)); err == nil {
		t.Error("the silent connection got an answer")
	}
	close(release)
	if got := <-answered; got != "HTTP/1.1 done" {
		t.Errorf("the request in flight got %q", got)
	}
	if err := <-w.done; err != nil {
		t.Errorf("run: %v", err)
	}
}

func TestStopEndsRequestsAfterTheGrace(t *testing.T) {
	entered := make(chan struct{})
	w := serveWeb(t, rpc.Config{Grace: time.Millisecond}, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		close(entered)
		<-r.Context().Done()
	}))
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", w.server.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	<-entered
	w.stop()
	if err := <-w.done; err != nil {
		t.Errorf("run: %v", err)
	}
}

func TestNonsenseHarmsNobody(t *testing.T) {
	w := serveWeb(t, rpc.Config{}, http.HandlerFunc(hello))
	for _, bytes := range []string{"", "P", "PRI ", "PRI * HTTP/2.0\r\n\r\nnonsense", "\x16\x03\x01 a TLS hello", "nonsense\r\n\r\n", strings.Repeat("A", 1<<20)} {
		conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", w.server.Addr())
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(conn, bytes)
		_ = conn.(*net.TCPConn).CloseWrite()
		_, _ = io.Copy(io.Discard, bufio.NewReader(conn))
		_ = conn.Close()
	}
	check(t, w.local)
	if got := fetch(t, new(http.Client), "http://"+w.server.Addr()); got != "HTTP/1.1 hello" {
		t.Errorf("got %q", got)
	}
}
