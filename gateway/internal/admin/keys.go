package admin

import (
	"context"
	"log/slog"
	"time"
	"unicode/utf8"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/facestudio/facestudio/gateway/internal/auth"
	adminv1 "github.com/facestudio/facestudio/proto/gen/facestudio/admin/v1"
	"github.com/facestudio/facestudio/services/fault"
)

const (
	maxLabel = 100
	maxTTL   = 10 * 365 * 24 * time.Hour
)

// KeysSettings says what Keys is made of. All fields are needed.
type KeysSettings struct {
	// Store keeps the keys.
	Store *auth.KeyStore
	// Forget is told of each key that this gateway shall not believe any more.
	Forget func(id string)
	// Now is the clock that keys expire by.
	Now func() time.Time
	// Log takes which keys are made and revoked, and by whom.
	Log *slog.Logger
}

// Keys implements KeyService. It may be used by many goroutines.
type Keys struct {
	adminv1.UnimplementedKeyServiceServer
	set KeysSettings
}

// NewKeys returns the service.
func NewKeys(s KeysSettings) *Keys { return &Keys{set: s} }

// Register registers the service.
func (k *Keys) Register(to grpc.ServiceRegistrar) { adminv1.RegisterKeyServiceServer(to, k) }

// CreateKey implements KeyService.
func (k *Keys) CreateKey(ctx context.Context, req *adminv1.CreateKeyRequest) (*adminv1.CreateKeyResponse, error) {
	if !auth.ValidTenant(req.GetTenant()) {
		return nil, fault.InvalidField("tenant", "%.80q is no tenant: it has 1 to 63 letters, digits, underscores and hyphens", req.GetTenant())
	}
	scopes, bad, ok := auth.ParseScopes(req.GetScopes())
	if !ok {
		return nil, fault.InvalidField("scopes", "%.40q is no scope: use some of %v", bad, auth.Names(auth.Scopes))
	}
	if len(scopes) == 0 {
		scopes = auth.TenantScopes
	}
	if n := utf8.RuneCountInString(req.GetLabel()); n > maxLabel {
		return nil, fault.InvalidField("label", "it has %d characters and may have %d: shorten it", n, maxLabel)
	}
	asked := &adminv1.Key{Tenant: req.GetTenant(), Scopes: auth.Names(scopes), Label: req.GetLabel()}
	if req.GetTtl() != nil {
		ttl := req.GetTtl().AsDuration()
		if ttl < time.Second || ttl > maxTTL {
			return nil, fault.InvalidField("ttl", "%v is outside 1s..10 years: leave it out for a key that lasts until it is revoked", ttl)
		}
		asked.ExpireTime = timestamppb.New(k.set.Now().Add(ttl))
	}
	key, secret, err := k.set.Store.Create(ctx, asked)
	if err != nil {
		return nil, err
	}
	k.set.Log.InfoContext(ctx, "an API key is made", noted(ctx, key)...)
	return &adminv1.CreateKeyResponse{Key: key, Secret: secret}, nil
}

// GetKey implements KeyService.
func (k *Keys) GetKey(ctx context.Context, req *adminv1.GetKeyRequest) (*adminv1.Key, error) {
	record, err := k.set.Store.Get(ctx, req.GetId())
	return record.GetKey(), err
}

// ListKeys implements KeyService.
func (k *Keys) ListKeys(ctx context.Context, req *adminv1.ListKeysRequest) (*adminv1.ListKeysResponse, error) {
	list, err := k.set.Store.List(ctx, req.GetTenant())
	return &adminv1.ListKeysResponse{Keys: list}, err
}

// RevokeKey implements KeyService.
func (k *Keys) RevokeKey(ctx context.Context, req *adminv1.RevokeKeyRequest) (*adminv1.RevokeKeyResponse, error) {
	key, err := k.set.Store.Revoke(ctx, req.GetId())
	if err != nil {
		return nil, err
	}
	k.set.Forget(key.GetId())
	k.set.Log.InfoContext(ctx, "an API key is revoked", noted(ctx, key)...)
	return &adminv1.RevokeKeyResponse{Key: key}, nil
}

// noted is what the log has of a key, and who did it.
func noted(ctx context.Context, key *adminv1.Key) []any {
	by, _ := auth.PrincipalFrom(ctx)
	return []any{
		slog.String("key", key.GetId()), slog.String("tenant", key.GetTenant()), slog.Any("scopes", key.GetScopes()), slog.String("by", by.Name),
	}
}
