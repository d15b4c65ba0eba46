package jobqueue

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
)

// change is a record as the watch of records tells it.
type change struct {
	// none: there was no record when the watch began; all else is unset.
	none bool
	// missed: the watch of news began anew, and does not tell what happened since the
	// one before; all else is unset.
	missed   bool
	key      string
	value    []byte
	revision uint64
	stored   time.Time
	// gone: the record was removed.
	gone bool
}

// watchBeat is how often the server shows that a watch is alive. The consumer of a
// watch lives in one server of a cluster; when that dies, and the connection is to
// another, the library notices after two to four missing beats. With its own, of
// 5 s, that would be 10 to 20 s.
const watchBeat = time.Second

// watchKept is how many changes wait for who watches.
const watchKept = 256

// rewatch tells all records as they are, then their changes. It begins anew after
// every reconnection, and when the library gives it up: the consumer of a watch may be
// gone with the old connection. What has not changed is told again then. The channel is
// closed when ctx has ended, or the connection is closed.
func (r *Records) rewatch(ctx context.Context) (<-chan change, error) {
	return r.rewatchFrom(ctx, nats.DeliverLastPerSubject(), func(chan<- change) {})
}

// renews is rewatch without the records as they are: changes alone, and when changes
// were missed.
func (r *Records) renews(ctx context.Context) (<-chan change, error) {
	return r.rewatchFrom(ctx, nats.DeliverNew(), func(out chan<- change) {
		select {
		case out <- change{missed: true}:
		case <-ctx.Done():
		}
	})
}

// rewatchFrom watches from where it is told, and calls again with its channel whenever it
// has begun anew.
func (r *Records) rewatchFrom(ctx context.Context, from nats.SubOpt, again func(chan<- change)) (<-chan change, error) {
	reconnected := r.q.reconnection()
	watch, err := r.watch(ctx, from)
	if err != nil {
		return nil, storeError(ctx, err)
	}
	out := make(chan change)
	go func() {
		defer close(out)
		for {
			watch.pass(ctx, reconnected, out)
			watch.stop()
			reconnected = r.q.reconnection()
			for faults := uint64(1); ; faults++ {
				if ctx.Err() != nil || r.q.nc.IsClosed() {
					return
				}
				if watch, err = r.watch(ctx, from); err == nil {
					break
				}
				pause(ctx, backoff(100*time.Millisecond, min(faults, 6), randomSpread()), nil)
			}
			again(out)
		}
	}()
	return out, nil
}

// rewatchAll is rewatch of all records, for who works on them as long as the process
// runs: it waits for servers that cannot tell at the moment when it begins.
func (r *Records) rewatchAll(ctx context.Context) (<-chan change, error) {
	var updates <-chan change
	err := patiently(ctx, r.q.log, func(ctx context.Context) (err error) {
		updates, err = r.rewatch(ctx)
		return err
	})
	return updates, err
}

// errWatchEnded tells that the connection was closed under who watches.
func errWatchEnded() error { return unavailable(errors.New("the watch of records ended")) }

// recordWatch is one watch, until it is stopped or the library gives it up.
type recordWatch struct {
	sub     *nats.Subscription
	prefix  string
	changes chan change
	stopped chan struct{}
	once    sync.Once
}

// watch is what jetstream.KeyValue.WatchAll does, with beats of our own. It ends with
// ctx at the latest.
func (r *Records) watch(ctx context.Context, from nats.SubOpt) (*recordWatch, error) {
	js, err := r.q.nc.JetStream()
	if err != nil {
		return nil, fmt.Errorf("open JetStream: %w", err)
	}
	w := &recordWatch{prefix: "$KV." + r.kv.Bucket() + ".", changes: make(chan change, watchKept), stopped: make(chan struct{})}
	w.sub, err = js.Subscribe(w.prefix+">", w.hear, nats.BindStream("KV_"+r.kv.Bucket()),
		nats.OrderedConsumer(), nats.IdleHeartbeat(watchBeat), from, nats.Context(ctx))
	if err != nil {
		return nil, fmt.Errorf("watch records: %w", err)
	}
	w.sub.SetClosedHandler(func(string) { w.end() })
	if there, err := w.sub.InitialConsumerPending(); err == nil && there == 0 {
		select {
		case w.changes <- change{none: true}:
		default:
		}
	}
	return w, nil
}

// hear takes a message of the bucket; it blocks while nobody takes it on.
func (w *recordWatch) hear(m *nats.Msg) {
	meta, err := m.Metadata()
	if err != nil {
		return
	}
	c := change{
		key: strings.TrimPrefix(m.Subject, w.prefix), value: m.Data, revision: meta.Sequence.Stream, stored: meta.Timestamp,
		gone: m.Header.Get(headerOperation) != "" || m.Header.Get(headerMarker) != "",
	}
	select {
	case w.changes <- c:
	case <-w.stopped:
	}
}

func (w *recordWatch) end() { w.once.Do(func() { close(w.stopped) }) }

func (w *recordWatch) stop() {
	w.end()
	_ = w.sub.Unsubscribe()
}

// pass passes on what is told until ctx or the watch ends, or there was a
// reconnection.
func (w *recordWatch) pass(ctx context.Context, reconnected <-chan struct{}, out chan<- change) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-reconnected:
			return
		case <-w.stopped:
			return
		case c := <-w.changes:
			select {
			case out <- c:
			case <-ctx.Done():
				return
			}
		}
	}
}
