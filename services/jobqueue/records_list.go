package jobqueue

import (
	"context"
	"errors"
	"slices"

	"github.com/nats-io/nats.go/jetstream"

	jobqueuev1 "github.com/facestudio/facestudio/proto/gen/facestudio/jobqueue/v1"
	"github.com/facestudio/facestudio/services/fault"
)

// Sealed is a record whose value is not opened yet.
type Sealed struct {
	// Key is the record's name.
	Key RecordKey
	// Record is what was stored; its value is sealed.
	Record *jobqueuev1.Record
	stored change
}

// Scan calls each with a tenant's records, in no order, until that fails; it holds
// one at a time.
func (r *Records) Scan(ctx context.Context, tenant string, each func(Sealed) error) error {
	if !validToken(tenant) {
		return fault.InvalidField("tenant", "a tenant is 1 to 63 letters, digits, _ or -")
	}
	watcher, err := r.kv.Watch(ctx, tenant+".*", jetstream.IgnoreDeletes())
	if err != nil {
		return storeError(ctx, err)
	}
	defer func() { _ = watcher.Stop() }()
	for {
		var found jetstream.KeyValueEntry
		select {
		case <-ctx.Done():
			return fault.From(ctx.Err())
		case found = <-watcher.Updates():
		}
		if found == nil {
			return nil
		}
		entry, err := parseEntry(stored(found))
		if err != nil {
			r.leftOut(err)
			continue
		}
		if err := each(Sealed{Key: entry.Key, Record: entry.Record, stored: stored(found)}); err != nil {
			return err
		}
	}
}

// Open opens a record's value. It fails with ErrNotFound when that cannot be read any
// more: one record that was changed by hand spoils no list.
func (r *Records) Open(ctx context.Context, s Sealed) (*Entry, error) {
	return r.unlessSpoilt(ctx, func() (*Entry, error) { return r.open(ctx, s.stored) })
}

// Listed is Get for a record that a list has: it fails as Open does.
func (r *Records) Listed(ctx context.Context, key RecordKey) (*Entry, error) {
	return r.unlessSpoilt(ctx, func() (*Entry, error) { return r.Get(ctx, key) })
}

// unlessSpoilt tells in the log why a record cannot be read any more, unless its data
// key was destroyed, and says that there is none.
func (r *Records) unlessSpoilt(ctx context.Context, read func() (*Entry, error)) (*Entry, error) {
	entry, err := read()
	if err == nil || errors.Is(err, ErrNotFound) || fault.From(err).Retryable || ctx.Err() != nil {
		return entry, err
	}
	r.leftOut(err)
	return nil, ErrNotFound
}

// List returns a tenant's records, the newest first.
func (r *Records) List(ctx context.Context, tenant string) ([]*Entry, error) {
	return r.list(ctx, tenant, func(Sealed) bool { return true })
}

// Unended returns a tenant's records that have not ended, the newest first. However
// many have, it holds and opens these alone.
func (r *Records) Unended(ctx context.Context, tenant string) ([]*Entry, error) {
	return r.list(ctx, tenant, func(s Sealed) bool { return !s.Record.GetTerminal() })
}

// list returns those of a tenant's records that are kept, the newest first, and
// leaves out those that cannot be read any more.
func (r *Records) list(ctx context.Context, tenant string, keep func(Sealed) bool) ([]*Entry, error) {
	var list []*Entry
	err := r.Scan(ctx, tenant, func(s Sealed) error {
		if !keep(s) {
			return nil
		}
		entry, err := r.Open(ctx, s)
		if errors.Is(err, ErrNotFound) {
			return nil
		}
		list = append(list, entry)
		return err
	})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(list, func(a, b *Entry) int {
		return b.Record.GetCreateTime().AsTime().Compare(a.Record.GetCreateTime().AsTime())
	})
	return list, nil
}

func (r *Records) leftOut(err error) {
	r.q.log.Warn("a record cannot be read and is left out", "error", err)
}
