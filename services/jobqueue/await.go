package jobqueue

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	jobqueuev1 "github.com/facestudio/facestudio/proto/gen/facestudio/jobqueue/v1"
	"github.com/facestudio/facestudio/services/fault"
)

// await puts the work into the queue, or joins it there, and returns its
// outcome. It listens before it publishes, and looks for itself whenever it may
// not have been told.
func (q *Queue) await(ctx context.Context, r rule, w work, progress func([]byte)) (*recorded, error) {
	waiter, err := q.wait(w.address, progress != nil)
	if err != nil {
		return nil, unavailable(err)
	}
	defer waiter.stop()
	w.ear = waiter.ear
	recheck := time.NewTicker(q.settings.Recheck)
	defer recheck.Stop()
	var (
		state  = caller{listens: waiter.listens()}
		result *recorded
		next   = state.begin(w.first)
		faults uint64
		// left counts how often the work left the queue without an outcome.
		left uint64
		// sent: the work may be in the queue, even if the answer was lost.
		sent bool
		// untold: it is time to look although nothing was told.
		untold bool
	)
	for {
		if ctx.Err() != nil {
			return nil, q.leave(ctx, r, w, sent)
		}
		var err error
		reconnected := q.reconnection()
		switch next {
		case wantReturn:
			return result, nil
		case wantGiveUp:
			return nil, fault.New(fault.Exhausted, faultv1.Reason_REASON_QUOTA_EXHAUSTED, "", "the queue of stage %s is full; retry later", w.stage)
		case wantLook:
			var found *recorded
			if found, err = q.lookup(ctx, w.address); err == nil {
				result, next = found, state.looked(found)
				switch {
				case next == wantPublish && state.entered && waiter.hasNews():
					// What was told meanwhile is newer: the work may just have ended.
					next = wantWait
				case next == wantReturn && untold && !state.listens:
					q.words.missing(w.crew())
				}
				untold = false
			}
		case wantRemove:
			if err = q.remove(ctx, w.address, state.stale); err == nil {
				next = state.removed()
			}
		case wantPublish:
			var accepted bool
			if err = q.sealRequest(ctx, &w); err != nil {
				break
			}
			sent = true
			if accepted, err = q.publish(ctx, w); err == nil {
				next = state.published(accepted)
			}
		case wantFind:
			var present bool
			if present, err = q.present(ctx, w.address); err == nil {
				next = state.found(present)
			}
		case wantListen:
			if err = waiter.listen(eventDone, endings); err == nil {
				next = state.listening()
			}
		case wantWait:
			var t told
			select {
			case <-ctx.Done():
			case <-recheck.C:
				next, untold = state.disturbed(), true
			case <-reconnected:
				next = state.disturbed()
			case t = <-waiter.words:
			case m := <-waiter.events:
				t = readEvent(m)
			}
			switch {
			case t.progress != nil:
				q.hear(ctx, w.address, t.progress, progress)
			case t.sealed != nil:
				if result, err = q.openResult(ctx, w.address, t.sealed, t.revision); err == nil {
					next = state.told(result, t.word)
				}
			case t.gone:
				// Once is another call's deadline. More often is a clock that is off: a
				// worker's, in whose eyes the call is over before it begins.
				if left++; left > 1 {
					pause(ctx, backoff(50*time.Millisecond, min(left, 8), randomSpread()), nil)
				}
				next = state.disturbed()
			}
		}
		if err == nil {
			faults = 0
			continue
		}
		if fault.Is(err, faultv1.Reason_REASON_CONFIG_INVALID) {
			return nil, err
		}
		// The server is away; the call lasts until its deadline.
		faults++
		pause(ctx, backoff(50*time.Millisecond, min(faults, 6), randomSpread()), reconnected)
		next = wantLook
	}
}

// hear passes on a message of the progress; what cannot be opened is lost, as
// progress may be.
func (q *Queue) hear(ctx context.Context, at address, sealed []byte, progress func([]byte)) {
	if progress == nil {
		return
	}
	if m, _, err := q.seals.Open(ctx, at.tenant, at.progressPlace(), sealed); err == nil {
		progress(m)
	}
}

// tellPublisher tells the call that put the work into the queue, when this one only
// joined it, that there is an outcome: with the work goes who would have told it.
func (q *Queue) tellPublisher(ctx context.Context, w work) {
	msg, err := q.work.GetLastMsgForSubject(ctx, w.work())
	if err != nil {
		return
	}
	if publisher, ok := parseEar(msg.Header.Get(headerCaller)); ok && publisher != w.ear {
		q.say(publisher, &jobqueuev1.Word{})
	}
}

// pause waits a while, less when ctx ends or hurry is closed.
func pause(ctx context.Context, d time.Duration, hurry <-chan struct{}) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-hurry:
	case <-ctx.Done():
	}
}

// errStoreFailed is what the server answers when a stream refuses a message,
// above all because its subject has one.
const errStoreFailed jetstream.ErrorCode = 10077

// publish puts the work into the queue; it reports false when it was refused.
func (q *Queue) publish(ctx context.Context, w work) (bool, error) {
	ctx, span := q.spanOf(ctx, ofCall(opPublish, w.method, w.address), trace.SpanKindProducer)
	defer span.End()
	msg := w.message(ctx)
	begun := time.Now()
	_, err := q.store(ctx, msg)
	outcome := codes.OK
	refused := false
	if api, ok := errors.AsType[*jetstream.APIError](err); ok && api.ErrorCode == errStoreFailed {
		refused, outcome, err = true, codes.AlreadyExists, nil
	} else if err != nil {
		outcome, err = codes.Unavailable, fmt.Errorf("publish work: %w", err)
	}
	q.metrics.publishedIn(ctx, toWork, time.Since(begun), outcome)
	endSpan(span, status.New(outcome, ""))
	return err == nil && !refused, err
}

// present says whether the work is in the queue.
func (q *Queue) present(ctx context.Context, at address) (bool, error) {
	ctx, release := bounded(ctx)
	defer release()
	_, err := q.work.GetLastMsgForSubject(ctx, at.work())
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("look for work: %w", err)
	}
	return true, nil
}

// leave ends a call whose context has ended and returns why. If the work is the
// caller's to end, it races for the result: once CANCELLED is recorded, nothing
// else can be, and the worker is told to stop.
func (q *Queue) leave(ctx context.Context, r rule, w work, sent bool) error {
	cause := context.Cause(ctx)
	ended := fault.From(ctx.Err())
	left := errors.Is(cause, ErrLeaseLost) || errors.Is(cause, ErrShutdown)
	if !sent || !cancels(r.owned(), fault.ToStatus(ended).Code(), left) {
		return ended
	}
	detached, cancel := context.WithTimeout(context.WithoutCancel(ctx), apiTimeout)
	defer cancel()
	told, err := q.create(detached, w.address, w.scope, newResult(fault.ToStatus(ended), nil, 0, byCanceller), q.settings.FaultTTL)
	if err != nil {
		q.log.Warn("cancel not recorded; the work ends at its deadline", "method", w.method, "error", err)
	}
	if told == nil {
		return ended
	}
	if err := q.nc.Publish(w.cancel(), nil); err != nil {
		q.log.Warn("cancel not told; the worker sees it at its next heartbeat", "method", w.method, "error", err)
	}
	q.tellPublisher(detached, w)
	// What no worker has taken yet need not wait for one.
	if err := q.work.Purge(detached, jetstream.WithPurgeSubject(w.work())); err != nil {
		q.log.Warn("cancelled work stays in the queue until a worker drops it", "method", w.method, "error", err)
	}
	return ended
}
