package auth

import (
	"context"
	"errors"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// algorithms are those that tokens may be signed with: asymmetric ones alone, so
// that neither "none" nor a public key taken for a shared secret gets past.
var algorithms = []jose.SignatureAlgorithm{
	jose.RS256, jose.RS384, jose.RS512, jose.PS256, jose.PS384, jose.PS512,
	jose.ES256, jose.ES384, jose.ES512, jose.EdDSA,
}

// tenantForm is what a tenant looks like.
var tenantForm = regexp.MustCompile(`^[A-Za-z0-9_-]{1,63}$`)

// ValidTenant tells whether a text can be a tenant.
func ValidTenant(text string) bool { return tenantForm.MatchString(text) }

// TokenSettings says which tokens are taken.
type TokenSettings struct {
	// Issuer is what their "iss" must be.
	Issuer string
	// Audiences are what their "aud" must have one of; at least one.
	Audiences []string
	// TenantClaim is the claim that has the tenant, a text.
	TenantClaim string
	// ScopeClaim is the claim that has the scopes: a list, or a text with spaces.
	// What is no scope of ours is left out.
	ScopeClaim string
	// Skew is how far the issuer's clock may be off.
	Skew time.Duration
	// Now is the clock.
	Now func() time.Time
}

// Verifier tells whose a token is. It is safe for concurrent use.
type Verifier struct {
	keys *KeySet
	set  TokenSettings
}

// NewVerifier returns the verifier of tokens that are signed with keys of a set.
func NewVerifier(keys *KeySet, s TokenSettings) *Verifier { return &Verifier{keys: keys, set: s} }

// Principal implements Tokens.
func (v *Verifier) Principal(ctx context.Context, token string) (Principal, error) {
	parsed, err := jwt.ParseSigned(token, algorithms)
	if err != nil {
		return Principal{}, invalid("it is neither an API key nor a token (JWT) that is signed with RS, PS, ES or EdDSA", err)
	}
	header := parsed.Headers[0]
	keys, err := v.keys.Find(ctx, header.KeyID, header.Algorithm)
	if err != nil {
		return Principal{}, err
	}
	var claims jwt.Claims
	var all map[string]any
	err = errors.New("no key fits")
	for _, key := range keys {
		if err = parsed.Claims(key.Key, &claims, &all); err == nil {
			break
		}
	}
	if err != nil {
		return Principal{}, invalid("the token is not signed by the issuer: get one from it", err)
	}
	if err := v.check(claims); err != nil {
		return Principal{}, err
	}
	tenant, _ := all[v.set.TenantClaim].(string)
	if !ValidTenant(tenant) {
		return Principal{}, invalid("the token names no tenant: its claim "+v.set.TenantClaim+" must have 1 to 63 letters, digits, underscores and hyphens", nil)
	}
	return Principal{Name: claims.Subject, Tenant: tenant, Scopes: scopesOf(all[v.set.ScopeClaim])}, nil
}

func (v *Verifier) check(claims jwt.Claims) error {
	if claims.Expiry == nil {
		return invalid("the token never expires: get one with the claim exp", nil)
	}
	err := claims.ValidateWithLeeway(jwt.Expected{
		Issuer: v.set.Issuer, AnyAudience: v.set.Audiences, Time: v.set.Now(),
	}, v.set.Skew)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, jwt.ErrExpired):
		return expired("the token has expired: get a new one")
	case errors.Is(err, jwt.ErrNotValidYet), errors.Is(err, jwt.ErrIssuedInTheFuture):
		return expired("the token is not valid yet: wait, or set the clocks right")
	case errors.Is(err, jwt.ErrInvalidIssuer):
		return invalid("the token is another issuer's: get one from "+v.set.Issuer, err)
	case errors.Is(err, jwt.ErrInvalidAudience):
		return invalid("the token is for another audience: get one for "+strings.Join(v.set.Audiences, " or "), err)
	default:
		return invalid("the token's claims are wrong", err)
	}
}

// scopesOf reads a claim; what else the issuer calls scopes is left out.
func scopesOf(claim any) []Scope {
	var names []string
	switch c := claim.(type) {
	case string:
		names = strings.Fields(c)
	case []any:
		for _, each := range c {
			if name, ok := each.(string); ok {
				names = append(names, name)
			}
		}
	}
	var scopes []Scope
	for _, name := range names {
		if slices.Contains(Scopes, Scope(name)) {
			scopes = append(scopes, Scope(name))
		}
	}
	return scopes
}
