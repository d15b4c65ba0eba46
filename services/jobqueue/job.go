package jobqueue

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	jobqueuev1 "github.com/facestudio/facestudio/proto/gen/facestudio/jobqueue/v1"
	"github.com/facestudio/facestudio/services/fault"
	"github.com/facestudio/facestudio/services/seal"
)

// heartbeats is how many signs of life there are within one AckWait.
const heartbeats = 3

// passOnDelay keeps workers from handing each other what none of them
// understands all the time.
const passOnDelay = time.Second

// job is a message in hand.
type job struct {
	s       *Server
	msg     jetstream.Msg
	work    work
	rule    rule
	attempt uint64
	// sequence is the number of the message in its stream.
	sequence uint64
	// earlier is how the deliveries before this one ended.
	earlier tries
	// began says that the handler was called.
	began bool
	// queued is when the work was published, by the server's clock.
	queued time.Time
}

// handle does what a message asks for. ctx ends when calls in hand have to stop.
func (s *Server) handle(ctx context.Context, msg jetstream.Msg, stopping bool) {
	j := &job{s: s, msg: msg}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	arrived := arrival{maxKills: uint64(s.settings.MaxKills), stopping: stopping}
	w, err := parseWork(msg.Subject(), msg.Headers(), msg.Data())
	if meta, metaErr := msg.Metadata(); metaErr == nil {
		j.attempt, j.queued, j.sequence = meta.NumDelivered, meta.Timestamp, meta.Sequence.Stream
	}
	j.work, arrived.newer = w, errors.Is(err, errNewer)
	arrived.foreign = err != nil && !arrived.newer
	if arrived.foreign {
		j.carryOut(ctx, admit(arrived), status.New(codes.InvalidArgument, err.Error()), nil)
		return
	}
	// Reachable for a cancel before it is known that there was none yet.
	letGo := s.hold(w.address, cancel)
	defer letGo()
	if result, err := s.q.lookup(ctx, w.address); err == nil {
		arrived.decided = result != nil
	}
	if note, _, err := j.attempts(ctx); err == nil {
		j.earlier = sortOut(j.attempt, note)
	}
	arrived.silent = j.earlier.silent
	arrived.late = !time.Now().Before(w.deadline)
	m, known := s.methods[w.method]
	j.rule = m.rule
	next := admit(arrived)
	if next == run {
		if err := s.q.openRequest(ctx, &j.work); err != nil {
			j.unopened(ctx, err)
			return
		}
	}
	if next != run {
		j.carryOut(ctx, next, status.New(codes.Internal, "the workers that had it fell silent"), nil)
		return
	}
	if !known {
		// A newer version's method: another worker may know it.
		s := status.Newf(codes.Unimplemented, "this worker does not know %s", w.method)
		j.carryOut(ctx, conclude(departure{status: s, failed: j.earlier.failed, maxAttempts: uint64(j.s.settings.MaxAttempts)}), s, nil)
		return
	}
	// The trace is the caller's from here on.
	ctx = traceContext.Extract(ctx, propagation.HeaderCarrier(msg.Headers()))
	j.endWait(ctx)
	outcome, response, next := j.run(ctx, m, cancel)
	j.carryOut(ctx, next, outcome, response)
}

// endWait tells how long the work waited for this attempt, its first.
func (j *job) endWait(ctx context.Context) {
	if j.attempt != 1 || j.queued.IsZero() {
		return
	}
	now := time.Now()
	j.s.q.traceWait(ctx, j.work.method, toWork, j.queued, now, stage(j.work.address), class(j.work.class))
	j.s.q.metrics.waited(ctx, now.Sub(j.queued), ofWork(j.work.address))
}

