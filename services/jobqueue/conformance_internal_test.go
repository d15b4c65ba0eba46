package jobqueue

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/facestudio/facestudio/services/jobqueue/embedded"
	"github.com/facestudio/facestudio/services/seal"
	"github.com/facestudio/facestudio/services/testkit/scratch"
)

// backend is what the simulator takes for granted of the server.
type backend interface {
	publish(key string) bool
	present(key string) bool
	// fetch returns the next delivery, waiting for one that is due within a
	// silence; 0 deliveries mean none.
	fetch() (key string, delivered uint64)
	ack()
	nak()
	create(key string, code codes.Code, ttl time.Duration) bool
	lookup(key string) (code codes.Code, revision uint64, ok bool)
	remove(key string, revision uint64)
	// listen hears from now on what everybody is told of a key's results.
	listen(key string)
	// heard is what was heard since it was asked last.
	heard() []codes.Code
	// pass lets time go by.
	pass(d time.Duration)
}

type simBackend struct {
	*simStore
	last  simMessage
	keys  map[string]bool
	codes []codes.Code
}

func newSimBackend() *simBackend {
	b := &simBackend{simStore: newSimStore(300 * time.Millisecond), keys: map[string]bool{}}
	b.changed = func(key string, r *simResult) {
		if b.keys[key] {
			b.codes = append(b.codes, r.code)
		}
	}
	return b
}

func (b *simBackend) listen(key string) { b.keys[key] = true }

func (b *simBackend) heard() []codes.Code {
	all := b.codes
	b.codes = nil
	return all
}

func (b *simBackend) present(key string) bool { return b.find(key) != nil }

func (b *simBackend) fetch() (string, uint64) {
	m, ok := b.simStore.fetch()
	if !ok {
		b.now += b.ackWait + time.Millisecond
		m, ok = b.simStore.fetch()
	}
	if !ok {
		return "", 0
	}
	b.last = m
	return m.key, m.delivered
}

func (b *simBackend) ack() { b.simStore.ack(b.last) }
func (b *simBackend) nak() { b.simStore.nak(b.last, 0) }

func (b *simBackend) create(key string, code codes.Code, ttl time.Duration) bool {
	return b.simStore.create(key, code, byWorker, ttl)
}

func (b *simBackend) lookup(key string) (codes.Code, uint64, bool) {
	r := b.simStore.lookup(key)
	if r == nil {
		return 0, 0, false
	}
	return r.code, r.revision, true
}

func (b *simBackend) pass(d time.Duration) { b.now += d }

// realBackend is the same of a nats-server.
type realBackend struct {
	t        *testing.T
	q        *Queue
	s        *Server
	consumer jetstream.Consumer
	last     jetstream.Msg
	events   []*nats.Subscription
}

