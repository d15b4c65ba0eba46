package auth_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/facestudio/facestudio/gateway/internal/auth"
	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
)

func TestKeysOfAnIssuerThatIsDown(t *testing.T) {
	c := newClock()
	first := ecSigner(t, "1")
	i := newIssuer(t, first.public())
	i.down.Store(true)
	v := verifier(auth.FromIssuer(i.web.URL), i.web.URL, c)
	token := func(s signer) string { return s.sign(t, claims(i.web.URL, c.Now(), nil)) }
	_, err := v.Principal(t.Context(), token(first))
	refused(t, "down at the start", err, faultv1.Reason_REASON_UNAVAILABLE)

	i.down.Store(false)
	_, err = v.Principal(t.Context(), token(first))
	refused(t, "asked a moment ago", err, faultv1.Reason_REASON_UNAVAILABLE)
	c.add(10 * time.Second)
	if _, err := v.Principal(t.Context(), token(first)); err != nil {
		t.Errorf("up: %v", err)
	}

	i.down.Store(true)
	c.add(time.Hour)
	if _, err := v.Principal(t.Context(), token(first)); err != nil {
		t.Errorf("down later: %v", err)
	}
	_, err = v.Principal(t.Context(), token(ecSigner(t, "2")))
	refused(t, "a key that may be a new one", err, faultv1.Reason_REASON_UNAVAILABLE)
	c.add(24 * time.Hour)
	_, err = v.Principal(t.Context(), token(first))
	refused(t, "down for too long", err, faultv1.Reason_REASON_UNAVAILABLE)
}

func TestKeysAreRotated(t *testing.T) {
	c := newClock()
	first, second := ecSigner(t, "1"), ecSigner(t, "2")
	i := newIssuer(t, first.public())
	v := verifier(auth.FromURL(i.web.URL+"/keys"), i.web.URL, c)
	take := func(s signer) error {
		_, err := v.Principal(t.Context(), s.sign(t, claims(i.web.URL, c.Now(), nil)))
		return err
	}
	if err := take(first); err != nil {
		t.Fatal(err)
	}
	i.has(first.public(), second.public())
	c.add(time.Minute)
	if err := take(second); err != nil {
		t.Errorf("a new key: %v", err)
	}
	i.has(second.public())
	c.add(10 * time.Minute)
	refused(t, "a key that was taken back", take(first), faultv1.Reason_REASON_CREDENTIALS_INVALID)
	if err := take(second); err != nil {
		t.Error(err)
	}
	before := i.asked.Load()
	for range 100 {
		refused(t, "a key that nobody has", take(ecSigner(t, "3")), faultv1.Reason_REASON_CREDENTIALS_INVALID)
	}
	if n := i.asked.Load() - before; n > 1 {
		t.Errorf("the issuer was asked %d times: who sends bad tokens makes us ask it", n)
	}
}

func TestFetch(t *testing.T) {
	key := ecSigner(t, "a")
	keys := mustJSON(t, jose.JSONWebKeySet{Keys: []jose.JSONWebKey{key.public()}})
	path := filepath.Join(t.TempDir(), "keys.json")
	write := func(text string) {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(strings.Replace(keys, `[`, `[{"kty":"of tomorrow"},`, 1))
	if got, err := auth.FromFile(path)(t.Context()); err != nil || len(got) != 1 {
		t.Errorf("got %v, %v", got, err)
	}
	write("no JSON")
	if _, err := auth.FromFile(path)(t.Context()); err == nil {
		t.Error("no JSON was read")
	}
	answers := map[string]string{
		"/large":         `{"keys":[` + strings.Repeat(" ", 1<<20) + `]}`,
		"/wrong":         `{"issuer":"https://evil.example","jwks_uri":"https://evil.example/keys"}`,
		"/plain":         "",
		"/moved/keys":    "",
		"/no-discovery/": "{",
	}
	var web *httptest.Server
	web = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/moved") {
			http.Redirect(w, r, web.URL+"/large", http.StatusFound)
			return
		}
		path := strings.TrimSuffix(r.URL.Path, "/.well-known/openid-configuration")
		if path == "/plain" {
			_, _ = w.Write([]byte(`{"issuer":"` + web.URL + `/plain","jwks_uri":"http://203.0.113.7/keys"}`))
			return
		}
		_, _ = w.Write([]byte(answers[path]))
	}))
	t.Cleanup(web.Close)
	for name, fetch := range map[string]auth.Fetch{
		"too large": auth.FromURL(web.URL + "/large"), "elsewhere": auth.FromURL(web.URL + "/moved/keys"), "nobody": auth.FromURL("http://127.0.0.1:1"),
		"another's discovery": auth.FromIssuer(web.URL + "/wrong"), "keys in clear text": auth.FromIssuer(web.URL + "/plain"),
		"no discovery": auth.FromIssuer(web.URL + "/no-discovery"), "no file": auth.FromFile(path + "x"), "no URL": auth.FromURL(":"),
	} {
		if got, err := fetch(t.Context()); err == nil {
			t.Errorf("%s: got %v", name, got)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := auth.FromURL(web.URL)(ctx); err == nil {
		t.Error("a fetch outlived its context")
	}
}
