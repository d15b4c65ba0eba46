package jobqueue

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"strconv"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/facestudio/facestudio/services/fault"
)

// ErrFull says that a counter would exceed its bound; test with errors.Is.
var ErrFull = errors.New("counter is full")

// counterLanes is how many counters a process changes at once. Those who change
// the same one go one after the other, since only one of them could succeed.
const counterLanes = 64

// countersBytes bounds a bucket of counters: the server sets the space aside.
const countersBytes = 16 << 20

// Counters are numbers that all processes of the mesh count together, by tenant
// and id. A change is durable when it returns. One that is not changed for as
// long as its kind is kept is 0 again. Errors beside those named are those of
// Records. Counters are safe for concurrent use.
type Counters struct {
	kv    jetstream.KeyValue
	seed  maphash.Seed
	lanes [counterLanes]chan struct{}
}

// Counters opens the bucket of a kind of counters, 1 to 63 letters, digits, "_"
// or "-", which are kept for a time after their last change, or makes it.
func (q *Queue) Counters(ctx context.Context, kind string, kept time.Duration) (*Counters, error) {
	if !validToken(kind) {
		return nil, fmt.Errorf("%q is no kind of counters", kind)
	}
	want := decisive(bucketConfig(q.settings, kind, "counters, by tenant and id"))
	want.MaxAge, want.MaxBytes = kept, min(q.settings.MaxBytes, countersBytes)
	var kv jetstream.KeyValue
	err := patiently(ctx, q.log, func(ctx context.Context) (err error) {
		kv, err = ensureBucket(ctx, q.js, want)
		return err
	})
	if err != nil {
		return nil, err
	}
	c := &Counters{kv: kv, seed: maphash.MakeSeed()}
	for i := range c.lanes {
		c.lanes[i] = make(chan struct{}, 1)
	}
	return c, nil
}

// Value returns a counter.
func (c *Counters) Value(ctx context.Context, key RecordKey) (int64, error) {
	if err := key.validate(); err != nil {
		return 0, err
	}
	value, _, err := c.read(ctx, key)
	return value, err
}

// Take adds n, at least 0, to a counter unless it would exceed most. It returns
// what the counter is then; when it fails with ErrFull, what it is already.
func (c *Counters) Take(ctx context.Context, key RecordKey, n, most int64) (int64, error) {
	return c.change(ctx, key, func(value int64) (int64, error) {
		if value > most-n {
			return value, fmt.Errorf("count %s: %d and %d more are above %d: %w", key.ID, value, n, most, ErrFull)
		}
		return value + n, nil
	})
}

// Give takes n back that Take had added. A counter does not fall below 0.
func (c *Counters) Give(ctx context.Context, key RecordKey, n int64) error {
	_, err := c.change(ctx, key, func(value int64) (int64, error) { return max(value-n, 0), nil })
	return err
}

// change changes a counter by compare-and-set.
func (c *Counters) change(ctx context.Context, key RecordKey, to func(int64) (int64, error)) (int64, error) {
	if err := key.validate(); err != nil {
		return 0, err
	}
	lane := c.lanes[maphash.String(c.seed, key.stored())%counterLanes]
	select {
	case lane <- struct{}{}:
	case <-ctx.Done():
		return 0, fault.From(ctx.Err())
	}
	defer func() { <-lane }()
	for tries := uint64(1); ; tries++ {
		value, revision, err := c.read(ctx, key)
		if err != nil {
			return 0, err
		}
		next, err := to(value)
		if err != nil || next == value {
			return value, err
		}
		if err := c.write(ctx, key, next, revision); !errors.Is(err, ErrStale) {
			return next, err
		}
		// Another process was faster.
		if pause(ctx, backoff(time.Millisecond, min(tries, 8), randomSpread()), nil); ctx.Err() != nil {
			return 0, fault.From(ctx.Err())
		}
	}
}

func (c *Counters) read(ctx context.Context, key RecordKey) (value int64, revision uint64, err error) {
	ctx, release := bounded(ctx)
	defer release()
	entry, err := c.kv.Get(ctx, key.stored())
	if errors.Is(err, jetstream.ErrKeyNotFound) {
		return 0, 0, nil
	}
	if err != nil {
		return 0, 0, storeError(ctx, err)
	}
	if value, err = strconv.ParseInt(string(entry.Value()), 10, 64); err != nil {
		return 0, 0, fmt.Errorf("read counter %s, which was changed by hand: %w", key.ID, err)
	}
	return value, entry.Revision(), nil
}

func (c *Counters) write(ctx context.Context, key RecordKey, value int64, revision uint64) error {
	ctx, release := bounded(ctx)
	defer release()
	_, err := c.kv.Update(ctx, key.stored(), strconv.AppendInt(nil, value, 10), revision)
	if isStale(err) {
		return fmt.Errorf("count %s: %w", key.ID, ErrStale)
	}
	return storeError(ctx, err)
}
