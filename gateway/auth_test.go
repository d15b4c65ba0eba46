package gateway_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4/jwt"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/facestudio/facestudio/gateway"
	adminv1 "github.com/facestudio/facestudio/proto/gen/facestudio/admin/v1"
	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	gatewayv1 "github.com/facestudio/facestudio/proto/gen/facestudio/gateway/v1"
	"github.com/facestudio/facestudio/services/fault"
	"github.com/facestudio/facestudio/services/jobqueue"
	"github.com/facestudio/facestudio/services/rpc"
)

// guarded is a gateway that wants to know who calls.
type guarded struct {
	t       *testing.T
	mesh    *mesh
	address string
	conn    *grpc.ClientConn
	admin   string
}

func newGuarded(t *testing.T, change ...func(*gateway.Auth)) *guarded {
	t.Helper()
	return newGuardedOf(t, 1<<20, gateway.Policy{}, change...)
}

// newGuardedOf is newGuarded with what messages and tenants may.
func newGuardedOf(t *testing.T, maxMessage int, policy gateway.Policy, change ...func(*gateway.Auth)) *guarded {
	t.Helper()
	m := newMesh(t)
	file := filepath.Join(t.TempDir(), "admin.key")
	if err := gateway.MakeAdminKey(file); err != nil {
		t.Fatal(err)
	}
	key, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	set := gateway.Auth{On: true, AdminKeyFile: file}
	for _, do := range change {
		do(&set)
	}
	queue, _ := m.open()
	s, err := gateway.New(t.Context(), gateway.Env{
		Bundle: m.bundle, Queue: queue, Blobs: m.blobs, Log: quiet, Auth: set,
	}, gateway.Config{Grace: time.Second, Policy: policy})
	if err != nil {
		t.Fatal(err)
	}
	server, err := rpc.NewServer(t.Context(), rpc.Config{Listen: "127.0.0.1:0", MaxMessage: maxMessage, Grace: time.Second}, quiet)
	if err != nil {
		t.Fatal(err)
	}
	s.Guard(server)
	s.Register(server)
	if err := s.RegisterHTTP(server, gateway.HTTP{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	m.run(server.Run)
	conn, err := rpc.Dial(server.Addr(), rpc.DialSettings{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return &guarded{t: t, mesh: m, address: server.Addr(), conn: conn, admin: strings.TrimSpace(string(key))}
}

func (g *guarded) as(key string) context.Context {
	return metadata.AppendToOutgoingContext(g.t.Context(), "authorization", "Bearer "+key)
}

// key makes a key of acme.
func (g *guarded) key(scopes ...string) *adminv1.CreateKeyResponse {
	g.t.Helper()
	return g.keyOf("acme", scopes...)
}

func (g *guarded) keyOf(tenant string, scopes ...string) *adminv1.CreateKeyResponse {
	g.t.Helper()
	made, err := adminv1.NewKeyServiceClient(g.conn).CreateKey(g.as(g.admin), &adminv1.CreateKeyRequest{Tenant: tenant, Scopes: scopes})
	if err != nil {
		g.t.Fatal(err)
	}
	return made
}

func (g *guarded) list(key string) error {
	_, err := gatewayv1.NewGenerationServiceClient(g.conn).ListGenerations(g.as(key), &gatewayv1.ListGenerationsRequest{})
	return err
}

// answer is one of HTTP.
type answer struct {
	status          int
	challenge, body string
}

// get asks over HTTP, with the headers.
func (g *guarded) get(t *testing.T, path string, headers http.Header) (answer, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+g.address+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header = headers
	// No connection outlives the request, or the test.
	req.Close = true
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	return answer{res.StatusCode, res.Header.Get("WWW-Authenticate"), string(body)}, err
}

func TestKeysOverGRPC(t *testing.T) {
	g := newGuarded(t)
	client := gatewayv1.NewGenerationServiceClient(g.conn)
	list := func(ctx context.Context) error {
		_, err := client.ListGenerations(ctx, &gatewayv1.ListGenerationsRequest{})
		return err
	}
	watch := func(ctx context.Context) error {
		stream, err := client.WatchGeneration(ctx, &gatewayv1.WatchGenerationRequest{Name: "generations/00000000000000000000000000"})
		if err == nil {
			_, err = stream.Recv()
		}
		return err
	}
	acme := g.key("generations:read")
	if err := list(g.as(acme.GetSecret())); err != nil {
		t.Errorf("a key: %v", err)
	}
	if err := watch(g.as(acme.GetSecret())); !fault.Is(err, faultv1.Reason_REASON_UNKNOWN_GENERATION) {
		t.Errorf("a stream: %v", err)
	}
	for name, err := range map[string]error{"unary": list(t.Context()), "stream": watch(t.Context())} {
		if status.Code(err) != codes.Unauthenticated || !fault.Is(err, faultv1.Reason_REASON_CREDENTIALS_MISSING) {
			t.Errorf("%s without a key: %v", name, err)
		}
	}
	other := jobqueue.WithCall(g.as(acme.GetSecret()), jobqueue.Call{Tenant: "bob"})
	if err := list(other); status.Code(err) != codes.PermissionDenied || !fault.Is(err, faultv1.Reason_REASON_TENANT_MISMATCH) {
		t.Errorf("another tenant: %v", err)
	}
	if _, err := adminv1.NewKeyServiceClient(g.conn).ListKeys(g.as(acme.GetSecret()), &adminv1.ListKeysRequest{}); !fault.Is(err, faultv1.Reason_REASON_SCOPE_MISSING) {
		t.Errorf("a tenant's key lists keys: %v", err)
	}
	if _, err := adminv1.NewKeyServiceClient(g.conn).RevokeKey(g.as(g.admin), &adminv1.RevokeKeyRequest{Id: acme.GetKey().GetId()}); err != nil {
		t.Fatal(err)
	}
	if err := list(g.as(acme.GetSecret())); !fault.Is(err, faultv1.Reason_REASON_CREDENTIALS_INVALID) {
		t.Errorf("a revoked key: %v", err)
	}
}

func TestKeysOverHTTP(t *testing.T) {
	g := newGuarded(t)
	reads, writes := g.key("generations:read").GetSecret(), g.key("generations:write").GetSecret()
	const path = "/v1/generations"
	tests := []struct {
		name, path string
		headers    http.Header
		status     int
		says       string
		challenge  string
	}{
		{"a key", path, http.Header{"Authorization": {"Bearer " + reads}}, 200, "{", ""},
		{"nothing", path, nil, 401, "CREDENTIALS_MISSING", `Bearer realm="facestudio"`},
		{"a wrong key", path, http.Header{"Authorization": {"Bearer fsk_x"}}, 401, "CREDENTIALS_INVALID", `Bearer realm="facestudio", error="invalid_token"`},
		{"two headers", path, http.Header{"Authorization": {"Bearer " + reads, "Bearer " + writes}}, 401, "CREDENTIALS_INVALID", `Bearer realm="facestudio", error="invalid_token"`},
		{"one more by a back door", path, http.Header{"Authorization": {"Bearer " + writes}, "Grpc-Metadata-Authorization": {"Bearer " + reads}}, 403, "SCOPE_MISSING", `Bearer realm="facestudio", error="insufficient_scope"`},
		{"no scope", path, http.Header{"Authorization": {"Bearer " + writes}}, 403, "SCOPE_MISSING", `Bearer realm="facestudio", error="insufficient_scope"`},
		{"another tenant", path, http.Header{"Authorization": {"Bearer " + reads}, "Facestudio-Tenant": {"bob"}}, 403, "TENANT_MISMATCH", ""},
		{"60 KiB", path, http.Header{"Authorization": {"Bearer " + strings.Repeat("x", 60<<10)}}, 401, "CREDENTIALS_INVALID", `Bearer realm="facestudio", error="invalid_token"`},
		{"a watch", path + "/00000000000000000000000000:watch", nil, 401, "CREDENTIALS_MISSING", `Bearer realm="facestudio"`},
		{"a picture", path + "/00000000000000000000000000/pictures/0", nil, 401, "CREDENTIALS_MISSING", `Bearer realm="facestudio"`},
		{"the page", "/", nil, 200, "<!doctype html>", ""},
		{"the document", "/openapi.json", nil, 200, "openapi", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := g.get(t, test.path, test.headers)
			if err != nil {
				t.Fatal(err)
			}
			if got.status != test.status || !strings.Contains(got.body, test.says) || got.challenge != test.challenge {
				t.Errorf("got %+v", got)
			}
			for _, key := range []string{reads, writes} {
				if strings.Contains(got.body, key) {
					t.Errorf("the answer tells a key: %s", got.body)
				}
			}
		})
	}
}

func TestTokensOverGRPC(t *testing.T) {
	signs, keys, file := issuerKeys(t)
	var issuer *httptest.Server
	issuer = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/keys" {
			_, _ = w.Write(keys)
			return
		}
		_ = json.NewEncoder(w).Encode(map[string]string{"issuer": issuer.URL, "jwks_uri": issuer.URL + "/keys"})
	}))
	t.Cleanup(issuer.Close)
	token := func(audience string) string {
		text, err := jwt.Signed(signs).Claims(map[string]any{
			"iss": issuer.URL, "aud": audience, "sub": "ada", "https://facestudio.example/tenant": "acme",
			"permissions": []string{"generations:read"}, "exp": time.Now().Add(time.Hour).Unix(),
		}).Serialize()
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	for name, where := range map[string]string{"discovered": "", "at a URL": issuer.URL + "/keys", "in a file": file} {
		t.Run(name, func(t *testing.T) {
			g := newGuarded(t, func(c *gateway.Auth) {
				c.Issuer, c.Audiences, c.Keys = issuer.URL, []string{"facestudio"}, where
				c.TenantClaim, c.ScopeClaim = "https://facestudio.example/tenant", "permissions"
			})
			if err := g.list(token("facestudio")); err != nil {
				t.Errorf("a token: %v", err)
			}
			if err := g.list(token("other")); !fault.Is(err, faultv1.Reason_REASON_CREDENTIALS_INVALID) {
				t.Errorf("another audience: %v", err)
			}
			if err := g.list(g.key("generations:read").GetSecret()); err != nil {
				t.Errorf("a key beside tokens: %v", err)
			}
		})
	}
}

