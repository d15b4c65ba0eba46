package jobqueue

import (
	"bytes"
	"context"
	"errors"
	"time"

	jobqueuev1 "github.com/facestudio/facestudio/proto/gen/facestudio/jobqueue/v1"
	"github.com/facestudio/facestudio/services/fault"
)

// Watch sends the record as it stands, then every change of its value, its
// terminal or its cancel_requested flag (not the renewal of a lease), until ctx
// ends or the record is dropped; then the channel is closed. Several changes may be
// told as one to who reads late, and after a reconnection. It fails with ErrNotFound.
func (r *Records) Watch(ctx context.Context, key RecordKey) (<-chan *Entry, error) {
	if err := key.validate(); err != nil {
		return nil, err
	}
	told, err := r.feed.follow(ctx, key.stored())
	if err != nil {
		return nil, err
	}
	// The feed may be told by a server that does not know yet what was just
	// written; the one that leads the bucket does.
	first, err := r.Get(ctx, key)
	if err != nil {
		told.leave()
		return nil, err
	}
	out := make(chan *Entry)
	go func() {
		defer close(out)
		defer told.leave()
		r.passOn(ctx, first, told, out)
	}()
	return out, nil
}

// passOn sends a record, then its changes, until it is dropped or ctx ends.
func (r *Records) passOn(ctx context.Context, last *Entry, told *reader, out chan<- *Entry) {
	for tell := true; ; {
		if tell {
			select {
			case out <- last:
			case <-ctx.Done():
				return
			}
		}
		now, ok := r.next(ctx, last, told)
		if !ok {
			return
		}
		tell = differ(last.Record, now.Record)
		last = now
	}
}

// next waits for the record as it is after last; not ok when there will be none.
func (r *Records) next(ctx context.Context, last *Entry, told *reader) (now *Entry, ok bool) {
	for {
		var err error
		select {
		case <-ctx.Done():
			return nil, false
		case <-told.missed:
			now, err = r.getInTime(ctx, last.Key)
			if errors.Is(err, ErrNotFound) {
				return nil, false
			}
		case news, open := <-told.changes:
			if !open {
				return nil, false
			}
			if news.revision <= last.Revision {
				continue
			}
			if news.gone {
				return nil, false
			}
			now, err = r.openInTime(ctx, news)
		}
		switch {
		case ctx.Err() != nil:
			return nil, false
		case err != nil:
			r.leftOut(err)
		case now.Revision > last.Revision:
			return now, true
		}
	}
}

// getInTime is Get, however long the servers take.
func (r *Records) getInTime(ctx context.Context, key RecordKey) (*Entry, error) {
	return r.inTime(ctx, func() (*Entry, error) { return r.Get(ctx, key) })
}

// openInTime opens a record, however long the servers take to tell its key: the
// change may be the last.
func (r *Records) openInTime(ctx context.Context, stored change) (*Entry, error) {
	return r.inTime(ctx, func() (*Entry, error) { return r.open(ctx, stored) })
}

// inTime tries until it is told, or cannot be.
func (r *Records) inTime(ctx context.Context, try func() (*Entry, error)) (*Entry, error) {
	for faults := uint64(1); ; faults++ {
		entry, err := try()
		if err == nil || errors.Is(err, ErrNotFound) || !fault.From(err).Retryable || ctx.Err() != nil {
			return entry, err
		}
		pause(ctx, backoff(50*time.Millisecond, min(faults, 6), randomSpread()), r.q.reconnection())
	}
}

func differ(a, b *jobqueuev1.Record) bool {
	return a.GetTerminal() != b.GetTerminal() || a.GetCancelRequested() != b.GetCancelRequested() ||
		!bytes.Equal(a.GetValue(), b.GetValue())
}
