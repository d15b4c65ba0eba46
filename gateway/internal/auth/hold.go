package auth

import (
	"context"
	"time"

	"github.com/facestudio/facestudio/services/fault"
)

// again is how often a call under way is asked about anew.
const again = 5 * time.Second

// Hold implements rpc.Guard: it asks again and again whether the call would be
// let in. That this cannot be known for the moment ends no call.
func (g *Guard) Hold(ctx context.Context, method string) error {
	tick := time.NewTicker(again)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		_, err := g.Admit(ctx, method)
		if err == nil {
			continue
		}
		if kind := fault.From(err).Kind; kind == fault.Unauthenticated || kind == fault.Denied {
			return err
		}
	}
}
