package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// bareStore is a stream and a bucket like the queue's, without the queue: files,
// the same bounds, messages and records of the same form and size, an expiry.
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

// Where the sequence is done: by the process that also publishes, as all of it in
// turn, or by another, which tells when it is done.
const (
	bareHere  = "here"
	bareThere = "there"
)

func newBare(ctx context.Context, js jetstream.JetStream, where string) (*bareStore, error) {
	b := &bareStore{js: js}
	name := "BARE_" + where
	_, err := js.CreateOrUpdateStream(ctx, jetstream.StreamConfig{
		Name: name, Subjects: []string{"bare." + where + ".>"}, Retention: jetstream.WorkQueuePolicy, Storage: jetstream.FileStorage,
		Discard: jetstream.DiscardNew, DiscardNewPerSubject: true, MaxMsgsPerSubject: 1, MaxBytes: 1 << 30,
	})
	if err != nil {
		return nil, fmt.Errorf("make a stream: %w", err)
	}
	b.consumer, err = js.CreateOrUpdateConsumer(ctx, name, jetstream.ConsumerConfig{Durable: "bare", AckPolicy: jetstream.AckExplicitPolicy, MaxAckPending: 8192})
	if err != nil {
		return nil, fmt.Errorf("make a consumer: %w", err)
	}
	b.kv, err = js.CreateOrUpdateKeyValue(ctx, jetstream.KeyValueConfig{Bucket: "bare_" + where, Storage: jetstream.FileStorage, LimitMarkerTTL: time.Second})
	if err != nil {
		return nil, fmt.Errorf("make a bucket: %w", err)
	}
	return b, nil
}

// message is one like the queue's for the same call.
func (b *bareStore) message(where, number string) *nats.Msg {
	msg := nats.NewMsg("bare." + where + "." + bundle + ".interactive.load." + bareKey(number))
	msg.Header.Set("Bare-Version", "2")
	msg.Header.Set("Bare-Method", "/facestudio.prior.v1.PriorService/EmbedImage")
	msg.Header.Set("Bare-Deadline", strconv.FormatInt(time.Now().UnixMilli(), 10))
	msg.Header.Set(bareOwner, number)
	msg.Data = make([]byte, bareRequest)
	return msg
}

const (
	bareOwner = "Bare-Owner"
	bareReply = "Bare-Reply"
)

// bareKey is as long as a key of the queue's.
func bareKey(number string) string { return fmt.Sprintf("o%043s", number) }

// sequence is what the queue exchanges with the server for one call: the work is
// published, fetched and settled, and where asked its outcome is recorded.
func (b *bareStore) sequence(ctx context.Context, number string, record bool) error {
	if _, err := b.js.PublishMsg(ctx, b.message(bareHere, number)); err != nil {
		return fmt.Errorf("publish: %w", err)
	}
	msg, err := b.fetch()
	if err != nil {
		return err
	}
	if !record {
		return msg.Ack()
	}
	return b.settle(ctx, msg)
}

// bareWait is how long somebody waits for a message.
const bareWait = 10 * time.Second

func (b *bareStore) fetch() (jetstream.Msg, error) {
	batch, err := b.consumer.Fetch(1, jetstream.FetchMaxWait(bareWait))
	if err != nil {
		return nil, fmt.Errorf("fetch: %w", err)
	}
	msg := <-batch.Messages()
	if msg == nil {
		return nil, errors.Join(errNothingCame, batch.Error())
	}
	return msg, nil
}

var errNothingCame = errors.New("fetch: nothing came")

// settle records the outcome of a message and acknowledges it.
func (b *bareStore) settle(ctx context.Context, msg jetstream.Msg) error {
	number := msg.Headers().Get(bareOwner)
	if _, err := b.kv.Create(ctx, "load."+bareKey(number), make([]byte, bareResult), jetstream.KeyTTL(time.Hour)); err != nil {
		return fmt.Errorf("create: %w", err)
	}
	return msg.DoubleAck(ctx)
}

// bareCaller is the caller's half of the sequence that two processes share. All its
// calls have one subscription; each has a subject of its own below that.
type bareCaller struct {
	b     *bareStore
	inbox string
	sub   *nats.Subscription

	mu      sync.Mutex
	waiting map[string]chan struct{}
}

func newBareCaller(ctx context.Context, nc *nats.Conn, js jetstream.JetStream) (*bareCaller, error) {
	b, err := newBare(ctx, js, bareThere)
	if err != nil {
		return nil, err
	}
	c := &bareCaller{b: b, inbox: nats.NewInbox(), waiting: map[string]chan struct{}{}}
	if c.sub, err = nc.Subscribe(c.inbox+".*", c.hear); err != nil {
		return nil, fmt.Errorf("listen for ends: %w", err)
	}
	return c, nil
}

func (c *bareCaller) close() { _ = c.sub.Unsubscribe() }

func (c *bareCaller) hear(m *nats.Msg) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if told := c.waiting[m.Subject]; told != nil {
		close(told)
		delete(c.waiting, m.Subject)
	}
}

// call publishes and waits to be told.
func (c *bareCaller) call(ctx context.Context, number string) error {
	msg := c.b.message(bareThere, number)
	reply := c.inbox + "." + number
	msg.Header.Set(bareReply, reply)
	told := make(chan struct{})
	c.mu.Lock()
	c.waiting[reply] = told
	c.mu.Unlock()
	if _, err := c.b.js.PublishMsg(ctx, msg); err != nil {
		return fmt.Errorf("publish: %w", err)
	}
	select {
	case <-told:
		return nil
	case <-time.After(bareWait):
		return errors.New("nobody told of the end")
	case <-ctx.Done():
		return ctx.Err()
	}
}

// connect opens a connection as the library has it.
func connect(url string) (*nats.Conn, jetstream.JetStream, error) {
	nc, err := nats.Connect(url)
	if err != nil {
		return nil, nil, fmt.Errorf("connect: %w", err)
	}
	js, err := jetstream.New(nc)
	if err != nil {
		nc.Close()
		return nil, nil, fmt.Errorf("open JetStream: %w", err)
	}
	return nc, js, nil
}

// bareWork is the process of the other half: as many at a time as there are pipes.
func bareWork(ctx context.Context, o options) error {
	nc, js, err := connect(o.url)
	if err != nil {
		return err
	}
	defer nc.Close()
	b, err := newBare(ctx, js, bareThere)
	if err != nil {
		return err
	}
	failed := make(chan error, o.pipes)
	for range o.pipes {
		// They end with the process.
		go func() { failed <- b.serve(ctx, nc) }()
	}
	select {
	case <-ctx.Done():
		return nil
	case err := <-failed:
		return err
	}
}

// serve does the other half of one sequence after the other.
func (b *bareStore) serve(ctx context.Context, nc *nats.Conn) error {
	for ctx.Err() == nil {
		msg, err := b.fetch()
		if errors.Is(err, errNothingCame) {
			continue
		}
		if err != nil {
			return err
		}
		if err := b.settle(ctx, msg); err != nil {
			return err
		}
		if err := nc.Publish(msg.Headers().Get(bareReply), make([]byte, bareResult)); err != nil {
			return fmt.Errorf("tell of the end: %w", err)
		}
	}
	return nil
}
