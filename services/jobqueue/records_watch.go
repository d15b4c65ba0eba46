package jobqueue

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	jobqueuev1 "github.com/facestudio/facestudio/proto/gen/facestudio/jobqueue/v1"
	"github.com/facestudio/facestudio/services/fault"
)

// List returns a tenant's records, the newest first.
func (r *Records) List(ctx context.Context, tenant string) ([]*Entry, error) {
	if !validToken(tenant) {
		return nil, fault.InvalidField("tenant", "a tenant is 1 to 63 letters, digits, _ or -")
	}
	watcher, err := r.kv.Watch(ctx, tenant+".*", jetstream.IgnoreDeletes())
	if err != nil {
		return nil, storeError(ctx, err)
	}
	defer func() { _ = watcher.Stop() }()
	var all []change
	for {
		select {
		case <-ctx.Done():
			return nil, fault.From(ctx.Err())
		case found := <-watcher.Updates():
			if found == nil {
				list, err := r.openAll(ctx, all)
				slices.SortFunc(list, func(a, b *Entry) int {
					return b.Record.GetCreateTime().AsTime().Compare(a.Record.GetCreateTime().AsTime())
				})
				return list, err
			}
			all = append(all, stored(found))
		}
	}
}

// openAll opens records, and leaves out those that cannot be read any more.
func (r *Records) openAll(ctx context.Context, all []change) ([]*Entry, error) {
	var list []*Entry
	for _, stored := range all {
		entry, err := r.open(ctx, stored)
		switch {
		case err == nil:
			list = append(list, entry)
		case fault.From(err).Retryable || ctx.Err() != nil:
			return nil, err
		case !errors.Is(err, ErrNotFound):
			r.q.log.Warn("a record cannot be read and is left out", "error", err)
		}
	}
	return list, nil
}

// Watch sends the record as it stands, then every change of its value, its
// terminal or its cancel_requested flag (not the renewal of a lease), until ctx
// ends or the record is dropped; then the channel is closed. It fails with
// ErrNotFound.
func (r *Records) Watch(ctx context.Context, key RecordKey) (<-chan *Entry, error) {
	if err := key.validate(); err != nil {
		return nil, err
	}
	watching, stop := context.WithCancel(ctx)
	updates, err := r.rewatch(watching, key.stored())
	if err != nil {
		stop()
		return nil, err
	}
	// The watch may be told by a server that does not know yet what was just
	// written; the one that leads the bucket does.
	first, err := r.Get(ctx, key)
	if err != nil {
		stop()
		return nil, err
	}
	out := make(chan *Entry)
	go func() {
		defer close(out)
		defer stop()
		r.passOn(ctx, first, updates, out)
	}()
	return out, nil
}

// passOn sends a record, then its changes, until it is dropped or ctx ends.
func (r *Records) passOn(ctx context.Context, last *Entry, updates <-chan change, out chan<- *Entry) {
	for tell := true; ; {
		if tell {
			select {
			case out <- last:
			case <-ctx.Done():
				return
			}
		}
		var (
			news change
			open bool
		)
		select {
		case news, open = <-updates:
		case <-ctx.Done():
		}
		if !open {
			return
		}
		tell = false
		if news.revision <= last.Revision {
			continue
		}
		if news.gone {
			return
		}
		entry, err := r.openInTime(ctx, news)
		if err != nil {
			r.q.log.Warn("a record cannot be read and is left out", "error", err)
			continue
		}
		tell = differ(last.Record, entry.Record)
		last = entry
	}
}

// openInTime opens a record, however long the servers take to tell its key: the
// change may be the last.
func (r *Records) openInTime(ctx context.Context, stored change) (*Entry, error) {
	for faults := uint64(1); ; faults++ {
		entry, err := r.open(ctx, stored)
		if err == nil || !fault.From(err).Retryable || ctx.Err() != nil {
			return entry, err
		}
		pause(ctx, backoff(50*time.Millisecond, min(faults, 6), randomSpread()), r.q.reconnection())
	}
}

func differ(a, b *jobqueuev1.Record) bool {
	return a.GetTerminal() != b.GetTerminal() || a.GetCancelRequested() != b.GetCancelRequested() ||
		!bytes.Equal(a.GetValue(), b.GetValue())
}
