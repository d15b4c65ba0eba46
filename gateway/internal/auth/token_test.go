package auth_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/facestudio/facestudio/gateway/internal/auth"
	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
)

// issuer is an identity provider.
type issuer struct {
	t   *testing.T
	web *httptest.Server
	// down makes it answer 503.
	down atomic.Bool
	// asked counts how often its keys were fetched.
	asked atomic.Int32
	keys  atomic.Pointer[[]jose.JSONWebKey]
}

func newIssuer(t *testing.T, keys ...jose.JSONWebKey) *issuer {
	t.Helper()
	i := &issuer{t: t}
	i.has(keys...)
	mux := http.NewServeMux()
	mux.HandleFunc("/.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(map[string]string{"issuer": i.web.URL, "jwks_uri": i.web.URL + "/keys"})
	})
	mux.HandleFunc("/keys", func(w http.ResponseWriter, _ *http.Request) {
		i.asked.Add(1)
		_ = json.NewEncoder(w).Encode(jose.JSONWebKeySet{Keys: *i.keys.Load()})
	})
	i.web = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if i.down.Load() {
			http.Error(w, "down", http.StatusServiceUnavailable)
			return
		}
		mux.ServeHTTP(w, r)
	}))
	t.Cleanup(i.web.Close)
	return i
}

func (i *issuer) has(keys ...jose.JSONWebKey) { i.keys.Store(&keys) }

// signer signs tokens.
type signer struct {
	key       any
	id        string
	algorithm jose.SignatureAlgorithm
}

func (s signer) public() jose.JSONWebKey {
	return jose.JSONWebKey{Key: s.key.(crypto.Signer).Public(), KeyID: s.id, Algorithm: string(s.algorithm), Use: "sig"}
}

func ecSigner(t *testing.T, id string) signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return signer{key, id, jose.ES256}
}

func rsaSigner(t *testing.T, id string, bits int) signer {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		t.Fatal(err)
	}
	return signer{key, id, jose.RS256}
}

// claims are those of a good token, changed.
func claims(iss string, now time.Time, change func(map[string]any)) map[string]any {
	c := map[string]any{
		"iss": iss, "aud": []string{"facestudio", "other"}, "sub": "ada", "tenant": "acme", "scope": "openid generations:read",
		"iat": now.Unix(), "nbf": now.Unix(), "exp": now.Add(time.Hour).Unix(),
	}
	if change != nil {
		change(c)
	}
	return c
}

