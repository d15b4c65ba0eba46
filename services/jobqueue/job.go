package jobqueue

import (
	"context"
	"errors"
	"time"

	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	jobqueuev1 "github.com/facestudio/facestudio/proto/gen/facestudio/jobqueue/v1"
	"github.com/facestudio/facestudio/services/fault"
	"github.com/facestudio/facestudio/services/seal"
)

// passOnDelay keeps workers from handing each other what none of them
// understands all the time.
const passOnDelay = time.Second

// job is a message in hand.
type job struct {
	s    *Server
	msg  delivery
	work work
	rule rule
	// unread is why the message is no work that can be read here.
	unread error
	// attempt is how often the message was delivered.
	attempt uint64
	// sequence is the number of the message in its stream.
	sequence uint64
	// earlier is what became of the deliveries before this one.
	earlier tries
	// noted says that it is written down that this one began.
	noted bool
	// unsure is a note whose writing got no answer: it may be there.
	unsure *jobqueuev1.Attempts
	// queued is when the work was published, by the server's clock.
	queued time.Time
	// stopping: it came to a worker that does not begin anything.
	stopping bool

	// ctx ends when the work has to stop, and cancel ends it.
	ctx    context.Context //nolint:containedctx // of the call, as a request's
	cancel context.CancelCauseFunc
	// turn tells, once, whether the handler may run.
	turn chan turn
}

// turn is what a slot tells a call that waits for it.
type turn uint8

const (
	// turnCome: the slot is the call's.
	turnCome turn = iota
	// turnOver: it will not be; another worker may have the call.
	turnOver
)

// newJob reads a message. ctx ends when calls in hand have to stop.
func (s *Server) newJob(ctx context.Context, msg delivery) *job {
	j := &job{s: s, msg: msg, turn: make(chan turn, 1)}
	j.ctx, j.cancel = context.WithCancelCause(ctx)
	j.work, j.unread = parseWork(msg.Subject, msg.Header, msg.Data)
	if meta, err := msg.Metadata(); err == nil {
		j.attempt, j.queued, j.sequence = meta.NumDelivered, meta.Timestamp, meta.Sequence.Stream
	}
	return j
}

// process does what the message asks for: in its turn, if the handler is to run.
func (j *job) process(w *slot) {
	alive := j.keepAlive()
	defer alive()
	defer j.cancel(nil)
	if !j.foreign() {
		// Reachable for a cancel before it is known that there was none yet.
		letGo := j.s.hold(j.work.address, j.cancel)
		defer letGo()
	}
	m, next, outcome := j.prepare()
	var response []byte
	if next == run {
		if <-j.turn == turnOver {
			j.carryOut(j.ctx, handBack, nil, nil)
			return
		}
		outcome, response, next = j.perform(m)
	}
	// What comes next runs while this is recorded and acknowledged, and waits when
	// that takes longer than it does itself.
	w.settle <- struct{}{}
	select {
	case w.freed <- j:
	case <-w.left:
	}
	j.carryOut(j.ctx, next, outcome, response)
	<-w.settle
}

func (j *job) foreign() bool { return j.unread != nil && !errors.Is(j.unread, errNewer) }

// prepare finds out what to do with the message, and with what status; when that
// is to run, it has the method and the opened request.
func (j *job) prepare() (method, action, *status.Status) {
	q := j.s.q
	arrived := arrival{
		maxKills: uint64(j.s.settings.MaxKills), stopping: j.stopping,
		foreign: j.foreign(), newer: errors.Is(j.unread, errNewer),
	}
	if arrived.foreign {
		return method{}, admit(arrived), status.New(codes.InvalidArgument, j.unread.Error())
	}
	if j.worthALook() {
		if result, err := q.lookup(j.ctx, j.work.address); err == nil {
			arrived.decided = result != nil
		}
	}
	if note, _, err := j.attempts(j.ctx); err == nil {
		j.earlier = sortOut(note)
	}
	arrived.silent = j.earlier.silent
	arrived.late = j.late()
	m, known := j.s.methods[j.work.method]
	j.rule = m.rule
	next := admit(arrived)
	if next != run {
		return m, next, status.New(codes.Internal, "the workers that had it fell silent")
	}
	if err := q.openRequest(j.ctx, &j.work); err != nil {
		next, s := j.unopened(err)
		return m, next, s
	}
	if !known {
		// A newer version's method: another worker may know it.
		s := status.Newf(codes.Unimplemented, "this worker does not know %s", j.work.method)
		return m, conclude(departure{status: s, failed: j.earlier.failed, maxAttempts: uint64(j.s.settings.MaxAttempts)}), s
	}
	return m, run, nil
}

