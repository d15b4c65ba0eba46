// Package auth knows who calls: by an API key that the mesh gave out, or by a
// token (JWT) of the operator's identity provider. Who calls decides the tenant
// and what may be called. The same code guards gRPC, REST and the web page, since
// all of them arrive as gRPC calls.
package auth

import (
	"context"
	"strings"

	"google.golang.org/grpc/metadata"

	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	"github.com/facestudio/facestudio/services/fault"
	"github.com/facestudio/facestudio/services/jobqueue"
)

// Header is the metadata key, and in lower case the HTTP header, of credentials.
const Header = "authorization"

// maxCredential bounds a key or token, bytes.
const maxCredential = 16 << 10

// Principal is who calls.
type Principal struct {
	// Name tells principals apart in logs: a key's id, or a token's subject.
	Name string
	// Tenant is whose calls they are; empty for one that belongs to no tenant.
	Tenant string
	// Scopes are what it may do.
	Scopes []Scope
}

// Keys knows API keys; *KeyRing is one.
type Keys interface {
	// Principal returns whose key it is, or a fault.
	Principal(ctx context.Context, key string) (Principal, error)
}

// Tokens knows tokens; *Verifier is one.
type Tokens interface {
	// Principal returns whose token it is, or a fault.
	Principal(ctx context.Context, token string) (Principal, error)
}

// Guard lets calls in by their credentials. It implements rpc.Guard and may be
// used by many goroutines.
type Guard struct {
	keys   Keys
	tokens Tokens
}

// NewGuard returns a guard. tokens may be nil: then only keys are known.
func NewGuard(keys Keys, tokens Tokens) *Guard { return &Guard{keys: keys, tokens: tokens} }

// Admit implements rpc.Guard: the credentials must be good, have the scope of the
// method, and be of the tenant that the call names, if it names one.
func (g *Guard) Admit(ctx context.Context, method string) (context.Context, error) {
	credential, err := credentialOf(ctx)
	if err != nil {
		return nil, err
	}
	who, err := g.principal(ctx, credential)
	if err != nil {
		return nil, err
	}
	if err := may(who, method); err != nil {
		return nil, err
	}
	call, _ := jobqueue.CallFrom(ctx)
	if call.Tenant != "" && call.Tenant != who.Tenant {
		return nil, fault.New(fault.Denied, faultv1.Reason_REASON_TENANT_MISMATCH, "tenant",
			"the call is for tenant %.63q, and its key or token is another one's: leave the tenant out, or use that tenant's own key", call.Tenant)
	}
	call.Tenant = who.Tenant
	return context.WithValue(jobqueue.WithCall(ctx, call), principalKey{}, who), nil
}

func (g *Guard) principal(ctx context.Context, credential string) (Principal, error) {
	switch {
	case strings.HasPrefix(credential, keyPrefix):
		return g.keys.Principal(ctx, credential)
	case g.tokens != nil:
		return g.tokens.Principal(ctx, credential)
	default:
		return Principal{}, invalid("it is no API key of this mesh, and tokens are not taken here: use a key, which begins with "+keyPrefix, nil)
	}
}

type principalKey struct{}

// PrincipalFrom returns who makes the call in ctx; false where nobody looks.
func PrincipalFrom(ctx context.Context) (Principal, bool) {
	who, ok := ctx.Value(principalKey{}).(Principal)
	return who, ok
}

// credentialOf is the one key or token that a call shows.
func credentialOf(ctx context.Context) (string, error) {
	md, _ := metadata.FromIncomingContext(ctx)
	values := md.Get(Header)
	switch {
	case len(values) == 0 || len(values) == 1 && values[0] == "":
		return "", fault.New(fault.Unauthenticated, faultv1.Reason_REASON_CREDENTIALS_MISSING, "",
			"this mesh wants to know who calls: send an API key or a token as \"%s: Bearer ...\" (the command has --api-key)", Header)
	case len(values) > 1:
		return "", invalid("the call has several authorization headers: send one", nil)
	case len(values[0]) > maxCredential:
		return "", invalid("the authorization header is longer than any key or token: send one key or one token", nil)
	}
	scheme, credential, _ := strings.Cut(values[0], " ")
	credential = strings.TrimSpace(credential)
	if !strings.EqualFold(scheme, "Bearer") || credential == "" {
		return "", invalid("the authorization header is no bearer credential: write \"Bearer \" and the key or token", nil)
	}
	return credential, nil
}

func invalid(why string, err error) error {
	return fault.Wrap(err, fault.Unauthenticated, faultv1.Reason_REASON_CREDENTIALS_INVALID, "", "%s", why)
}

func expired(why string) error {
	return fault.New(fault.Unauthenticated, faultv1.Reason_REASON_CREDENTIALS_EXPIRED, "", "%s", why)
}