func (s signer) sign(t *testing.T, claims map[string]any) string {
	t.Helper()
	options := new(jose.SignerOptions)
	if s.id != "" {
		options = options.WithHeader("kid", s.id)
	}
	signing, err := jose.NewSigner(jose.SigningKey{Algorithm: s.algorithm, Key: s.key}, options)
	if err != nil {
		t.Fatal(err)
	}
	token, err := jwt.Signed(signing).Claims(claims).Serialize()
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func unsigned(t *testing.T, claims map[string]any) string {
	t.Helper()
	body, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	part := base64.RawURLEncoding.EncodeToString
	return part([]byte(`{"alg":"none","typ":"JWT"}`)) + "." + part(body) + "."
}

func verifier(fetch auth.Fetch, iss string, c *clock) *auth.Verifier {
	return auth.NewVerifier(auth.NewKeySet(fetch, c.Now, quiet), auth.TokenSettings{
		Issuer: iss, Audiences: []string{"facestudio"}, TenantClaim: "tenant", ScopeClaim: "scope", Skew: 30 * time.Second, Now: c.Now,
	})
}

func TestTokens(t *testing.T) {
	c := newClock()
	good, second, other, weak := ecSigner(t, "a"), rsaSigner(t, "b", 2048), ecSigner(t, "a"), rsaSigner(t, "weak", 1024)
	shared := signer{[]byte(strings.Repeat("s", 64)), "shared", jose.HS256}
	encrypting := ecSigner(t, "enc")
	forEncryption := encrypting.public()
	forEncryption.Use = "enc"
	i := newIssuer(t, good.public(), second.public(), weak.public(), forEncryption,
		jose.JSONWebKey{Key: shared.key, KeyID: "shared", Use: "sig"})
	v := verifier(auth.FromIssuer(i.web.URL), i.web.URL, c)
	nameless := good
	nameless.id = ""
	// The public key as if it were a shared secret.
	confused := signer{[]byte(mustJSON(t, good.public())), "a", jose.HS256}
	set := func(name string, value any) func(map[string]any) {
		return func(m map[string]any) {
			if m[name] = value; value == nil {
				delete(m, name)
			}
		}
	}
	at := func(d time.Duration) int64 { return c.Now().Add(d).Unix() }
	const ok, bad, old = faultv1.Reason_REASON_UNSPECIFIED, faultv1.Reason_REASON_CREDENTIALS_INVALID, faultv1.Reason_REASON_CREDENTIALS_EXPIRED
	tests := []struct {
		name   string
		by     signer
		change func(map[string]any)
		want   faultv1.Reason
	}{
		{"EC", good, nil, ok},
		{"RSA", second, nil, ok},
		{"no key id", nameless, nil, ok},
		{"one audience", good, set("aud", "facestudio"), ok},
		{"a little late", good, set("exp", at(-20*time.Second)), ok},
		{"a little early", good, set("nbf", at(20*time.Second)), ok},
		{"expired", good, set("exp", at(-time.Minute)), old},
		{"not yet valid", good, set("nbf", at(time.Minute)), old},
		{"from the future", good, set("iat", at(time.Hour)), old},
		{"without an end", good, set("exp", nil), bad},
		{"another audience", good, set("aud", "other"), bad},
		{"no audience", good, set("aud", nil), bad},
		{"another issuer", good, set("iss", "https://evil.example"), bad},
		{"no issuer", good, set("iss", nil), bad},
		{"no tenant", good, set("tenant", nil), bad},
		{"a tenant that is none", good, set("tenant", "a.b"), bad},
		{"a tenant that is no text", good, set("tenant", 7), bad},
		{"a key of the same id", other, nil, bad},
		{"a key that is not there", ecSigner(t, "c"), nil, bad},
		{"a weak key", weak, nil, bad},
		{"a key for encryption", encrypting, nil, bad},
		{"a shared secret", shared, nil, bad},
		{"the public key as a secret", confused, nil, bad},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			token := test.by.sign(t, claims(i.web.URL, c.Now(), test.change))
			who, err := v.Principal(t.Context(), token)
			if test.want != ok {
				refused(t, test.name, err, test.want)
				if err != nil && strings.Contains(err.Error(), token) {
					t.Errorf("%v tells the token", err)
				}
				return
			}
			if err != nil || who.Name != "ada" || who.Tenant != "acme" || len(who.Scopes) != 1 || who.Scopes[0] != auth.GenerationsRead {
				t.Errorf("got %+v, %v", who, err)
			}
		})
	}
	whole := good.sign(t, claims(i.web.URL, c.Now(), nil))
	for name, token := range map[string]string{
		"unsigned": unsigned(t, claims(i.web.URL, c.Now(), nil)), "words": "let me in", "empty parts": "..",
		"cut off": whole[:len(whole)-8], "half": whole[:strings.LastIndex(whole, ".")], "long": strings.Repeat("a.", 8000),
	} {
		_, err := v.Principal(t.Context(), token)
		refused(t, name, err, bad)
	}
	who, err := v.Principal(t.Context(), good.sign(t, claims(i.web.URL, c.Now(), set("scope", []any{"admin", 7, "root", "subjects:read"}))))
	if err != nil || len(who.Scopes) != 2 || who.Scopes[0] != auth.Admin || who.Scopes[1] != auth.SubjectsRead {
		t.Errorf("got %+v, %v", who, err)
	}
}

func mustJSON(t *testing.T, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
