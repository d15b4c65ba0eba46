package jobqueue

import (
	"context"
	"sync"
	"time"
)

// A slot asks for its next call a moment before the one that it runs is expected
// to end. What it gets then waits in its hands, alive, for its turn: not for long,
// because another worker may be free meanwhile. Batch work is not asked for ahead,
// so that interactive work which comes in that moment goes first.

const (
	// aheadBy is how long before the end.
	aheadBy = 40 * time.Millisecond
	// aheadLooks is how often a slot looks in this time while there is nothing.
	aheadLooks = 4
	// aheadMost is how long a call waits for its turn before it is handed back.
	aheadMost = time.Second
	// aheadLeast is how long calls take at least for which it is worth while.
	aheadLeast = 2 * time.Millisecond
)

// expectEnd sets when to ask ahead: the running call is about to begin.
func (w *slot) expectEnd(took time.Duration) {
	if took >= aheadLeast && w.ahead == nil {
		w.hurry.Reset(max(took-aheadBy, 0))
	}
}

// soon asks ahead or, when a call has waited too long, hands it back.
func (w *slot) soon(ctx context.Context) {
	switch {
	case w.running == nil || ctx.Err() != nil:
	case w.ahead != nil:
		w.handBackAhead()
	case w.asking == askNothing && w.looks < aheadLooks:
		w.looks++
		w.ask(ctx, askInteractive)
	}
}

// lookAgain sets when to ask ahead again, after there was nothing.
func (w *slot) lookAgain() {
	if w.running != nil {
		w.hurry.Reset(aheadBy / aheadLooks)
	}
}

// pace knows how long calls of each method take lately. It is safe for concurrent use.
type pace struct {
	mu   sync.Mutex
	took map[string]time.Duration
}

// note takes in how long a call took.
func (p *pace) note(method string, took time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.took == nil {
		p.took = map[string]time.Duration{}
	}
	if known, ok := p.took[method]; ok {
		took = known + time.Duration(learnt*float64(took-known))
	}
	p.took[method] = took
}

// of is how long a call takes; 0 when that is not known.
func (p *pace) of(method string) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.took[method]
}
