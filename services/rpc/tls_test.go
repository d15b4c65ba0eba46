package rpc_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	healthv1 "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/facestudio/facestudio/services/rpc"
	"github.com/facestudio/facestudio/services/testkit/certs"
)

func TestTLS(t *testing.T) {
	server, client, stranger := certs.New(t), certs.New(t), certs.New(t)
	s, err := rpc.NewServer(t.Context(), rpc.Config{
		Listen: "127.0.0.1:0", TLSCert: server.Cert, TLSKey: server.Key, TLSClientCA: client.Cert,
		MaxMessage: rpc.DefaultMaxMessage, Grace: time.Second,
	}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	s.Ready(true)
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Errorf("run: %v", err)
		}
	})
	tests := []struct {
		name string
		dial rpc.DialSettings
		ok   bool
	}{
		{"known both ways", rpc.DialSettings{CA: server.Cert, Cert: client.Cert, Key: client.Key}, true},
		{"no client certificate", rpc.DialSettings{CA: server.Cert}, false},
		{"unknown client", rpc.DialSettings{CA: server.Cert, Cert: stranger.Cert, Key: stranger.Key}, false},
		{"unknown server", rpc.DialSettings{CA: stranger.Cert, Cert: client.Cert, Key: client.Key}, false},
		{"no TLS", rpc.DialSettings{}, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			conn, err := rpc.Dial(s.Addr(), test.dial)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = conn.Close() }()
			_, err = healthv1.NewHealthClient(conn).Check(t.Context(), &healthv1.HealthCheckRequest{})
			if (err == nil) != test.ok {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestUnreadableCertificates(t *testing.T) {
	good := certs.New(t)
	for name, c := range map[string]rpc.Config{
		"missing key": {Listen: "127.0.0.1:0", TLSCert: good.Cert, TLSKey: "/nowhere"},
		"no PEM":      {Listen: "127.0.0.1:0", TLSCert: good.Cert, TLSKey: good.Key, TLSClientCA: "tls_test.go"},
	} {
		if _, err := rpc.NewServer(t.Context(), c, slog.New(slog.DiscardHandler)); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	for name, s := range map[string]rpc.DialSettings{
		"missing authority": {CA: "/nowhere"},
		"missing key":       {Cert: good.Cert, Key: "/nowhere"},
	} {
		if _, err := rpc.Dial("127.0.0.1:1", s); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
