package jobqueue

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"

	"github.com/facestudio/facestudio/services/seal"
)

// Settings are what the processes of one mesh agree on. The zero value of each
// field takes its default. All processes must use the same ones: Open refuses
// streams and buckets that were made with others.
type Settings struct {
	// Replicas of every stream and bucket: 1 (default) or, in a cluster, 3.
	Replicas int
	// MaxBytes bounds each stream and bucket; default 1 GiB.
	MaxBytes int64
	// MaxAge is how long work may wait and dead letters are kept: default 24 h
	// for work, 30 times as long for dead letters.
	MaxAge time.Duration
	// ResultTTL is how long results of owned work are kept; default 24 h.
	ResultTTL time.Duration
	// ContentTTL is how long results of content-keyed work are kept and shared;
	// default 1 h.
	ContentTTL time.Duration
	// FaultTTL is how long final faults and exhausted attempts are kept;
	// default 1 min.
	FaultTTL time.Duration
	// RecordTTL is how long a terminal record is kept; default 7 days.
	RecordTTL time.Duration
	// Timeout is the deadline of calls whose context has none; default 10 min.
	Timeout time.Duration
	// AckWait is how long a worker may be silent before its work is given to
	// another; default 5 s, at least 200 ms.
	AckWait time.Duration
	// Recheck is how often a waiting caller looks whether its work is still
	// there, beside being told; default 5 s.
	Recheck time.Duration
	// Keeper wraps the data keys that seal what the queue stores. The Queue closes
	// it, also when Open fails. Nil: a key that lies in the queue itself wraps
	// them, so that what is erased is gone, but whoever reads the queue can read
	// what is there. That is for tests.
	Keeper *seal.Keeper
	// Tracer makes the queue's spans; default the global provider's.
	Tracer trace.TracerProvider
	// Meter makes the queue's metrics; default the global provider's.
	Meter metric.MeterProvider
	// Logger gets state changes; default discards.
	Logger *slog.Logger
}

// Queue is a connection to the mesh's queue. It is safe for concurrent use.
type Queue struct {
	settings Settings
	nc       *nats.Conn
	js       jetstream.JetStream
	work     jetstream.Stream
	dead     jetstream.Stream
	results  jetstream.KeyValue
	attempts jetstream.KeyValue
	records  *Records
	secret   []byte
	keys     *keys
	ring     *seal.Ring
	seals    sealer
	words    *words
	tracer   trace.Tracer
	headings headings
	meter    metric.Meter
	metrics  metrics
	log      *slog.Logger

	goneKeys *nats.Subscription
	keeper   *seal.Keeper

	clock  clock
	status chan nats.Status
	// ending is closed when the queue closes.
	ending chan struct{}
	// stopClock ends what follows the server's clock.
	stopClock context.CancelFunc
	wg        sync.WaitGroup

	mu sync.Mutex
	// reconnected is closed, and replaced, when the connection is back.
	reconnected chan struct{}
}

// apiTimeout bounds one exchange with the server: an answer that was lost with a
// connection never comes, however much time the call has.
const apiTimeout = 3 * time.Second

func bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, apiTimeout)
}

const instrumentation = "github.com/facestudio/facestudio/services/jobqueue"

func (s Settings) withDefaults() (Settings, error) {
	s.Replicas = cmp.Or(s.Replicas, 1)
	s.MaxBytes = cmp.Or(s.MaxBytes, 1<<30)
	s.MaxAge = cmp.Or(s.MaxAge, 24*time.Hour)
	s.ResultTTL = cmp.Or(s.ResultTTL, 24*time.Hour)
	s.ContentTTL = cmp.Or(s.ContentTTL, time.Hour)
	s.FaultTTL = cmp.Or(s.FaultTTL, time.Minute)
	s.RecordTTL = cmp.Or(s.RecordTTL, 7*24*time.Hour)
	s.Timeout = cmp.Or(s.Timeout, 10*time.Minute)
	s.AckWait = cmp.Or(s.AckWait, 5*time.Second)
	s.Recheck = cmp.Or(s.Recheck, 5*time.Second)
	if s.Tracer == nil {
		s.Tracer = otel.GetTracerProvider()
	}
	if s.Meter == nil {
		s.Meter = otel.GetMeterProvider()
	}
	if s.Logger == nil {
		s.Logger = slog.New(slog.DiscardHandler)
	}
	return s, errors.Join(
		atLeast("Replicas", s.Replicas, 1), atLeast("MaxBytes", s.MaxBytes, 1<<20),
		atLeast("MaxAge", s.MaxAge, time.Second), atLeast("ResultTTL", s.ResultTTL, time.Second),
		atLeast("ContentTTL", s.ContentTTL, time.Second), atLeast("FaultTTL", s.FaultTTL, time.Second),
		atLeast("RecordTTL", s.RecordTTL, time.Second), atLeast("Timeout", s.Timeout, time.Millisecond),
		atLeast("AckWait", s.AckWait, 200*time.Millisecond), atLeast("Recheck", s.Recheck, 10*time.Millisecond),
	)
}

func atLeast[T cmp.Ordered](name string, value, least T) error {
	if value < least {
		return fmt.Errorf("jobqueue setting %s is %v; the least is %v", name, value, least)
	}
	return nil
}

