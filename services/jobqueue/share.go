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
	// Share tells a tenant's share as it is at the moment; it is asked at every
	// turn, and must not block. Nil: all tenants have the zero Share.
	Share func(tenant string) Share
	// Aging is how long a batch record waits before it counts as interactive; 0
	// means 5 min.
	Aging time.Duration
}

// Share is what one tenant may have of the work.
type Share struct {
	// Weight is relative to other tenants' weights; 0 and less mean 1.
	Weight float64
	// MaxRunning is how many of its records are worked on at once, in all of the
	// mesh; 0 means no bound. Workers that claim at the same moment may exceed it
	// by one each.
	MaxRunning int
}

// of is a tenant's share with its defaults.
func (f Fairness) of(tenant string) Share {
	var s Share
	if f.Share != nil {
		s = f.Share(tenant)
	}
	if !(s.Weight > 0) {
		s.Weight = 1
	}
	return s
}

// defaultAging keeps batch work from waiting for ever beside interactive work.
const defaultAging = 5 * time.Minute

func (f Fairness) validate() error {
	if f.Aging < 0 {
		return fmt.Errorf("jobqueue setting Fairness.Aging is %v; it is not negative", f.Aging)
	}
	return nil
}

// shares counts what tenants had, in records over weight. A tenant that was away
// does not catch up on what it did not want then: its next turn begins at the
// turn of the moment, now.
type shares struct {
	fair Fairness
	had  map[string]float64
	now  float64
}

func newShares(f Fairness) *shares {
	return &shares{fair: f, had: map[string]float64{}}
}

// turn is when a tenant's next record is due, on the clock of shares.
func (s *shares) turn(tenant string) float64 { return max(s.now, s.had[tenant]) }

// took notes that a record of a tenant is worked on.
func (s *shares) took(tenant string) {
	start := s.turn(tenant)
	s.now = start
	s.had[tenant] = start + 1/s.fair.of(tenant).Weight
	// What lies in the past says nothing more.
	for t, had := range s.had {
		if had <= s.now {
			delete(s.had, t)
		}
	}
}

// clone is a copy to plan with.
func (s *shares) clone() *shares {
	c := newShares(s.fair)
	c.now = s.now
	for tenant, had := range s.had {
		c.had[tenant] = had
	}
	return c
}
