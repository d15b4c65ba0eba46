package jobqueue

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// gauges are what is there at the moment of a scrape.
type gauges struct {
	depth  metric.Int64ObservableGauge
	oldest metric.Float64ObservableGauge
	idle   metric.Int64ObservableGauge
}

// Observe tells with the metrics what there is to do: how much stage work and how
// many records wait or are in hand, and how old the oldest is. Everybody who
// observes tells of the whole mesh, so that one process of a kind is enough, and
// of several any one is right. It asks the server whenever the metrics are read;
// what it cannot learn within 3 s is left out. The caller calls stop before Close.
func (q *Queue) Observe(line *Line) (stop func() error, err error) {
	var (
		g                    gauges
		noDepth, noAge, noID error
	)
	g.depth, noDepth = q.meter.Int64ObservableGauge("facestudio.queue.depth", metric.WithUnit("{message}"),
		metric.WithDescription("Work that waits for a worker, or is in the hands of one."))
	g.oldest, noAge = q.meter.Float64ObservableGauge("facestudio.queue.oldest.age", metric.WithUnit("s"),
		metric.WithDescription("Age of the oldest work that has not ended; 0 when there is none."))
	g.idle, noID = q.meter.Int64ObservableGauge("facestudio.queue.slots.idle", metric.WithUnit("{slot}"),
		metric.WithDescription("Slots of workers that wait for work."))
	if err := errors.Join(noDepth, noAge, noID); err != nil {
		return nil, fmt.Errorf("make the metrics of the queue: %w", err)
	}
	registration, err := q.meter.RegisterCallback(func(ctx context.Context, o metric.Observer) error {
		line.tell(o, g)
		return q.tell(ctx, o, g)
	}, g.depth, g.oldest, g.idle)
	if err != nil {
		return nil, fmt.Errorf("register the metrics of the queue: %w", err)
	}
	return registration.Unregister, nil
}

// tell observes the stages.
func (q *Queue) tell(ctx context.Context, o metric.Observer, g gauges) error {
	ctx, release := bounded(ctx)
	defer release()
	stages, err := q.Stages(ctx)
	if err != nil {
		return err
	}
	for _, s := range stages {
		about := append(ofWork(address{stage: s.Stage, class: s.Class}).attributes(), attribute.String("facestudio.bundle", s.Bundle))
		observeDepth(o, g, about, s.Waiting, s.InHand)
		o.ObserveInt64(g.idle, int64(s.IdleSlots), metric.WithAttributes(about...))
		var age time.Duration
		if s.Waiting+s.InHand > 0 {
			if age, err = q.oldest(ctx, s); err != nil {
				return err
			}
		}
		o.ObserveFloat64(g.oldest, age.Seconds(), metric.WithAttributes(about...))
	}
	return nil
}

func observeDepth(o metric.Observer, g gauges, about []attribute.KeyValue, waiting, inHand uint64) {
	for state, n := range map[string]uint64{"waiting": waiting, "in_hand": inHand} {
		all := slices.Concat(about, []attribute.KeyValue{attribute.String("facestudio.state", state)})
		o.ObserveInt64(g.depth, int64(n), metric.WithAttributes(all...))
	}
}

// oldest is the age of a stage's oldest message.
func (q *Queue) oldest(ctx context.Context, s StageStatus) (time.Duration, error) {
	msg, err := q.work.GetMsg(ctx, 1, jetstream.WithGetMsgSubject(consumerFilter(s.Stage, s.Bundle, s.Class)))
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("look for the oldest work: %w", err)
	}
	return max(q.Now().Sub(msg.Time), 0), nil
}

// tell observes the records.
func (l *Line) tell(o metric.Observer, g gauges) {
	type sum struct {
		waiting, inHand uint64
		oldest          time.Time
	}
	sums := map[string]*sum{Interactive: {}, Batch: {}}
	now := time.Now()
	l.mu.Lock()
	for _, s := range l.ledger.records {
		of := sums[s.class]
		switch {
		case of == nil:
			continue
		case s.busy(now):
			of.inHand++
		default:
			of.waiting++
		}
		if of.oldest.IsZero() || s.created.Before(of.oldest) {
			of.oldest = s.created
		}
	}
	l.mu.Unlock()
	for name, of := range sums {
		var age time.Duration
		if !of.oldest.IsZero() {
			age = max(l.r.q.Now().Sub(of.oldest), 0)
		}
		observeDepth(o, g, ofRecord(name).attributes(), of.waiting, of.inHand)
		o.ObserveFloat64(g.oldest, age.Seconds(), metric.WithAttributes(ofRecord(name).attributes()...))
	}
}
