// Package record keeps generations: each is one record of the queue of
// generations, its value the serialised Generation. The record's lease, class
// and deadline belong to the queue; what the caller sees is in the value.
package record

import (
	"context"
	"errors"
	"fmt"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	gatewayv1 "github.com/facestudio/facestudio/proto/gen/facestudio/gateway/v1"
	jobqueuev1 "github.com/facestudio/facestudio/proto/gen/facestudio/jobqueue/v1"
	"github.com/facestudio/facestudio/services/fault"
	"github.com/facestudio/facestudio/services/jobqueue"
)

// ErrExists says that there is a generation with this key.
var ErrExists = jobqueue.ErrExists

// cancelTries bounds how often Cancel meets a record that changed under it.
const cancelTries = 5

// Store keeps generations in the queue's records. It is safe for concurrent
// use.
type Store struct {
	queue   *jobqueue.Queue
	records *jobqueue.Records
	now     func() time.Time
}

// New returns the store of a queue. now is the clock that ends cancelled
// generations.
func New(q *jobqueue.Queue, now func() time.Time) *Store {
	return &Store{queue: q, records: q.Records(), now: now}
}

// Create stores and queues a generation in one write: it is durable, and due,
// when Create returns. It fails with ErrExists.
func (s *Store) Create(ctx context.Context, key jobqueue.RecordKey, class string, g *gatewayv1.Generation) error {
	value, err := Encode(g)
	if err != nil {
		return err
	}
	_, err = s.records.Create(ctx, key, &jobqueuev1.Record{
		Value:      value,
		Class:      class,
		Bundle:     g.GetBundle(),
		CreateTime: g.GetCreateTime(),
		Deadline:   timestamppb.New(g.GetCreateTime().AsTime().Add(g.GetTimeout().AsDuration())),
		FollowUp:   followUp(g),
	})
	if err != nil {
		return fmt.Errorf("create generation: %w", err)
	}
	return nil
}

// Get returns a generation as it stands, or UNKNOWN_GENERATION.
func (s *Store) Get(ctx context.Context, key jobqueue.RecordKey) (*gatewayv1.Generation, error) {
	entry, err := s.records.Get(ctx, key)
	if err != nil {
		return nil, unknown(key, err)
	}
	return present(entry)
}

// Watch sends a generation as it stands and then every change of it, until ctx
// ends or the generation is dropped; then the channel is closed.
func (s *Store) Watch(ctx context.Context, key jobqueue.RecordKey) (<-chan *gatewayv1.Generation, error) {
	entries, err := s.records.Watch(ctx, key)
	if err != nil {
		return nil, unknown(key, err)
	}
	out := make(chan *gatewayv1.Generation)
	go func() {
		defer close(out)
		for entry := range entries {
			g, err := present(entry)
			if err != nil {
				return
			}
			select {
			case out <- g:
			case <-ctx.Done():
				return
			}
		}
	}()
	return out, nil
}

// Cancel ends a generation that nobody works on, and asks whoever works on one
// to end it. It returns the generation as it then stands; one that has ended is
// left alone.
func (s *Store) Cancel(ctx context.Context, key jobqueue.RecordKey) (*gatewayv1.Generation, error) {
	for range cancelTries {
		g, err := s.cancelWaiting(ctx, key)
		if !errors.Is(err, jobqueue.ErrStale) {
			return g, err
		}
	}
	return s.askToCancel(ctx, key)
}

// cancelWaiting cancels a generation in one write when nobody works on it; a
// gateway that claims it meanwhile makes that ErrStale.
func (s *Store) cancelWaiting(ctx context.Context, key jobqueue.RecordKey) (*gatewayv1.Generation, error) {
	entry, err := s.records.Get(ctx, key)
	if err != nil {
		return nil, unknown(key, err)
	}
	g, err := present(entry)
	if err != nil || entry.Record.GetTerminal() {
		return g, err
	}
	if entry.Record.GetLease().GetHolder() != "" {
		return s.askToCancel(ctx, key)
	}
	Cancelled(g, s.now())
	rec := proto.CloneOf(entry.Record)
	if rec.Value, err = Encode(g); err != nil {
		return nil, err
	}
	rec.Terminal, rec.CancelRequested = true, true
	if _, err := s.records.Update(ctx, key, rec, entry.Revision); err != nil {
		return nil, fmt.Errorf("cancel generation: %w", err)
	}
	return g, nil
}

func (s *Store) askToCancel(ctx context.Context, key jobqueue.RecordKey) (*gatewayv1.Generation, error) {
	entry, err := s.records.Cancel(ctx, key)
	if err != nil {
		return nil, unknown(key, err)
	}
	return Decode(entry.Record.GetValue())
}

// Tell sends progress to those who follow the generation at the moment.
func (s *Store) Tell(key jobqueue.RecordKey, event *gatewayv1.ProgressEvent) error {
	data, err := proto.Marshal(event)
	if err != nil {
		return fmt.Errorf("encode progress: %w", err)
	}
	return s.queue.Progress(key).Publish(data)
}

// Follow returns a generation's progress from now on, until ctx ends; then the
// channel is closed. Who reads slowly misses events.
func (s *Store) Follow(ctx context.Context, key jobqueue.RecordKey) (<-chan *gatewayv1.ProgressEvent, error) {
	news, err := s.queue.Progress(key).Subscribe(ctx)
	if err != nil {
		return nil, fmt.Errorf("follow generation: %w", err)
	}
	out := make(chan *gatewayv1.ProgressEvent)
	go func() {
		defer close(out)
		for data := range news {
			event := new(gatewayv1.ProgressEvent)
			if proto.Unmarshal(data, event) != nil {
				// Progress may be lost; that of a newer version is.
				continue
			}
			select {
			case out <- event:
			case <-ctx.Done():
				return
			}
		}
	}()
	return out, nil
}

func unknown(key jobqueue.RecordKey, err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, jobqueue.ErrNotFound) {
		return fault.Wrap(err, fault.NotFound, faultv1.Reason_REASON_UNKNOWN_GENERATION, "name",
			"there is no generation %s, or it was deleted or has expired", Name(key.ID))
	}
	return fmt.Errorf("read generation: %w", err)
}
