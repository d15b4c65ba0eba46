package jobqueue

import (
	"context"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
)

// slot runs one piece of work after the other, interactive before batch, and waits
// for interactive work when there is none. It asks for one at a time: when it is
// free, so that work goes only where it can begin at once, and a moment before it
// expects to be, so that the next begins when the last has ended. Its loop owns
// all but the work itself, which runs in a goroutine of its own and is recorded
// and acknowledged while the next one runs.
type slot struct {
	s    *Server
	desk *desk
	// jobs is the parent of the contexts of calls in hand.
	jobs context.Context //nolint:containedctx // it outlives that of the loop by the grace

	// running is the call that has the slot, ahead the one that has it next.
	running, ahead *job
	// freed tells that running needs the slot no more.
	freed chan *job
	// settle is held by the call that is recorded and acknowledged.
	settle chan struct{}
	// left is closed when the loop has ended.
	left chan struct{}
	// idle takes work for a goroutine that has done some.
	idle chan *job
	all  sync.WaitGroup

	// asking is what the open request asks for.
	asking question
	// waited: the last wait for work ended without.
	waited bool
	// quiet is until when no batch work is looked for: lately there was none.
	quiet time.Time
	// patience ends the wait for an answer; a server that is gone gives none.
	patience *time.Timer
	// hurry is when to ask ahead or, when there is a call ahead, to hand it back.
	hurry *time.Timer
	looks int
	// faults counts what went wrong in a row.
	faults uint64
}

// question is what a slot asks.
type question uint8

const (
	// askNothing: there is no open request.
	askNothing question = iota
	// askInteractive and askBatch look for work that is there.
	askInteractive
	askBatch
	// askToWait waits for interactive work.
	askToWait
)

// answerTime is how long an answer may take beyond what was asked for.
const answerTime = time.Second

// slot takes work until ctx ends, and returns when what it has in hand is settled.
func (s *Server) slot(ctx, jobs context.Context) {
	d, err := s.newDesk()
	if err != nil {
		s.settings.Logger.Error("a slot cannot listen for work", "stage", s.settings.Stage, "error", err)
		return
	}
	defer d.close()
	w := &slot{
		s: s, desk: d, jobs: jobs, freed: make(chan *job), settle: make(chan struct{}, 1), left: make(chan struct{}), idle: make(chan *job),
		patience: time.NewTimer(time.Hour), hurry: time.NewTimer(time.Hour),
	}
	defer w.patience.Stop()
	defer w.hurry.Stop()
	defer w.all.Wait()
	defer close(w.left)
	w.loop(ctx)
}

func (w *slot) loop(ctx context.Context) {
	done := ctx.Done()
	for {
		if w.running == nil {
			switch {
			case w.ahead != nil:
				w.begin(w.ahead)
			case ctx.Err() == nil && w.asking == askNothing:
				w.ask(ctx, w.next())
			case ctx.Err() != nil && w.asking == askNothing:
				return
			}
		}
		reconnected := w.s.q.reconnection()
		select {
		case <-reconnected:
			// The request may be gone with the old connection.
			w.desk.forget()
			w.asking = askNothing
		case <-done:
			// An open request is not given up: a message already on its way would wait
			// for its redelivery.
			done = nil
			w.handBackAhead()
		case m := <-w.desk.answers:
			w.hear(ctx, m)
		case j := <-w.freed:
			w.free(j)
		case <-w.patience.C:
			w.unanswered(ctx)
		case <-w.hurry.C:
			w.soon(ctx)
		}
	}
}

// next is what a free slot asks for.
func (w *slot) next() question {
	looks := !time.Now().Before(w.quiet)
	switch {
	case looks && !w.waited:
		return askInteractive
	case looks:
		return askBatch
	default:
		return askToWait
	}
}

