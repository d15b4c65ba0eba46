package record

import (
	"context"
	"errors"
	"fmt"

	"google.golang.org/protobuf/types/known/timestamppb"

	gatewayv1 "github.com/facestudio/facestudio/proto/gen/facestudio/gateway/v1"
	"github.com/facestudio/facestudio/services/jobqueue"
)

// Place is where a generation stands among the others of its tenant.
type Place struct {
	id      string
	created *timestamppb.Timestamp
}

// GetName returns the generation's name.
func (p Place) GetName() string { return Name(p.id) }

// GetCreateTime returns when it was created.
func (p Place) GetCreateTime() *timestamppb.Timestamp { return p.created }

// Places returns where a tenant's generations are that pass, in no order. Nil lets
// all pass, those that were deleted too, and reads none of them.
func (s *Store) Places(ctx context.Context, tenant string, passes func(*gatewayv1.Generation) bool) ([]Place, error) {
	var places []Place
	err := s.records.Scan(ctx, tenant, func(sealed jobqueue.Sealed) error {
		if passes != nil {
			g, err := listed(s.records.Open(ctx, sealed))
			if err != nil || g == nil || !passes(g) {
				return err
			}
		}
		places = append(places, Place{sealed.Key.ID, sealed.Record.GetCreateTime()})
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list generations: %w", err)
	}
	return places, nil
}

// Each calls do with a tenant's generations, in no order; it holds one at a time.
func (s *Store) Each(ctx context.Context, tenant string, do func(*gatewayv1.Generation)) error {
	_, err := s.Places(ctx, tenant, func(g *gatewayv1.Generation) bool {
		do(g)
		return false
	})
	return err
}

// At returns the generation at a place, nil when it was deleted meanwhile or cannot be
// read any more.
func (s *Store) At(ctx context.Context, tenant string, p Place) (*gatewayv1.Generation, error) {
	return listed(s.records.Listed(ctx, jobqueue.RecordKey{Tenant: tenant, ID: p.id}))
}

// listed returns the generation of a record, nil when there is none.
func listed(entry *jobqueue.Entry, err error) (*gatewayv1.Generation, error) {
	switch {
	case errors.Is(err, jobqueue.ErrNotFound) || err == nil && deleted(entry):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("read a generation: %w", err)
	}
	return Decode(entry.Record.GetValue())
}

// Unended returns a tenant's generations that have not ended, the newest first.
func (s *Store) Unended(ctx context.Context, tenant string) ([]*gatewayv1.Generation, error) {
	entries, err := s.records.Unended(ctx, tenant)
	if err != nil {
		return nil, fmt.Errorf("list generations: %w", err)
	}
	list := make([]*gatewayv1.Generation, 0, len(entries))
	for _, entry := range entries {
		if deleted(entry) {
			continue
		}
		g, err := Decode(entry.Record.GetValue())
		if err != nil {
			return nil, err
		}
		list = append(list, g)
	}
	return list, nil
}
