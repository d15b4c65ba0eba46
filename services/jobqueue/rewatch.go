package jobqueue

import (
	"context"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// rewatch is a watch of records that begins anew after every reconnection: the
// consumer of a watch may be gone with the old connection, which the watch would
// notice only after many seconds. What has not changed is told again then. The
// channel is closed when ctx has ended, or the watch itself did.
func (r *Records) rewatch(ctx context.Context, keys string) (<-chan jetstream.KeyValueEntry, error) {
	reconnected := r.q.reconnection()
	watcher, err := r.kv.Watch(ctx, keys)
	if err != nil {
		return nil, storeError(ctx, err)
	}
	out := make(chan jetstream.KeyValueEntry)
	go func() {
		defer close(out)
		for {
			again := pass(ctx, watcher, reconnected, out)
			_ = watcher.Stop()
			if !again {
				return
			}
			reconnected = r.q.reconnection()
			for faults := uint64(1); ; faults++ {
				if watcher, err = r.kv.Watch(ctx, keys); err == nil {
					break
				}
				if ctx.Err() != nil {
					return
				}
				pause(ctx, backoff(100*time.Millisecond, min(faults, 6), randomSpread()), nil)
			}
		}
	}()
	return out, nil
}

// pass passes on what the watcher tells; it returns true when there was a
// reconnection, and false when the watch or ctx has ended.
func pass(ctx context.Context, watcher jetstream.KeyWatcher, reconnected <-chan struct{}, out chan<- jetstream.KeyValueEntry) bool {
	for {
		select {
		case <-ctx.Done():
			return false
		case <-reconnected:
			return true
		case stored, open := <-watcher.Updates():
			if !open {
				return false
			}
			select {
			case out <- stored:
			case <-ctx.Done():
				return false
			}
		}
	}
}
