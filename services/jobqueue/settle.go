package jobqueue

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	jobqueuev1 "github.com/facestudio/facestudio/proto/gen/facestudio/jobqueue/v1"
	"github.com/facestudio/facestudio/services/fault"
)

// carryOut does what was decided. Its errors are logged: whatever is left undone
// is done when the message is delivered again.
func (j *job) carryOut(ctx context.Context, do action, s *status.Status, response []byte) {
	ctx = context.WithoutCancel(ctx)
	var err error
	if do == record {
		err = j.finish(ctx, s, response)
	} else {
		err = j.do(ctx, do, s)
	}
	if err != nil {
		j.s.settings.Logger.Warn("work not settled; it will be delivered again",
			"method", j.work.method, "attempt", j.number(), "error", err)
		return
	}
	switch do {
	case record, settle, drop, quarantine, isolate:
		j.forgetNote()
	}
}

// finish records the outcome, tells it and acknowledges.
func (j *job) finish(ctx context.Context, s *status.Status, response []byte) error {
	q := j.s.q
	if s.Code() != codes.OK {
		response = nil
	}
	told, err := j.record(ctx, newResult(s, response, j.number(), byWorker), lifetime(q.settings, j.rule.owned(), s.Code()))
	if err != nil {
		ctx, release := bounded(ctx)
		defer release()
		return errors.Join(err, j.noteFailed(ctx), j.msg.NakWithDelay(backoff(j.s.settings.Backoff, j.number(), randomSpread())))
	}
	if told != nil {
		q.metrics.decided(ctx, j.number(), ofWork(j.work.address))
	}
	// What is stored may be told: the caller need not wait for the message to go.
	j.tell(told)
	return j.ack(ctx)
}

// do does what was decided but for record.
func (j *job) do(ctx context.Context, do action, s *status.Status) error {
	noted := j.noteEnd(ctx, do)
	ctx, release := bounded(ctx)
	defer release()
	q := j.s.q
	switch do {
	case settle, drop:
		err := j.ack(ctx)
		j.tell(nil)
		return errors.Join(err, q.nc.Publish(j.work.event(eventDone), nil))
	case retry:
		j.s.settings.Logger.Warn("work failed and is tried again", "method", j.work.method,
			"attempt", j.earlier.failed+1, "code", s.Code().String(), "error", fault.From(s.Err()))
		return errors.Join(noted, j.msg.NakWithDelay(backoff(j.s.settings.Backoff, j.earlier.failed+1, randomSpread())))
	case handBack:
		return errors.Join(noted, j.msg.Nak())
	case passOn:
		return errors.Join(noted, j.msg.NakWithDelay(passOnDelay))
	case quarantine:
		j.earlier.failed++
		return j.quarantine(ctx, reasonExhausted, s, fmt.Sprintf("%s failed %d times and was given up, the last time with %s",
			j.work.method, j.earlier.failed, s.Code()))
	case isolate:
		return j.quarantine(ctx, reasonKills, s, fmt.Sprintf("%s silenced %d workers, as if it had killed them, and was given up",
			j.work.method, j.earlier.silent))
	case refuse:
		return errors.Join(j.bury(ctx, reasonForeign, s), j.msg.giveUp(s.Message()))
	default:
		return fmt.Errorf("no such action: %d", do)
	}
}

// ack takes the message out of the queue. Where there is no note to take away then, it
// does not wait for the server to say so: a message that stays is delivered again, and its
// outcome is looked for before anything else.
func (j *job) ack(ctx context.Context) error {
	if j.hasNote() {
		return j.msg.confirmAck(ctx)
	}
	return j.msg.ack()
}

// tell tells the call that published the work what was recorded or, if nil, to look for
// it.
func (j *job) tell(word *jobqueuev1.Word) {
	if word == nil {
		word = &jobqueuev1.Word{}
	}
	j.s.q.say(j.work.ear, word)
}

const (
	// recordPatience is how long a worker tries to record what it has done, with the
	// message kept alive: longer than servers need to find a new leader. Given back
	// at once, the work would run again, fail to be recorded again, and look as if it
	// had killed its workers.
	recordPatience = 30 * time.Second
	recordPause    = 250 * time.Millisecond
)

// patiently tries again while there is time, the call is wanted and the key that it
// is sealed with is there.
func (j *job) patiently(try func() error) error {
	for end := time.Now().Add(recordPatience); ; {
		err := try()
		if err == nil || lost(err) || j.ctx.Err() != nil || time.Now().After(end) {
			return err
		}
		select {
		case <-j.ctx.Done():
		case <-time.After(recordPause):
		}
	}
}

// record stores the result.
func (j *job) record(ctx context.Context, r *jobqueuev1.Result, ttl time.Duration) (told *jobqueuev1.Word, err error) {
	err = j.patiently(func() error {
		told, err = j.s.q.create(ctx, j.work.address, j.work.scope, r, ttl)
		return err
	})
	return told, err
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
	told, err := q.create(ctx, j.work.address, j.work.scope, newResult(outcome, nil, j.number(), byQuarantine), ttl)
	if err != nil {
		return err
	}
	j.tell(told)
	return j.msg.giveUp(reason)
}

// bury copies the message to the dead letters, once: a repeat has the same id.
func (j *job) bury(ctx context.Context, reason string, s *status.Status) error {
	msg := nats.NewMsg(j.work.dead())
	if j.work.address == (address{}) {
		msg.Subject = "dead.foreign"
	}
	msg.Data = j.msg.Data
	for name, values := range j.msg.Header {
		msg.Header[name] = values
	}
	msg.Header.Del(headerCaller)
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