// lookTime is about what it costs to look for a result.
const lookTime = time.Millisecond

// worthALook says whether to look for a result before the handler runs. It would
// be there if somebody cancelled, or the same work ended just when this was
// published. To do again what takes less time than the look does no harm: the
// result that was there stays.
func (j *job) worthALook() bool {
	took := j.s.pace.of(j.work.method)
	return j.attempt != 1 || took == 0 || took > lookTime
}

// late says whether the deadline has passed.
func (j *job) late() bool { return j.s.q.clock.left(j.work.deadline) <= 0 }

// perform runs the handler, unless there is no more use in it: the turn may have
// come some time after the message was looked at.
func (j *job) perform(m method) (*status.Status, []byte, action) {
	switch {
	case j.ctx.Err() != nil:
		s := statusFrom(j.ctx.Err())
		return s, nil, conclude(departure{status: s, ended: endingOf(j.ctx), maxAttempts: uint64(j.s.settings.MaxAttempts)})
	case j.late():
		return nil, nil, drop
	}
	// The trace is the caller's from here on.
	ctx := traceContext.Extract(j.ctx, propagation.HeaderCarrier(j.msg.Header))
	j.endWait(ctx)
	return j.run(ctx, m)
}

// number is which attempt this is; the first is 1.
func (j *job) number() uint64 { return j.earlier.began + 1 }

// endWait tells how long the work waited for this attempt, its first.
func (j *job) endWait(ctx context.Context) {
	if j.number() != 1 || j.queued.IsZero() {
		return
	}
	now := j.s.q.Now()
	j.s.q.traceWait(ctx, ofCall(opWait, j.work.method, j.work.address), j.queued, now)
	j.s.q.metrics.waited(ctx, now.Sub(j.queued), ofWork(j.work.address))
}

// unopened says what becomes of work whose request cannot be opened.
func (j *job) unopened(err error) (action, *status.Status) {
	switch {
	case errors.Is(err, seal.ErrDestroyed):
		return record, fault.ToStatus(erased(err))
	case errors.Is(err, seal.ErrUnreadable):
		return refuse, status.New(codes.InvalidArgument, err.Error())
	default:
		j.s.settings.Logger.Warn("work cannot be opened for now", "method", j.work.method, "error", err)
		return passOn, nil
	}
}

// run calls the handler and says what to do then.
func (j *job) run(ctx context.Context, m method) (*status.Status, []byte, action) {
	q := j.s.q
	ctx, span := q.spanOf(ctx, ofCall(opProcess, j.work.method, j.work.address), trace.SpanKindConsumer)
	span.SetAttributes(attemptNumber(j.number()))
	defer span.End()
	call, release := context.WithTimeout(ctx, q.clock.left(j.work.deadline))
	defer release()
	response, took, err := j.apart(call, m)
	outcome := statusFrom(err)
	if err == nil && len(response) > MaxPayload {
		outcome = status.Newf(codes.Internal, "the response of %s has %d bytes and a message at most %d; the handler has to store large parts as blobs", j.work.method, len(response), MaxPayload)
	}
	endSpan(span, outcome)
	how := endingOf(call)
	if how == notEnded {
		j.s.pace.note(j.work.method, took)
	}
	next := conclude(departure{outcome, how, j.earlier.failed, uint64(j.s.settings.MaxAttempts)})
	q.metrics.ran(ctx, took, next.String(), outcome.Code(), ofWork(j.work.address))
	return outcome, response, next
}

// apart runs work that has silenced a worker while nothing else runs here: if it
// kills this one too, the blame is its alone. It tells how long the handler took.
func (j *job) apart(ctx context.Context, m method) ([]byte, time.Duration, error) {
	if j.earlier.silent > 0 {
		j.s.apart.Lock()
		defer j.s.apart.Unlock()
	} else {
		j.s.apart.RLock()
		defer j.s.apart.RUnlock()
	}
	if err := j.noteBegin(ctx); err != nil {
		j.s.settings.Logger.Warn("beginning not noted", "method", j.work.method, "attempt", j.number(), "error", err)
	}
	begun := time.Now()
	response, err := j.invoke(ctx, m)
	return response, time.Since(begun), err
}

func endingOf(ctx context.Context) ending {
	cause := context.Cause(ctx)
	switch {
	case cause == nil:
		return notEnded
	case errors.Is(cause, ErrShutdown):
		return endedByShutdown
	case errors.Is(cause, context.DeadlineExceeded):
		return endedByDeadline
	default:
		return endedByCancel
	}
}
