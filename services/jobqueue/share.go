package jobqueue

import (
	"fmt"
	"time"
)

// Fairness says how records take turns. All workers of a mesh use the same.
//
// Interactive records go before batch ones, and a batch record that has waited
// for Aging goes with the interactive ones. Among those, the tenant goes next that
// has had the least for its weight since it last had nothing to do (start-time
// fair queueing, Goyal et al. 1996, each record costing the same), and of its
// records the oldest.
type Fairness struct {
	// Weights are tenants' shares relative to each other, above 0; a tenant that is
	// not named has 1.
	Weights map[string]float64
	// MaxInFlight is how many records of one tenant are worked on at once, in all
	// of the mesh; 0 means no bound. Workers that claim at the same moment may
	// exceed it by one each.
	MaxInFlight int
	// Aging is how long a batch record waits before it counts as interactive; 0
	// means 5 min.
	Aging time.Duration
}

// defaultAging keeps batch work from waiting for ever beside interactive work.
const defaultAging = 5 * time.Minute

func (f Fairness) validate() error {
	for tenant, weight := range f.Weights {
		if !validToken(tenant) || !(weight > 0) {
			return fmt.Errorf("jobqueue setting Fairness.Weights has %v for tenant %q; weights are above 0", weight, tenant)
		}
	}
	if f.MaxInFlight < 0 {
		return fmt.Errorf("jobqueue setting Fairness.MaxInFlight is %d; the least is 0, no bound", f.MaxInFlight)
	}
	if f.Aging < 0 {
		return fmt.Errorf("jobqueue setting Fairness.Aging is %v; it is not negative", f.Aging)
	}
	return nil
}

// shares counts what tenants had, in records over weight. A tenant that was away
// does not catch up on what it did not want then: its next turn begins at the
// turn of the moment, now.
type shares struct {
	weights map[string]float64
	had     map[string]float64
	now     float64
}

func newShares(weights map[string]float64) *shares {
	return &shares{weights: weights, had: map[string]float64{}}
}

// turn is when a tenant's next record is due, on the clock of shares.
func (s *shares) turn(tenant string) float64 { return max(s.now, s.had[tenant]) }

// took notes that a record of a tenant is worked on.
func (s *shares) took(tenant string) {
	start := s.turn(tenant)
	weight, ok := s.weights[tenant]
	if !ok {
		weight = 1
	}
	s.now = start
	s.had[tenant] = start + 1/weight
	// What lies in the past says nothing more.
	for t, had := range s.had {
		if had <= s.now {
			delete(s.had, t)
		}
	}
}

// clone is a copy to plan with.
func (s *shares) clone() *shares {
	c := newShares(s.weights)
	c.now = s.now
	for tenant, had := range s.had {
		c.had[tenant] = had
	}
	return c
}
