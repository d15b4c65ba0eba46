package admin

import (
	"context"

	"google.golang.org/grpc"

	"github.com/facestudio/facestudio/gateway/internal/audit"
	adminv1 "github.com/facestudio/facestudio/proto/gen/facestudio/admin/v1"
	"github.com/facestudio/facestudio/services/fault"
	"github.com/facestudio/facestudio/services/jobqueue"
	"github.com/facestudio/facestudio/services/seal"
)

// Privacy implements SealService and AuditService. It may be used by many
// goroutines.
type Privacy struct {
	adminv1.UnimplementedSealServiceServer
	adminv1.UnimplementedAuditServiceServer
	ring *seal.Ring
	log  *audit.Log
}

// NewPrivacy returns the services of the data keys and of a log.
func NewPrivacy(ring *seal.Ring, log *audit.Log) *Privacy { return &Privacy{ring: ring, log: log} }

// Register registers the services.
func (p *Privacy) Register(to grpc.ServiceRegistrar) {
	adminv1.RegisterSealServiceServer(to, p)
	adminv1.RegisterAuditServiceServer(to, p)
}

// RotateKeys implements SealService.
func (p *Privacy) RotateKeys(ctx context.Context, _ *adminv1.RotateKeysRequest) (*adminv1.RotateKeysResponse, error) {
	done, err := p.ring.Rewrap(ctx)
	if err != nil {
		return nil, err
	}
	return &adminv1.RotateKeysResponse{
		KeyEncryptionKey: done.Newest, Rewrapped: int32(done.Keys), Kept: int32(done.Before), UnusedKeyEncryptionKeys: done.Old,
	}, nil
}

// ListAuditEntries implements AuditService.
func (p *Privacy) ListAuditEntries(ctx context.Context, req *adminv1.ListAuditEntriesRequest) (*adminv1.ListAuditEntriesResponse, error) {
	size := int(req.GetPageSize())
	if size < 0 || size > maxPage {
		return nil, fault.InvalidField("page_size", "%d is outside 0..%d: 0 means %d", size, maxPage, defaultPage)
	}
	if size == 0 {
		size = defaultPage
	}
	filter := audit.Filter{
		AuditFilter: jobqueue.AuditFilter{Tenant: req.GetTenant(), After: req.GetAfter()}, Subject: req.GetSubject(), Limit: size,
	}
	if req.GetSince() != nil {
		filter.Since = req.GetSince().AsTime()
	}
	list, err := p.log.List(ctx, filter)
	if err != nil {
		return nil, err
	}
	return &adminv1.ListAuditEntriesResponse{Entries: list}, nil
}
