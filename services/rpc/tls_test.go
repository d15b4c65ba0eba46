package rpc_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	healthv1 "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/facestudio/facestudio/services/rpc"
)

// identity is a self-signed certificate and its key, as PEM files.
type identity struct{ cert, key string }

func newIdentity(t *testing.T) identity {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	write := func(name, kind string, data []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: data}), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	return identity{write("cert.pem", "CERTIFICATE", cert), write("key.pem", "PRIVATE KEY", private)}
}

func TestTLS(t *testing.T) {
	server, client, stranger := newIdentity(t), newIdentity(t), newIdentity(t)
	s, err := rpc.NewServer(t.Context(), rpc.Config{
		Listen: "127.0.0.1:0", TLSCert: server.cert, TLSKey: server.key, TLSClientCA: client.cert,
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
		{"known both ways", rpc.DialSettings{CA: server.cert, Cert: client.cert, Key: client.key}, true},
		{"no client certificate", rpc.DialSettings{CA: server.cert}, false},
		{"unknown client", rpc.DialSettings{CA: server.cert, Cert: stranger.cert, Key: stranger.key}, false},
		{"unknown server", rpc.DialSettings{CA: stranger.cert, Cert: client.cert, Key: client.key}, false},
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
	good := newIdentity(t)
	for name, c := range map[string]rpc.Config{
		"missing key": {Listen: "127.0.0.1:0", TLSCert: good.cert, TLSKey: "/nowhere"},
		"no PEM":      {Listen: "127.0.0.1:0", TLSCert: good.cert, TLSKey: good.key, TLSClientCA: "tls_test.go"},
	} {
		if _, err := rpc.NewServer(t.Context(), c, slog.New(slog.DiscardHandler)); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	for name, s := range map[string]rpc.DialSettings{
		"missing authority": {CA: "/nowhere"},
		"missing key":       {Cert: good.cert, Key: "/nowhere"},
	} {
		if _, err := rpc.Dial("127.0.0.1:1", s); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
