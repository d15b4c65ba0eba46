package gateway_test

import (
	"bufio"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4/jwt"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/facestudio/facestudio/gateway"
	adminv1 "github.com/facestudio/facestudio/proto/gen/facestudio/admin/v1"
	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	gatewayv1 "github.com/facestudio/facestudio/proto/gen/facestudio/gateway/v1"
	"github.com/facestudio/facestudio/services/fault"
)

// waiting makes a generation that nobody works on, and returns its name.
func (g *guarded) waiting(key string) string {
	g.t.Helper()
	made, err := gatewayv1.NewGenerationServiceClient(g.conn).CreateGeneration(g.as(key), g.mesh.request())
	if err != nil {
		g.t.Fatal(err)
	}
	return made.GetName()
}

// watch watches a generation by gRPC, and tells how the watch ended once it has.
func (g *guarded) watch(key, name string) (ended <-chan error, begun error) {
	g.t.Helper()
	stream, err := gatewayv1.NewGenerationServiceClient(g.conn).WatchGeneration(g.as(key), &gatewayv1.WatchGenerationRequest{Name: name})
	if err == nil {
		_, err = stream.Recv()
	}
	if err != nil {
		return nil, err
	}
	end := make(chan error, 1)
	go func() {
		var err error
		for err == nil {
			_, err = stream.Recv()
		}
		end <- err
	}()
	return end, nil
}

// events watches a generation by server-sent events, and sends the data of the
// problem that it ends with.
func (g *guarded) events(key, name string) (status int, problem <-chan string) {
	g.t.Helper()
	req, err := http.NewRequestWithContext(g.t.Context(), http.MethodGet, "http://"+g.address+"/v1/"+name+":watch", nil)
	if err != nil {
		g.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+key)
	req.Close = true
	res, err := http.DefaultClient.Do(req) //nolint:bodyclose // the goroutine below closes it
	if err != nil {
		g.t.Fatal(err)
	}
	told := make(chan string, 1)
	go func() {
		defer res.Body.Close()
		defer close(told)
		event := ""
		for lines := bufio.NewScanner(res.Body); lines.Scan(); {
			if kind, ok := strings.CutPrefix(lines.Text(), "event: "); ok {
				event = kind
			}
			if data, ok := strings.CutPrefix(lines.Text(), "data: "); ok && event == "problem" {
				told <- data
				return
			}
		}
	}()
	return res.StatusCode, told
}

func TestARevokedKeyEndsItsCallsUnderWay(t *testing.T) {
	g := newGuarded(t)
	client := gatewayv1.NewGenerationServiceClient(g.conn)
	revoked, other := g.key("generations:read", "generations:write"), g.key("generations:read").GetSecret()
	name := g.waiting(revoked.GetSecret())
	watch, begun := g.watch(revoked.GetSecret(), name)
	if begun != nil {
		t.Fatal(begun)
	}
	others, begun := g.watch(other, name)
	if begun != nil {
		t.Fatal(begun)
	}
	opened, problem := g.events(revoked.GetSecret(), name)
	if opened != http.StatusOK {
		t.Fatalf("got %d", opened)
	}
	get := make(chan error, 1)
	go func() {
		_, err := client.GetGeneration(g.as(revoked.GetSecret()), &gatewayv1.GetGenerationRequest{Name: name, Wait: durationpb.New(time.Minute)})
		get <- err
	}()
	if _, err := adminv1.NewKeyServiceClient(g.conn).RevokeKey(g.as(g.admin), &adminv1.RevokeKeyRequest{Id: revoked.GetKey().GetId()}); err != nil {
		t.Fatal(err)
	}
	for what, ended := range map[string]<-chan error{"watch": watch, "get": get} {
		if err := <-ended; status.Code(err) != codes.Unauthenticated || !fault.Is(err, faultv1.Reason_REASON_CREDENTIALS_INVALID) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if told := <-problem; !strings.Contains(told, `"status":401`) || !strings.Contains(told, "CREDENTIALS_INVALID") {
		t.Errorf("the events ended with %q", told)
	}
	if _, err := client.CancelGeneration(g.as(g.key("generations:write").GetSecret()), &gatewayv1.CancelGenerationRequest{Name: name}); err != nil {
		t.Fatal(err)
	}
	if err := <-others; err == nil || status.Code(err) == codes.Unauthenticated {
		t.Errorf("who watches with another key: %v", err)
	}
}

func TestATokenThatExpiresEndsItsCallsUnderWay(t *testing.T) {
	sign, issuer := tokensOf(t, "https://id.example.com")
	g := newGuarded(t, issuer)
	name := g.waiting(g.key("generations:write").GetSecret())
	// A machine that is too busy to begin within the token's life gets another one.
	for life := 3 * time.Second; ; life *= 2 {
		token := sign(time.Now().Add(life))
		opened, problem := g.events(token, name)
		watch, begun := g.watch(token, name)
		if (opened == http.StatusUnauthorized || fault.Is(begun, faultv1.Reason_REASON_CREDENTIALS_EXPIRED)) && life < time.Minute {
			continue
		}
		if opened != http.StatusOK || begun != nil {
			t.Fatalf("got %d, %v", opened, begun)
		}
		if err := <-watch; status.Code(err) != codes.Unauthenticated || !fault.Is(err, faultv1.Reason_REASON_CREDENTIALS_EXPIRED) {
			t.Errorf("the watch ended with %v", err)
		}
		if told := <-problem; !strings.Contains(told, "CREDENTIALS_EXPIRED") {
			t.Errorf("the events ended with %q", told)
		}
		return
	}
}

// tokensOf signs tokens of acme as an issuer, and makes a gateway take them.
func tokensOf(t *testing.T, issuer string) (sign func(expires time.Time) string, take func(*gateway.Auth)) {
	t.Helper()
	signs, _, file := issuerKeys(t)
	return func(expires time.Time) string {
			token, err := jwt.Signed(signs).Claims(map[string]any{
				"iss": issuer, "aud": "facestudio", "sub": "ada", "tenant": "acme", "scope": "generations:read", "exp": expires.Unix(),
			}).Serialize()
			if err != nil {
				t.Fatal(err)
			}
			return token
		}, func(c *gateway.Auth) {
			c.Issuer, c.Audiences, c.Keys = issuer, []string{"facestudio"}, file
			c.TenantClaim, c.ScopeClaim = "tenant", "scope"
		}
}