// unopened settles work whose request cannot be opened.
func (j *job) unopened(ctx context.Context, err error) {
	switch {
	case errors.Is(err, seal.ErrDestroyed):
		j.carryOut(ctx, record, fault.ToStatus(erased(err)), nil)
	case errors.Is(err, seal.ErrUnreadable):
		j.carryOut(ctx, refuse, status.New(codes.InvalidArgument, err.Error()), nil)
	default:
		j.s.settings.Logger.Warn("work cannot be opened for now", "method", j.work.method, "error", err)
		j.carryOut(ctx, passOn, nil, nil)
	}
}

// run calls the handler, with signs of life meanwhile, and says what to do then.
func (j *job) run(ctx context.Context, m method, cancel context.CancelCauseFunc) (*status.Status, []byte, action) {
	q := j.s.q
	ctx, span := q.spanOf(ctx, opProcess, j.work.method, toWork, trace.SpanKindConsumer,
		stage(j.work.address), class(j.work.class), attemptNumber(j.attempt))
	defer span.End()
	begun := time.Now()
	call, release := context.WithDeadline(ctx, j.work.deadline)
	defer release()
	var alive sync.WaitGroup
	ran := make(chan struct{})
	alive.Go(func() { j.stayAlive(ctx, ran, cancel) })
	response, err := j.apart(call, m)
	close(ran)
	alive.Wait()
	outcome := statusFrom(err)
	if err == nil && len(response) > MaxPayload {
		outcome = status.Newf(codes.Internal, "the response of %s has %d bytes and a message at most %d; the handler has to store large parts as blobs", j.work.method, len(response), MaxPayload)
	}
	endSpan(span, outcome)
	next := conclude(departure{outcome, endingOf(call), j.earlier.failed, uint64(j.s.settings.MaxAttempts)})
	q.metrics.ran(ctx, time.Since(begun), next.String(), outcome.Code(), ofWork(j.work.address))
	return outcome, response, next
}

