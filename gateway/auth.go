package gateway

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"go.opentelemetry.io/otel"

	"github.com/facestudio/facestudio/gateway/internal/admin"
	"github.com/facestudio/facestudio/gateway/internal/auth"
	"github.com/facestudio/facestudio/services/config"
	"github.com/facestudio/facestudio/services/rpc"
)

// maxSkew bounds how far an issuer's clock may be off.
const maxSkew = 10 * time.Minute

// maxFailures bounds how many failures a minute can be allowed; more is no bound.
const maxFailures = 1_000_000

// Auth is what an operator sets about who may call.
type Auth struct {
	// On wants an API key or a token with every call. Off: whoever reaches the
	// server is believed, which only a loopback address or verified client
	// certificates allow.
	On bool
	// AdminKeyFile is a file with the operator's key, "fsk_admin_" and at least 32
	// random letters and digits, which may make the other keys. Empty: none.
	AdminKeyFile string
	// Issuer is the issuer of the tokens (JWT) that are taken beside keys, as their
	// "iss" says. Empty: none are.
	Issuer string
	// Audiences are what tokens must be made for, one of them.
	Audiences []string
	// Keys is where the issuer's keys are: the URL or the path of a JWKS. Empty:
	// where the issuer's discovery document says.
	Keys string
	// TenantClaim and ScopeClaim are the claims that have the tenant and the scopes.
	TenantClaim, ScopeClaim string
	// Skew is how far the issuer's clock may be off.
	Skew time.Duration
	// Failures is how many wrong keys and tokens an address may show, at once and
	// then again each minute; 0 takes any number.
	Failures int
	// TrustedProxies are the addresses and networks (CIDR) of reverse proxies that are
	// believed about where calls come from. Empty: none, and what is behind a proxy
	// is one address.
	TrustedProxies []string
}

// Register implements config.Section.
func (c *Auth) Register(s *config.Set) {
	s.Bool(&c.On, "auth", false, "want an API key or a token with every call; see docs/auth.md")
	s.String(&c.AdminKeyFile, "admin-key-file", "", "file with the operator's key, fsk_admin_ and at least 32 random letters and digits")
	s.String(&c.Issuer, "jwt-issuer", "", "issuer of tokens that are taken beside API keys, as their iss says; empty takes none")
	s.Strings(&c.Audiences, "jwt-audience", nil, "audiences of which tokens must have one")
	s.String(&c.Keys, "jwt-keys", "", "URL or file of the issuer's keys (JWKS); empty asks the issuer where they are")
	s.String(&c.TenantClaim, "jwt-tenant-claim", "tenant", "claim of tokens that has the tenant")
	s.String(&c.ScopeClaim, "jwt-scope-claim", "scope", "claim of tokens that has the scopes, a list or a text with spaces")
	s.Duration(&c.Skew, "jwt-skew", 30*time.Second, "how far the issuer's clock may be off")
	s.Int(&c.Failures, auth.AttemptsLimit, 20, "wrong keys and tokens that an address may show, at once and again each minute; 0 takes any number")
	s.Strings(&c.TrustedProxies, "trusted-proxies", nil, "addresses and networks (CIDR) of reverse proxies whose X-Forwarded-For is believed")
}

// Validate implements config.Section.
func (c *Auth) Validate(p *config.Problems) {
	p.Check(c.On || c.Issuer == "" && c.AdminKeyFile == "", "auth", "keys and tokens are set up, but not wanted: give --auth, or leave them out")
	if c.AdminKeyFile != "" {
		if _, err := auth.ReadAdminKey(c.AdminKeyFile); err != nil {
			p.Add("admin-key-file", "%s: %v", c.AdminKeyFile, err)
		}
	}
	p.Check(c.Failures >= 0 && c.Failures <= maxFailures, auth.AttemptsLimit, "%d is outside 0..%d", c.Failures, maxFailures)
	if _, bad, ok := auth.ParseProxies(c.TrustedProxies); !ok {
		p.Add("trusted-proxies", "%q is no address and no network: use for example 10.0.0.7 or 10.0.0.0/8", bad)
	}
	if c.Issuer == "" {
		return
	}
	p.Check(c.Keys != "" || auth.SecureURL(c.Issuer), "jwt-issuer", "%q is no https URL that could be asked for its keys: name them with jwt-keys", c.Issuer)
	p.Check(len(c.Audiences) > 0, "jwt-audience", "the issuer's tokens for others would do, too: name the audience that they are made for here")
	if strings.Contains(c.Keys, "://") {
		p.Check(auth.SecureURL(c.Keys), "jwt-keys", "%q is no https URL: whoever is on the way could change the keys", config.RedactURL(c.Keys))
	} else if c.Keys != "" {
		if _, err := auth.FromFile(c.Keys)(context.Background()); err != nil {
			p.Add("jwt-keys", "%v: name a readable JWKS file", err)
		}
	}
	p.Check(c.TenantClaim != "", "jwt-tenant-claim", "no claim tells the tenant: name one")
	p.Check(c.ScopeClaim != "", "jwt-scope-claim", "no claim tells the scopes: name one")
	p.Check(c.Skew >= 0 && c.Skew <= maxSkew, "jwt-skew", "%v is outside 0..%v", c.Skew, maxSkew)
}

