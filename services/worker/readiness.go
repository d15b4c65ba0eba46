package worker

import "sync"

// readiness is true while the models are warm and NATS is connected.
type readiness struct {
	tell func(bool)

	mu     sync.Mutex
	isUp   bool
	warmed bool
}

// newReadiness starts not warm, with NATS taken to be connected.
func newReadiness(tell func(ready bool)) *readiness {
	return &readiness{tell: tell, isUp: true}
}

func (r *readiness) connected(up bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.isUp = up
	r.tell(r.isUp && r.warmed)
}

func (r *readiness) warm() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.warmed = true
	r.tell(r.isUp && r.warmed)
}
