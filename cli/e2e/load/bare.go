package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// bareStore is a stream and a bucket like the queue's, without the queue: files,
// the same bounds, messages and records of the same form and size, an expiry. All
// of it is done by one process, where the queue has two.
type bareStore struct {
	js       jetstream.JetStream
	consumer jetstream.Consumer
	kv       jetstream.KeyValue
}

// The sizes of a sealed request and a sealed result without content, bytes.
const (
	bareRequest = 112
	bareResult  = 128
)

func newBare(ctx context.Context, js jetstream.JetStream) (*bareStore, error) {
	b := &bareStore{js: js}
	_, err := js.CreateStream(ctx, jetstream.StreamConfig{
		Name: "BARE", Subjects: []string{"bare.>"}, Retention: jetstream.WorkQueuePolicy, Storage: jetstream.FileStorage,
		Discard: jetstream.DiscardNew, DiscardNewPerSubject: true, MaxMsgsPerSubject: 1, MaxBytes: 1 << 30,
	})
	if err != nil {
		return nil, fmt.Errorf("make a stream: %w", err)
	}
	b.consumer, err = js.CreateConsumer(ctx, "BARE", jetstream.ConsumerConfig{Durable: "bare", AckPolicy: jetstream.AckExplicitPolicy, MaxAckPending: 8192})
	if err != nil {
		return nil, fmt.Errorf("make a consumer: %w", err)
	}
	b.kv, err = js.CreateKeyValue(ctx, jetstream.KeyValueConfig{Bucket: "bare", Storage: jetstream.FileStorage, LimitMarkerTTL: time.Second})
	if err != nil {
		return nil, fmt.Errorf("make a bucket: %w", err)
	}
	return b, nil
}

// message is one like the queue's for the same call.
func (b *bareStore) message(number string) *nats.Msg {
	msg := nats.NewMsg("bare.prior." + bundle + ".interactive.load." + bareKey(number))
	msg.Header.Set("Bare-Version", "2")
	msg.Header.Set("Bare-Method", "/facestudio.prior.v1.PriorService/EmbedImage")
	msg.Header.Set("Bare-Deadline", strconv.FormatInt(time.Now().UnixMilli(), 10))
	msg.Header.Set("Bare-Owner", number)
	msg.Data = make([]byte, bareRequest)
	return msg
}

// bareKey is as long as a key of the queue's.
func bareKey(number string) string { return fmt.Sprintf("o%043s", number) }

// sequence is what the queue exchanges with the server for one call: the work is
// published, fetched and settled, and where asked its outcome is recorded.
func (b *bareStore) sequence(ctx context.Context, number string, record bool) error {
	if _, err := b.js.PublishMsg(ctx, b.message(number)); err != nil {
		return fmt.Errorf("publish: %w", err)
	}
	batch, err := b.consumer.Fetch(1, jetstream.FetchMaxWait(10*time.Second))
	if err != nil {
		return fmt.Errorf("fetch: %w", err)
	}
	msg := <-batch.Messages()
	if msg == nil {
		return errors.Join(errors.New("fetch: nothing came"), batch.Error())
	}
	if !record {
		return msg.Ack()
	}
	if _, err := b.kv.Create(ctx, "load."+bareKey(number), make([]byte, bareResult), jetstream.KeyTTL(time.Hour)); err != nil {
		return fmt.Errorf("create: %w", err)
	}
	return msg.DoubleAck(ctx)
}
