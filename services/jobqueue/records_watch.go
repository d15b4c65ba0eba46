package jobqueue

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"

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
	var all []jetstream.KeyValueEntry
	for {
		select {
		case <-ctx.Done():
			return nil, fault.From(ctx.Err())
		case stored := <-watcher.Updates():
			if stored == nil {
				list, err := r.openAll(ctx, all)
				slices.SortFunc(list, func(a, b *Entry) int {
					return b.Record.GetCreateTime().AsTime().Compare(a.Record.GetCreateTime().AsTime())
				})
				return list, err
			}
			all = append(all, stored)
		}
	}
}

// openAll opens records, and leaves out those that cannot be read any more.
func (r *Records) openAll(ctx context.Context, all []jetstream.KeyValueEntry) ([]*Entry, error) {
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
	var first jetstream.KeyValueEntry
	select {
	case <-ctx.Done():
		stop()
		return nil, fault.From(ctx.Err())
	case first = <-updates:
	}
	if first == nil || first.Operation() != jetstream.KeyValuePut {
		stop()
		return nil, fmt.Errorf("watch record %s: %w", key.ID, ErrNotFound)
	}
	out := make(chan *Entry)
	go func() {
		defer close(out)
		defer stop()
		var last *Entry
		for stored := first; ; {
			if stored != nil {
				if stored.Operation() != jetstream.KeyValuePut {
					return
				}
				entry, err := r.open(ctx, stored)
				if err != nil {
					r.q.log.Warn("a record cannot be read and is left out", "error", err)
				} else if last == nil || differ(last.Record, entry.Record) {
					last = entry
					select {
					case out <- entry:
					case <-ctx.Done():
						return
					}
				}
			}
			var open bool
			select {
			case stored, open = <-updates:
				if !open {
					return
				}
			case <-ctx.Done():
				return
			}
		}
	}()
	return out, nil
}

func differ(a, b *jobqueuev1.Record) bool {
	return a.GetTerminal() != b.GetTerminal() || a.GetCancelRequested() != b.GetCancelRequested() ||
		!bytes.Equal(a.GetValue(), b.GetValue())
}