func (w *slot) ask(ctx context.Context, what question) {
	class, patience := Interactive, answerTime
	switch what {
	case askBatch:
		class = Batch
	case askToWait:
		patience += w.s.settings.BatchPoll
	}
	if err := w.desk.ask(class, what == askToWait); err != nil {
		w.failed(ctx, err)
		return
	}
	w.asking = what
	w.patience.Reset(patience)
}

// hear takes an answer.
func (w *slot) hear(ctx context.Context, m *nats.Msg) {
	msg, err := w.desk.read(m)
	if w.desk.open {
		return
	}
	asked := w.asking
	w.asking = askNothing
	switch {
	case err != nil:
		w.failed(ctx, err)
	case msg != nil:
		w.faults = 0
		w.accept(ctx, *msg)
	default:
		w.faults = 0
		w.nothing(asked)
	}
}

// nothing notes that there was no work.
func (w *slot) nothing(asked question) {
	switch asked {
	case askInteractive:
		// Batch is next, or, while the slot is not free, the same again in a moment.
		w.waited = w.running == nil
		w.lookAgain()
	case askBatch:
		w.quiet = time.Now().Add(w.s.settings.BatchPoll)
	case askToWait:
		w.waited = true
	}
}

// accept takes a message that was delivered.
//
//nolint:contextcheck // the work on a claim outlives ctx by the grace: its parent is w.jobs
func (w *slot) accept(ctx context.Context, msg delivery) {
	w.waited = false
	j := w.s.newJob(w.jobs, msg)
	j.stopping = ctx.Err() != nil
	switch {
	case w.running == nil:
		w.begin(j)
	case w.ahead == nil && !j.stopping:
		w.ahead = j
		w.hurry.Reset(aheadMost)
	default:
		// It came late, and there is no room for it any more.
		j.turn <- turnOver
	}
	w.start(j)
}

// start has a message processed. Goroutines are kept for the next ones, which find
// their stacks as large as handlers need them.
func (w *slot) start(j *job) {
	select {
	case w.idle <- j:
	default:
		w.all.Go(func() {
			for j != nil {
				j.process(w)
				select {
				case j = <-w.idle:
				case <-w.left:
					j = nil
				}
			}
		})
	}
}

// begin gives the slot to a call.
func (w *slot) begin(j *job) {
	w.running, w.ahead, w.looks = j, nil, 0
	w.hurry.Stop()
	w.expectEnd(w.s.pace.of(j.work.method))
	j.turn <- turnCome
}

// handBackAhead gives the call back that waits for the slot.
func (w *slot) handBackAhead() {
	if w.ahead != nil {
		w.ahead.turn <- turnOver
		w.ahead = nil
	}
}

// free notes that a call needs its turn no more.
func (w *slot) free(j *job) {
	switch j {
	case w.running:
		w.running = nil
	case w.ahead:
		w.ahead = nil
	}
}

// unanswered gives up the open request.
func (w *slot) unanswered(ctx context.Context) {
	if w.asking == askNothing {
		return
	}
	w.desk.forget()
	w.asking = askNothing
	w.failed(ctx, nats.ErrTimeout)
}

// failed waits before a free slot asks again.
func (w *slot) failed(ctx context.Context, err error) {
	if w.running != nil || ctx.Err() != nil {
		return
	}
	w.faults++
	w.s.recover(ctx, err, w.faults)
}

// recover waits before a slot asks again, and makes its consumers anew in case
// that they are gone.
func (s *Server) recover(ctx context.Context, err error, faults uint64) {
	if faults == 1 {
		s.settings.Logger.Warn("no work from the queue for now", "stage", s.settings.Stage, "error", err)
	}
	pause(ctx, backoff(100*time.Millisecond, min(faults, 6), randomSpread()), s.q.reconnection())
	if ctx.Err() != nil || !s.q.nc.IsConnected() {
		return
	}
	for _, class := range []string{Interactive, Batch} {
		if _, err := s.consumer(ctx, class); err != nil {
			s.settings.Logger.Warn("a consumer cannot be opened", "class", class, "error", err)
		}
	}
}
