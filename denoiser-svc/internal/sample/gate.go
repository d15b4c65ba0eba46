package sample

import (
	"context"

	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	"github.com/facestudio/facestudio/services/fault"
)

// waitingPerSlot is how many calls may wait for each slot. Work from the queue
// never waits here; this is for plain calls.
const waitingPerSlot = 4

// Gate bounds how many generations are in flight and how many wait for that.
type Gate struct {
	all   chan struct{}
	slots chan struct{}
}

// NewGate returns a gate for that many generations in flight; at least one.
func NewGate(slots int) *Gate {
	slots = max(slots, 1)
	return &Gate{all: make(chan struct{}, slots*(1+waitingPerSlot)), slots: make(chan struct{}, slots)}
}

// Enter waits for a slot; the caller calls leave to free it. It fails with
// QUOTA_EXHAUSTED when too many wait already.
func (g *Gate) Enter(ctx context.Context) (leave func(), err error) {
	select {
	case g.all <- struct{}{}:
	default:
		return nil, fault.New(fault.Exhausted, faultv1.Reason_REASON_QUOTA_EXHAUSTED, "",
			"%d pictures are in work or waiting here: retry later or at another worker", cap(g.all))
	}
	select {
	case g.slots <- struct{}{}:
		return func() { <-g.slots; <-g.all }, nil
	case <-ctx.Done():
		<-g.all
		return nil, context.Cause(ctx)
	}
}