// Open makes or checks the streams and buckets of the queue. It fails, naming
// the stream and the setting, when one exists that differs (ErrMismatch), and
// when the server is too old or has no JetStream. A cluster that has no leader yet
// is waited for, 30 s at most. The caller closes the Queue, then nc.
func Open(ctx context.Context, nc *nats.Conn, s Settings) (*Queue, error) {
	q, err := openQueue(ctx, nc, s)
	if err != nil && s.Keeper != nil {
		return nil, errors.Join(err, s.Keeper.Close())
	}
	return q, err
}

func openQueue(ctx context.Context, nc *nats.Conn, s Settings) (*Queue, error) {
	s, err := s.withDefaults()
	if err != nil {
		return nil, err
	}
	js, err := jetstream.New(nc)
	if err != nil {
		return nil, fmt.Errorf("open JetStream: %w", err)
	}
	q := &Queue{
		settings: s, nc: nc, js: js, log: s.Logger, tracer: s.Tracer.Tracer(instrumentation), meter: s.Meter.Meter(instrumentation),
		words: newWords(nc), reconnected: make(chan struct{}), ending: make(chan struct{}), keeper: s.Keeper, clock: clock{local: time.Now},
	}
	if q.metrics, err = newMetrics(q.meter); err != nil {
		return nil, fmt.Errorf("make the metrics: %w", err)
	}
	if err := patiently(ctx, q.log, q.open); err != nil {
		return nil, err
	}
	if q.goneKeys, err = nc.Subscribe(goneKeys, q.hearGoneKey); err != nil {
		return nil, fmt.Errorf("listen for destroyed keys: %w", err)
	}
	q.status = nc.StatusChanged(nats.CONNECTED)
	q.wg.Go(q.followConnection)
	following, stop := context.WithCancel(context.WithoutCancel(ctx))
	q.stopClock = stop
	q.wg.Go(func() { q.followClock(following) })
	return q, nil
}

// open makes or checks what the queue stores in.
func (q *Queue) open(ctx context.Context) (err error) {
	s, js := q.settings, q.js
	if err := checkServer(ctx, q.nc, js); err != nil {
		return err
	}
	if q.work, err = ensure(ctx, js, workConfig(s)); err != nil {
		return err
	}
	if err := q.setClock(ctx); err != nil {
		return err
	}
	if q.dead, err = ensure(ctx, js, deadConfig(s)); err != nil {
		return err
	}
	results := bucketConfig(s, resultsName, "recorded outcomes of stage work")
	results.RePublish = &jetstream.RePublish{Source: resultsSource, Destination: resultsTarget}
	if q.results, err = ensureBucket(ctx, js, results); err != nil {
		return err
	}
	// A note that is not seen yet would count as a worker that was killed.
	attempts := decisive(bucketConfig(s, attemptsName, "how earlier deliveries of work ended"))
	attempts.MaxAge, attempts.MaxBytes = s.MaxAge, min(s.MaxBytes, attemptsBytes)
	if q.attempts, err = ensureBucket(ctx, js, attempts); err != nil {
		return err
	}
	records, err := ensureBucket(ctx, js, decisive(bucketConfig(s, recordsName, "records and the queue of them")))
	if err != nil {
		return err
	}
	q.records = newRecords(q, records)
	installation := decisive(bucketConfig(s, secretsName, "what this installation drew at its start"))
	installation.MaxBytes = secretsBytes
	secrets, err := ensureBucket(ctx, js, installation)
	if err != nil {
		return err
	}
	if err := q.openKeys(ctx, secrets); err != nil {
		return err
	}
	q.secret, err = q.contentSecret(ctx, secrets)
	return err
}

// openKeys opens the data keys. Without a keeper of the caller's, what wraps them
// is drawn once and lies beside them.
func (q *Queue) openKeys(ctx context.Context, installation jetstream.KeyValue) (err error) {
	if q.keeper == nil {
		drawn, err := secret(ctx, installation, keySecretKey)
		if err != nil {
			return err
		}
		if q.keeper, err = seal.OpenDerived(ctx, [secretSize]byte(drawn)); err != nil {
			return err
		}
	}
	if q.keys, err = openKeys(ctx, q); err != nil {
		return err
	}
	q.ring, err = seal.New(q.keys, q.keeper)
	q.seals = q.ring
	return err
}

// Close ends what the Queue runs in the background and waits for it. Calls and
// servers that still use it must have ended.
func (q *Queue) Close() {
	_ = q.goneKeys.Unsubscribe()
	q.words.close()
	q.nc.RemoveStatusListener(q.status)
	q.stopClock()
	close(q.ending)
	q.wg.Wait()
	if err := q.keeper.Close(); err != nil {
		q.log.Warn("the key-encryption keys are not closed", "error", err)
	}
}

// Records returns the queue of records.
func (q *Queue) Records() *Records { return q.records }

// followConnection wakes everybody who waits when the connection is back, for
// what happened meanwhile was not told.
func (q *Queue) followConnection() {
	for range q.status {
		q.mu.Lock()
		close(q.reconnected)
		q.reconnected = make(chan struct{})
		q.mu.Unlock()
		q.log.Info("connected to the queue again")
	}
}

func (q *Queue) reconnection() <-chan struct{} {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.reconnected
}