func newRealBackend(t *testing.T) *realBackend {
	t.Helper()
	server, err := embedded.Start(t.Context(), embedded.Settings{Dir: scratch.Dir(t)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	nc, err := server.Connect()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	q, err := Open(t.Context(), nc, Settings{MaxBytes: 64 << 20, AckWait: 300 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(q.Close)
	b := &realBackend{t: t, q: q, s: NewServer(q, ServerSettings{Stage: "prior", Bundle: "b"})}
	if b.consumer, err = b.s.consumer(t.Context(), Interactive); err != nil {
		t.Fatal(err)
	}
	return b
}

func (b *realBackend) at(key string) address { return address{"prior", "b", Interactive, "t", key} }

func (b *realBackend) must(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

func (b *realBackend) publish(key string) bool {
	accepted, err := b.q.publish(b.t.Context(), work{address: b.at(key), method: "/m", deadline: time.Now().Add(time.Hour)})
	b.must(err)
	return accepted
}

func (b *realBackend) present(key string) bool {
	present, err := b.q.present(b.t.Context(), b.at(key))
	b.must(err)
	return present
}

func (b *realBackend) fetch() (string, uint64) {
	batch, err := b.consumer.Fetch(1, jetstream.FetchMaxWait(10*b.q.settings.AckWait), jetstream.FetchPriorityGroup(workersGroup))
	b.must(err)
	msg := <-batch.Messages()
	if msg == nil {
		return "", 0
	}
	b.last = msg
	meta, err := msg.Metadata()
	b.must(err)
	at, _ := parseAddress(msg.Subject())
	return at.key, meta.NumDelivered
}

func (b *realBackend) ack() { b.must(b.last.DoubleAck(b.t.Context())) }
func (b *realBackend) nak() { b.must(b.last.Nak()) }

func (b *realBackend) create(key string, code codes.Code, ttl time.Duration) bool {
	told, err := b.q.create(b.t.Context(), b.at(key), seal.Shared(b.at(key).tenant), newResult(status.New(code, "m"), nil, 1, byWorker), ttl)
	b.must(err)
	return told != nil
}

func (b *realBackend) lookup(key string) (codes.Code, uint64, bool) {
	r, err := b.q.lookup(b.t.Context(), b.at(key))
	b.must(err)
	if r == nil {
		return 0, 0, false
	}
	return r.code(), r.revision, true
}

func (b *realBackend) remove(key string, revision uint64) {
	b.must(b.q.remove(b.t.Context(), b.at(key), revision))
}

func (b *realBackend) listen(key string) {
	sub, err := b.q.nc.SubscribeSync(b.at(key).event(eventDone))
	b.must(err)
	b.events = append(b.events, sub)
}

func (b *realBackend) heard() []codes.Code {
	var all []codes.Code
	// The server tells before it answers whoever comes after.
	b.must(b.q.nc.Flush())
	for _, sub := range b.events {
		for n, _, _ := sub.Pending(); n > 0; n-- {
			m, err := sub.NextMsg(time.Minute)
			b.must(err)
			t := readEvent(m)
			if t.sealed == nil {
				continue
			}
			r, err := b.q.openResult(b.t.Context(), b.at(strings.Split(m.Subject, ".")[2]), t.sealed, t.revision)
			b.must(err)
			all = append(all, r.code())
		}
	}
	return all
}

func (b *realBackend) pass(d time.Duration) {
	ctx, cancel := context.WithTimeout(b.t.Context(), d)
	defer cancel()
	<-ctx.Done()
}

// TestConformance holds the simulator's store against a real server.
func TestConformance(t *testing.T) {
	cases := map[string]func(*testing.T, backend){
		"a key is in the queue once, until it is acknowledged": func(t *testing.T, b backend) {
			t.Helper()
			check(t, b.publish("a"), !b.publish("a"), b.publish("b"), b.present("a"), !b.present("c"))
			key, n := b.fetch()
			check(t, key == "a", n == 1, !b.publish("a"), b.present("a"))
			b.ack()
			check(t, !b.present("a"), b.publish("a"))
			key, n = b.fetch()
			check(t, key == "b", n == 1)
			b.ack()
			key, n = b.fetch()
			check(t, key == "a", n == 1)
		},
		"what was given back comes again": func(t *testing.T, b backend) {
			t.Helper()
			b.publish("a")
			b.fetch()
			b.nak()
			key, n := b.fetch()
			check(t, key == "a", n == 2, !b.publish("a"))
			b.ack()
			_, n = b.fetch()
			check(t, n == 0)
		},
		"what fell silent comes again": func(t *testing.T, b backend) {
			t.Helper()
			b.publish("a")
			b.fetch()
			key, n := b.fetch()
			check(t, key == "a", n == 2)
			key, n = b.fetch()
			check(t, key == "a", n == 3)
		},
		"a result is created once": func(t *testing.T, b backend) {
			t.Helper()
			check(t, b.create("a", codes.OK, time.Hour), !b.create("a", codes.Canceled, time.Hour))
			code, first, ok := b.lookup("a")
			check(t, ok, code == codes.OK)
			b.remove("a", first+1)
			_, _, ok = b.lookup("a")
			check(t, ok)
			b.remove("a", first)
			_, _, ok = b.lookup("a")
			check(t, !ok, b.create("a", codes.Canceled, time.Hour))
			code, second, _ := b.lookup("a")
			check(t, code == codes.Canceled, second > first)
		},
		"who listens is told of a result, and nobody of another": func(t *testing.T, b backend) {
			t.Helper()
			b.create("a", codes.OK, time.Hour)
			b.listen("a")
			b.listen("b")
			check(t, len(b.heard()) == 0)
			b.create("a", codes.Canceled, time.Hour)
			check(t, len(b.heard()) == 0)
			b.create("c", codes.OK, time.Hour)
			b.create("b", codes.NotFound, time.Hour)
			check(t, slices.Equal(b.heard(), []codes.Code{codes.NotFound}))
			_, revision, _ := b.lookup("b")
			b.remove("b", revision)
			check(t, len(b.heard()) == 0)
			b.create("b", codes.OK, time.Hour)
			check(t, slices.Equal(b.heard(), []codes.Code{codes.OK}))
		},
		"a result expires": func(t *testing.T, b backend) {
			t.Helper()
			b.create("a", codes.OK, time.Second)
			for range 100 {
				if _, _, ok := b.lookup("a"); !ok {
					break
				}
				b.pass(100 * time.Millisecond)
			}
			check(t, b.create("a", codes.Canceled, time.Hour))
		},
	}
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			t.Run("simulated", func(t *testing.T) { test(t, newSimBackend()) })
			t.Run("nats", func(t *testing.T) { test(t, newRealBackend(t)) })
		})
	}
}

func check(t *testing.T, all ...bool) {
	t.Helper()
	for i, ok := range all {
		if !ok {
			t.Errorf("condition %d does not hold", i+1)
		}
	}
}