// MakeAdminKey makes the operator's key in a file that only this user can read,
// unless there is one.
func MakeAdminKey(path string) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("make the admin key: %w", err)
	}
	key, err := auth.NewAdminKey(rand.Reader)
	if err == nil {
		_, err = fmt.Fprintln(file, key)
	}
	if err = errors.Join(err, file.Close()); err != nil {
		return errors.Join(fmt.Errorf("make the admin key: %w", err), os.Remove(path))
	}
	return nil
}

// openAuth opens the keys of the mesh; they can be made and revoked also where
// nobody asks for them.
func (s *Service) openAuth(ctx context.Context, env Env) error {
	documents, err := env.Queue.DocumentsUpTo(ctx, auth.Kind, auth.MaxBytes)
	if err != nil {
		return fmt.Errorf("open the API keys: %w", err)
	}
	store := auth.NewKeyStore(documents, time.Now, rand.Reader)
	var adminKey string
	if env.Auth.AdminKeyFile != "" {
		if adminKey, err = auth.ReadAdminKey(env.Auth.AdminKeyFile); err != nil {
			return fmt.Errorf("read admin-key-file: %w", err)
		}
	}
	ring, err := auth.NewKeyRing(store, time.Now, adminKey)
	if err != nil {
		return err
	}
	s.keys = admin.NewKeys(admin.KeysSettings{Store: store, Forget: ring.Forget, Now: time.Now, Log: env.Log})
	if env.Auth.On {
		s.guard, err = guardOf(auth.NewGuard(ring, tokens(ctx, env)), env.Auth)
	}
	return err
}

// guardOf has a guard bound failures, if that is wanted, and counts what it
// answers.
func guardOf(guard rpc.Guard, c Auth) (rpc.Guard, error) {
	if c.Failures > 0 {
		proxies, bad, ok := auth.ParseProxies(c.TrustedProxies)
		if !ok {
			return nil, fmt.Errorf("read trusted-proxies: %q is no address", bad)
		}
		var err error
		guard, err = auth.BoundAttempts(guard, auth.AttemptSettings{PerMinute: c.Failures, Proxies: proxies, Now: time.Now})
		if err != nil {
			return nil, err
		}
	}
	return auth.Observe(guard, otel.GetMeterProvider())
}

// tokens is the verifier of tokens; nil when none are taken. An issuer that
// cannot be reached now is asked again when the first token comes.
func tokens(ctx context.Context, env Env) auth.Tokens {
	c := env.Auth
	if c.Issuer == "" {
		return nil
	}
	fetch := auth.FromIssuer(c.Issuer)
	switch {
	case strings.Contains(c.Keys, "://"):
		fetch = auth.FromURL(c.Keys)
	case c.Keys != "":
		fetch = auth.FromFile(c.Keys)
	}
	keys := auth.NewKeySet(fetch, time.Now, env.Log)
	keys.Refresh(ctx)
	return auth.NewVerifier(keys, auth.TokenSettings{
		Issuer: c.Issuer, Audiences: c.Audiences, TenantClaim: c.TenantClaim, ScopeClaim: c.ScopeClaim, Skew: c.Skew, Now: time.Now,
	})
}

// Guard makes a server ask who calls, if that is wanted. Call it before the server
// runs.
func (s *Service) Guard(on *rpc.Server) {
	if s.guard != nil {
		on.Guard(s.guard)
	}
}
