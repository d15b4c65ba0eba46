package api

import (
	"context"
	"fmt"

	gatewayv1 "github.com/facestudio/facestudio/proto/gen/facestudio/gateway/v1"
	"github.com/facestudio/facestudio/services/fault"
)

// checkEnrolled refuses a generation that names a subject which it could not
// use: UNKNOWN_SUBJECT when there is none of the tenant's.
func (s *Service) checkEnrolled(ctx context.Context, tenant string, g *gatewayv1.Generation) error {
	check := func(at, name string) error {
		if name == "" || s.set.CheckEnrolled == nil {
			return nil
		}
		err := s.set.CheckEnrolled(ctx, tenant, name)
		if f := fault.From(err); f != nil && f.Field != "" {
			named := *f
			named.Field = at
			return &named
		}
		return err
	}
	for i, subject := range g.GetSubjects() {
		if err := check(fmt.Sprintf("subjects[%d].subject", i), subject.GetSubject()); err != nil {
			return err
		}
		for k, part := range subject.GetMix() {
			if err := check(fmt.Sprintf("subjects[%d].mix[%d].subject", i, k), part.GetSubject()); err != nil {
				return err
			}
		}
	}
	return nil
}
