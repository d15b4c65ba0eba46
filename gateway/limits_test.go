package gateway_test

import (
	"context"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	"github.com/facestudio/facestudio/gateway"
	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	gatewayv1 "github.com/facestudio/facestudio/proto/gen/facestudio/gateway/v1"
	"github.com/facestudio/facestudio/services/fault"
	"github.com/facestudio/facestudio/services/jobqueue"
)

// limited opens a gateway with a tenants file.
func (m *mesh) limited(text string) (conn *grpc.ClientConn, address, path string) {
	m.t.Helper()
	path = filepath.Join(m.t.TempDir(), "tenants.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		m.t.Fatal(err)
	}
	conn, address, _ = m.listen(gateway.Config{Policy: gateway.Policy{TenantsFile: path}})
	return conn, address, path
}

func of(ctx context.Context, tenant string) context.Context {
	return jobqueue.WithCall(ctx, jobqueue.Call{Tenant: tenant})
}

// A tenant that asks ten times as often as it may is refused, and another one
// beside it never.
func TestOneTenantsFloodRefusesNobodyElse(t *testing.T) {
	m := newMesh(t)
	conn, _, _ := m.limited("defaults: {in-flight: 0}\ntenants:\n  flood: {requests-per-second: 0.001, burst: 5}\n")
	client := gatewayv1.NewGenerationServiceClient(conn)
	var flooding sync.WaitGroup
	refused := make([]bool, 50)
	for i := range refused {
		flooding.Go(func() {
			_, err := client.CreateGeneration(of(t.Context(), "flood"), m.request())
			refused[i] = fault.Is(err, faultv1.Reason_REASON_RATE_LIMITED)
			if err != nil && !refused[i] {
				t.Error(err)
			}
		})
	}
	for range 20 {
		if _, err := client.CreateGeneration(of(t.Context(), "ada"), m.request()); err != nil {
			t.Errorf("another tenant: %v", err)
		}
	}
	flooding.Wait()
	if n := len(slices.DeleteFunc(refused, func(r bool) bool { return r })); n != 5 {
		t.Errorf("%d of 50 passed", n)
	}
}

func TestLimitsReachGRPCAndREST(t *testing.T) {
	m := newMesh(t)
	conn, address, path := m.limited("defaults: {requests-per-second: 0.001, burst: 2}\n")
	var header metadata.MD
	client := gatewayv1.NewGenerationServiceClient(conn)
	if _, err := client.ListGenerations(t.Context(), &gatewayv1.ListGenerationsRequest{}, grpc.Header(&header)); err != nil {
		t.Fatal(err)
	}
	if got := header.Get("ratelimit"); len(got) != 1 || !strings.HasPrefix(got[0], `"requests-per-second";r=1;t=`) {
		t.Errorf("metadata is %v", header)
	}
	type answer struct {
		status int
		header http.Header
	}
	list := func() answer {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+address+"/v1/generations", nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		return answer{res.StatusCode, res.Header}
	}
	defer http.DefaultClient.CloseIdleConnections()
	if got := list(); got.status != http.StatusOK || got.header.Get("RateLimit-Policy") != `"requests-per-second";q=2;w=2000` {
		t.Errorf("got %+v", got)
	}
	if got := list(); got.status != http.StatusTooManyRequests || got.header.Get("Retry-After") == "" ||
		!strings.HasPrefix(got.header.Get("RateLimit"), `"requests-per-second";r=0;t=`) {
		t.Errorf("the third got %+v", got)
	}
	if _, err := client.ListGenerations(t.Context(), &gatewayv1.ListGenerationsRequest{}); !fault.Is(err, faultv1.Reason_REASON_RATE_LIMITED) {
		t.Errorf("the fourth got %v", err)
	}
	// The operator lifts the bound while the gateway runs.
	if err := os.WriteFile(path, []byte("defaults: {}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for list().status != http.StatusOK {
		select {
		case <-t.Context().Done():
			t.Fatal("the file is not read again")
		case <-time.After(50 * time.Millisecond): // it is looked at every two seconds
		}
	}
}

func TestWatchesOverGRPCCountWithThoseOverREST(t *testing.T) {
	m := newMesh(t)
	conn, address, _ := m.limited("defaults: {watches: 1}\n")
	client := gatewayv1.NewGenerationServiceClient(conn)
	g := m.create(client)
	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	stream, err := client.WatchGeneration(ctx, &gatewayv1.WatchGenerationRequest{Name: g.GetName()})
	if err == nil {
		_, err = stream.Recv()
	}
	if err != nil {
		t.Fatal(err)
	}
	watch := func() (status int, retryAfter, begin string) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+address+"/v1/"+g.GetName()+":watch", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Close = true
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		body := make([]byte, 4096)
		n, _ := io.ReadAtLeast(res.Body, body, 1)
		return res.StatusCode, res.Header.Get("Retry-After"), string(body[:n])
	}
	if status, retryAfter, body := watch(); status != http.StatusTooManyRequests || retryAfter != "5" ||
		!strings.Contains(body, `"violated-policies":["watches"]`) {
		t.Errorf("got %d, retry after %q, %s", status, retryAfter, body)
	}
	// The server learns a moment later that a watcher left.
	leave()
	for {
		if status, _, _ := watch(); status == http.StatusOK {
			return
		}
	}
}