// apart runs work that has silenced a worker while nothing else runs here: if it
// kills this one too, the blame is its alone.
func (j *job) apart(ctx context.Context, m method) ([]byte, error) {
	if j.earlier.silent > 0 {
		j.s.apart.Lock()
		defer j.s.apart.Unlock()
	} else {
		j.s.apart.RLock()
		defer j.s.apart.RUnlock()
	}
	if err := j.noteBegin(ctx); err != nil {
		j.s.settings.Logger.Warn("beginning not noted", "method", j.work.method, "attempt", j.attempt, "error", err)
	}
	return j.invoke(ctx, m)
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

// stayAlive tells the server that the work is going on until ran is closed, and
// ends the work when its result is recorded by somebody else: a canceller whose
// word did not arrive, or a worker that took over while this one was cut off.
func (j *job) stayAlive(ctx context.Context, ran <-chan struct{}, cancel context.CancelCauseFunc) {
	tick := time.NewTicker(j.s.q.settings.AckWait / heartbeats)
	defer tick.Stop()
	for {
		select {
		case <-ran:
			return
		case <-tick.C:
		}
		if err := j.msg.InProgress(); err != nil {
			j.s.settings.Logger.Warn("sign of life not sent", "method", j.work.method, "error", err)
		}
		if result, err := j.s.q.lookup(ctx, j.work.address); err == nil && result != nil {
			cancel(ErrDecided)
		}
	}
}

// carryOut does what was decided. Its errors are logged: whatever is left undone
// is done when the message is delivered again.
func (j *job) carryOut(ctx context.Context, do action, s *status.Status, response []byte) {
	ctx, release := context.WithTimeout(context.WithoutCancel(ctx), apiTimeout)
	defer release()
	if err := j.do(ctx, do, s, response); err != nil {
		j.s.settings.Logger.Warn("work not settled; it will be delivered again",
			"method", j.work.method, "attempt", j.attempt, "error", err)
	}
}

func (j *job) do(ctx context.Context, do action, s *status.Status, response []byte) error {
	q := j.s.q
	switch do {
	case record:
		if s.Code() != codes.OK {
			response = nil
		}
		ttl := lifetime(q.settings, j.rule.owned(), s.Code())
		won, err := q.create(ctx, j.work.address, j.work.scope, newResult(s, response, j.attempt, byWorker), ttl)
		if err != nil {
			return errors.Join(err, j.msg.NakWithDelay(backoff(j.s.settings.Backoff, j.attempt, randomSpread())))
		}
		if won {
			q.metrics.decided(ctx, j.attempt, ofWork(j.work.address))
		}
		return j.msg.DoubleAck(ctx)
	case settle, drop:
		return errors.Join(j.msg.DoubleAck(ctx), q.nc.Publish(j.work.event(eventGone), nil))
	case retry:
		j.s.settings.Logger.Warn("work failed and is tried again", "method", j.work.method,
			"attempt", j.earlier.failed+1, "code", s.Code().String(), "error", fault.From(s.Err()))
		noted := errors.Join(j.noteBegin(ctx), j.note(ctx, func(a *jobqueuev1.Attempts) { a.Failed++ }))
		return errors.Join(noted, j.msg.NakWithDelay(backoff(j.s.settings.Backoff, j.earlier.failed+1, randomSpread())))
	case handBack:
		return errors.Join(j.noteHandedBack(ctx), j.msg.Nak())
	case passOn:
		return errors.Join(j.noteHandedBack(ctx), j.msg.NakWithDelay(passOnDelay))
	case quarantine:
		j.earlier.failed++
		return j.quarantine(ctx, reasonExhausted, s, fmt.Sprintf("%s failed %d times and was given up, the last time with %s",
			j.work.method, j.earlier.failed, s.Code()))
	case isolate:
		return j.quarantine(ctx, reasonKills, s, fmt.Sprintf("%s silenced %d workers, as if it had killed them, and was given up",
			j.work.method, j.earlier.silent))
	case refuse:
		return errors.Join(j.bury(ctx, reasonForeign, s), j.msg.TermWithReason(s.Message()))
	default:
		return fmt.Errorf("no such action: %d", do)
	}
}

// quarantine gives work up: a copy for people to look at, then the result, so
// that its callers know, and only then the message goes.
func (j *job) quarantine(ctx context.Context, reason string, s *status.Status, message string) error {
	q := j.s.q
	if err := j.bury(ctx, reason, s); err != nil {
		return err
	}
	j.s.settings.Logger.Error("work given up", "method", j.work.method, "key", j.work.key, "reason", reason,
		"failed", j.earlier.failed, "silent", j.earlier.silent, "code", s.Code().String())
	outcome := fault.ToStatus(fault.New(fault.Internal, faultv1.Reason_REASON_ATTEMPTS_EXHAUSTED, "", "%s", message))
	ttl := lifetime(q.settings, j.rule.owned(), outcome.Code())
	if _, err := q.create(ctx, j.work.address, j.work.scope, newResult(outcome, nil, j.attempt, byQuarantine), ttl); err != nil {
		return err
	}
	return j.msg.TermWithReason(reason)
}

// bury copies the message to the dead letters, once: a repeat has the same id.
func (j *job) bury(ctx context.Context, reason string, s *status.Status) error {
	msg := nats.NewMsg(j.work.dead())
	if j.work.address == (address{}) {
		msg.Subject = "dead.foreign"
	}
	msg.Data = j.msg.Data()
	for name, values := range j.msg.Headers() {
		msg.Header[name] = values
	}
	msg.Header.Set(headerReason, reason)
	msg.Header.Set(headerAttempts, strconv.FormatUint(j.earlier.failed+j.earlier.silent, 10))
	msg.Header.Set(headerStatus, encodeHeader(s.Code().String()+": "+s.Message()))
	var opts []jetstream.PublishOpt
	if meta, err := j.msg.Metadata(); err == nil {
		opts = append(opts, jetstream.WithMsgID("work-"+strconv.FormatUint(meta.Sequence.Stream, 10)))
	}
	if _, err := j.s.q.js.PublishMsg(ctx, msg, opts...); err != nil {
		return fmt.Errorf("store a dead letter: %w", err)
	}
	return nil
}