func TestAHeaderOf100KiB(t *testing.T) {
	g := newGuarded(t)
	long := "Bearer " + strings.Repeat("x", 100<<10)
	got, err := g.get(t, "/v1/generations", http.Header{"Authorization": {long}})
	// The server may hang up before the client has sent it all.
	if err == nil && got.status != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("got %+v", got)
	}
	ctx := metadata.AppendToOutgoingContext(t.Context(), "authorization", long)
	_, err = gatewayv1.NewGenerationServiceClient(g.conn).ListGenerations(ctx, &gatewayv1.ListGenerationsRequest{})
	if !fault.Is(err, faultv1.Reason_REASON_CREDENTIALS_INVALID) {
		t.Errorf("got %v", err)
	}
	if err := g.list(g.key("generations:read").GetSecret()); err != nil {
		t.Errorf("a call after it: %v", err)
	}
}

func TestWrongKeysAreNotTriedWithoutEnd(t *testing.T) {
	g := newGuarded(t, func(c *gateway.Auth) { c.Failures = 3 })
	good := g.key("generations:read").GetSecret()
	if err := g.list(good); err != nil {
		t.Fatal(err)
	}
	wrong := http.Header{"Authorization": {"Bearer fsk_x"}}
	for i := range 3 {
		if got, err := g.get(t, "/v1/generations", wrong); err != nil || got.status != http.StatusUnauthorized {
			t.Fatalf("try %d: %+v, %v", i, got, err)
		}
	}
	if got, err := g.get(t, "/v1/generations", wrong); err != nil || got.status != http.StatusTooManyRequests ||
		!strings.Contains(got.body, `"violated-policies":["auth-failures"]`) {
		t.Errorf("over HTTP: %+v, %v", got, err)
	}
	err := g.list("fsk_y")
	if f := fault.From(err); status.Code(err) != codes.ResourceExhausted || !f.Retryable || f.RetryAfter <= 0 || f.Limit == nil || f.Limit.Name != "auth-failures" {
		t.Errorf("over gRPC: %v", err)
	}
	if err := g.list(good); err != nil {
		t.Errorf("who was let in before: %v", err)
	}
}
