package api

import (
	"sync"
	"time"

	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	"github.com/facestudio/facestudio/services/fault"
)

const (
	// watchesLimit is the name of the bound of watches.
	watchesLimit = "watches"
	// watchRetry is when a watch that was refused may be asked for again: nobody
	// knows when another one ends.
	watchRetry = 5 * time.Second
)

// watches counts the calls of each tenant that follow a generation. Each of them is
// a consumer of the queue's server.
type watches struct {
	mu   sync.Mutex
	open map[string]int
}

// begin counts a call until end is called, which is due once, or refuses it. 0 means
// no bound; a bound that was lowered ends no call.
func (w *watches) begin(tenant string, most int) (end func(), err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if open := w.open[tenant]; most > 0 && open >= most {
		f := fault.New(fault.Exhausted, faultv1.Reason_REASON_QUOTA_EXHAUSTED, "",
			"%d watches and waits of yours are open here, as many as may be: end those that nobody needs, and retry later, or get the generation without a wait now and then", open)
		f.Limit, f.RetryAfter = &fault.Limit{Name: watchesLimit, Value: int64(most)}, watchRetry
		return nil, f
	}
	w.open[tenant]++
	return func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.open[tenant]--; w.open[tenant] == 0 {
			delete(w.open, tenant)
		}
	}, nil
}

// watch counts a call that follows a generation of a tenant.
func (s *Service) watch(tenant string) (end func(), err error) {
	most := 0
	if s.set.Limits != nil {
		most = s.set.Limits(tenant).Watches
	}
	return s.watches.begin(tenant, most)
}
