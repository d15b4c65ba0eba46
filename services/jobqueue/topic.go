package jobqueue

import (
	"context"
	"fmt"

	"github.com/nats-io/nats.go"

	"github.com/facestudio/facestudio/services/fault"
)

// topicBuffer is how far a reader may fall behind.
const topicBuffer = 64

// Topic fans out news that may be lost: those who do not listen at the moment,
// or listen too slowly, miss them.
type Topic struct {
	q   *Queue
	key RecordKey
}

// Progress returns the topic on which news of a record are fanned out.
func (q *Queue) Progress(key RecordKey) *Topic { return &Topic{q, key} }

// Publish sends data, at most MaxPayload, to those who listen, sealed with the
// key of the record, which has to be there. It does not wait but for that key.
func (t *Topic) Publish(data []byte) error {
	if err := t.key.validate(); err != nil {
		return err
	}
	if len(data) > MaxPayload {
		return fault.InvalidField("data", "news of %d bytes are more than %d", len(data), MaxPayload)
	}
	ctx, release := bounded(context.Background())
	defer release()
	sealed, err := t.q.seals.SealExisting(ctx, recordScope(t.key), t.key.newsPlace(), data)
	if err != nil {
		return fmt.Errorf("seal news: %w", err)
	}
	if err := t.q.nc.Publish(t.key.topic(), sealed); err != nil {
		return unavailable(fmt.Errorf("publish news: %w", err))
	}
	return nil
}

// Subscribe returns what is published from now on until ctx ends, then the
// channel is closed. A reader that falls 64 behind misses the oldest.
func (t *Topic) Subscribe(ctx context.Context) (<-chan []byte, error) {
	if err := t.key.validate(); err != nil {
		return nil, err
	}
	out := make(chan []byte, topicBuffer)
	sub, err := t.q.nc.Subscribe(t.key.topic(), func(m *nats.Msg) {
		data, _, err := t.q.seals.Open(ctx, t.key.Tenant, t.key.newsPlace(), m.Data)
		for err == nil {
			select {
			case out <- data:
				return
			default:
			}
			select {
			case <-out:
			default:
			}
		}
	})
	if err != nil {
		return nil, unavailable(fmt.Errorf("subscribe to news: %w", err))
	}
	// Called when the last message has been handled, so that nobody sends on
	// the closed channel.
	sub.SetClosedHandler(func(string) { close(out) })
	// The subscription works from when this returns, for publishers elsewhere too.
	if err := t.q.nc.FlushTimeout(apiTimeout); err != nil {
		_ = sub.Unsubscribe()
		return nil, unavailable(fmt.Errorf("subscribe to news: %w", err))
	}
	context.AfterFunc(ctx, func() { _ = sub.Unsubscribe() })
	return out, nil
}
