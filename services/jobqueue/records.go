package jobqueue

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	jobqueuev1 "github.com/facestudio/facestudio/proto/gen/facestudio/jobqueue/v1"
	"github.com/facestudio/facestudio/services/fault"
	"github.com/facestudio/facestudio/services/seal"
)

// Errors of records; test with errors.Is.
var (
	// ErrExists says that a record with this key exists.
	ErrExists = errors.New("record exists")
	// ErrNotFound says that there is no such record, or no more.
	ErrNotFound = errors.New("record not found")
	// ErrStale says that the record has changed since the given revision.
	ErrStale = errors.New("record has changed")
)

// MaxRecord bounds a stored record, in bytes: pictures are kept as blobs.
const MaxRecord = 512 << 10

// RecordKey names a record. Both parts are 1 to 63 letters, digits, "_" or
// "-".
type RecordKey struct {
	// Tenant is whose record it is.
	Tenant string
	// ID tells it from the tenant's others.
	ID string
}

func (k RecordKey) validate() error {
	if !validToken(k.Tenant) || !validToken(k.ID) {
		return fault.InvalidField("name", "tenant and id of a record are 1 to 63 letters, digits, _ or -")
	}
	return nil
}

// Entry is a record as it was stored at a revision.
type Entry struct {
	// Key is the record's name.
	Key RecordKey
	// Record is what was stored.
	Record *jobqueuev1.Record
	// Revision is the record's fencing token: it grows with each write.
	Revision uint64
	// stored is when it was written, by the server's clock.
	stored time.Time
}

// Records is the queue of records: pieces of work that are their own queue
// entries, so that one write creates and queues them. Errors beside those named
// are faults: INVALID_FIELD for a bad key or a record above MaxRecord,
// UNAVAILABLE when the server cannot be reached, QUOTA_EXHAUSTED when the bucket
// is full.
type Records struct {
	q    *Queue
	kv   jetstream.KeyValue
	feed *feed
}

func newRecords(q *Queue, kv jetstream.KeyValue) *Records {
	r := &Records{q: q, kv: kv}
	r.feed = newFeed(q, r.renews)
	return r
}

// Create stores and queues a record; it is durable when Create returns. The
// tenant, class ("interactive" when empty), create time (now when unset) and trace
// are filled in. It fails with ErrExists.
func (r *Records) Create(ctx context.Context, key RecordKey, rec *jobqueuev1.Record) (uint64, error) {
	if err := key.validate(); err != nil {
		return 0, err
	}
	rec = proto.CloneOf(rec)
	rec.Tenant = key.Tenant
	if rec.GetClass() == "" {
		rec.Class = Interactive
	}
	if rec.GetCreateTime() == nil {
		rec.CreateTime = timestamppb.New(r.q.Now())
	}
	ctx, span := r.q.spanOf(ctx, onRecord(opPublish, rec.GetClass()), trace.SpanKindProducer)
	defer span.End()
	rec.TraceParent = traceParent(ctx)
	data, err := r.encode(ctx, key, rec, r.q.seals.Seal)
	if err != nil {
		return 0, err
	}
	begun := time.Now()
	revision, err := r.create(ctx, key, data)
	outcome := fault.ToStatus(err)
	if errors.Is(err, ErrExists) {
		outcome = status.New(codes.AlreadyExists, "")
	}
	r.q.metrics.publishedIn(ctx, toRecords, time.Since(begun), outcome.Code())
	endSpan(span, outcome)
	return revision, err
}

func (r *Records) create(ctx context.Context, key RecordKey, data []byte) (uint64, error) {
	ctx, release := bounded(ctx)
	defer release()
	revision, err := r.kv.Create(ctx, key.stored(), data)
	if errors.Is(err, jetstream.ErrKeyExists) {
		return 0, fmt.Errorf("create record %s: %w", key.ID, ErrExists)
	}
	return revision, storeError(ctx, err)
}

// Get returns a record or ErrNotFound.
func (r *Records) Get(ctx context.Context, key RecordKey) (*Entry, error) {
	if err := key.validate(); err != nil {
		return nil, err
	}
	ctx, release := bounded(ctx)
	defer release()
	entry, err := r.kv.Get(ctx, key.stored())
	if errors.Is(err, jetstream.ErrKeyNotFound) {
		return nil, fmt.Errorf("get record %s: %w", key.ID, ErrNotFound)
	}
	if err != nil {
		return nil, storeError(ctx, err)
	}
	return r.open(ctx, stored(entry))
}

// Update replaces the record if its revision is still the given one, else it
// fails with ErrStale. A terminal record is dropped after Settings.RecordTTL.
// Holders of a claim use Claim.Update.
func (r *Records) Update(ctx context.Context, key RecordKey, rec *jobqueuev1.Record, revision uint64) (uint64, error) {
	if err := key.validate(); err != nil {
		return 0, err
	}
	var ttl time.Duration
	if rec.GetTerminal() {
		ttl = r.q.settings.RecordTTL
	}
	return r.update(ctx, key, rec, revision, ttl)
}

// Rewrite changes the value of a record that has ended, if its revision is still
// the given one, else it fails with ErrStale. The record expires when it would
// have.
func (r *Records) Rewrite(ctx context.Context, entry *Entry, value []byte) error {
	rec := proto.CloneOf(entry.Record)
	rec.Value = value
	left := r.q.settings.RecordTTL - r.q.Now().Sub(entry.stored)
	_, err := r.update(ctx, entry.Key, rec, entry.Revision, max(left.Round(time.Second), time.Second))
	return err
}

// update writes a record; one with a ttl expires after it.
func (r *Records) update(ctx context.Context, key RecordKey, rec *jobqueuev1.Record, revision uint64, ttl time.Duration) (uint64, error) {
	data, err := r.encode(ctx, key, rec, r.q.seals.SealExisting)
	if err != nil {
		return 0, err
	}
	ctx, release := bounded(ctx)
	defer release()
	msg := nats.NewMsg("$KV." + recordsName + "." + key.stored())
	msg.Data = data
	opts := []jetstream.PublishOpt{jetstream.WithExpectLastSequencePerSubject(revision)}
	if ttl > 0 {
		// The KV interface sets a key's life only when it creates it.
		opts = append(opts, jetstream.WithMsgTTL(ttl))
	}
	ack, err := r.q.js.PublishMsg(ctx, msg, opts...)
	if isStale(err) {
		return 0, fmt.Errorf("update record %s at %d: %w", key.ID, revision, ErrStale)
	}
	if err != nil {
		return 0, storeError(ctx, err)
	}
	return ack.Sequence, nil
}

func isStale(err error) bool {
	api, ok := errors.AsType[*jetstream.APIError](err)
	return ok && (api.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequence ||
		api.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequenceConstant)
}

// Cancel asks for a record to be cancelled: its holder's context ends with
// ErrCancelRequested; without a holder the next one to claim it sees that. A
// terminal record is returned as it is. It fails with ErrNotFound. Writing the
// end of a cancelled record is its holder's business, so that the work on it ends
// too.
func (r *Records) Cancel(ctx context.Context, key RecordKey) (*Entry, error) {
	for {
		entry, err := r.Get(ctx, key)
		if err != nil {
			return nil, err
		}
		if entry.Record.GetTerminal() || entry.Record.GetCancelRequested() {
			return entry, nil
		}
		entry.Record.CancelRequested = true
		revision, err := r.Update(ctx, key, entry.Record, entry.Revision)
		if err == nil {
			entry.Revision = revision
			return entry, nil
		}
		if !errors.Is(err, ErrStale) {
			return nil, err
		}
	}
}

// encode writes a record with its value sealed: the rest is what those who wait
// for their turn have to see.
func (r *Records) encode(ctx context.Context, key RecordKey, rec *jobqueuev1.Record,
	with func(context.Context, seal.Scope, seal.Place, []byte) ([]byte, error),
) ([]byte, error) {
	if size := proto.Size(rec); size > MaxRecord {
		return nil, fault.InvalidField("", "the record has %d bytes and may have %d; keep large parts as blobs", size, MaxRecord)
	}
	value, err := with(ctx, recordScope(key), key.place(), rec.GetValue())
	if errors.Is(err, seal.ErrDestroyed) {
		return nil, fmt.Errorf("seal record %s: %w", key.ID, ErrNotFound)
	}
	if err != nil {
		return nil, fmt.Errorf("seal record %s: %w", key.ID, err)
	}
	rec = proto.CloneOf(rec)
	rec.Value = value
	data, err := proto.Marshal(rec)
	if err != nil {
		return nil, fmt.Errorf("encode a record: %w", err)
	}
	return data, nil
}

// open returns a stored record. One whose data key is destroyed is not found.
func (r *Records) open(ctx context.Context, stored change) (*Entry, error) {
	entry, err := parseEntry(stored)
	if err != nil {
		return nil, err
	}
	value, _, err := r.q.seals.Open(ctx, entry.Key.Tenant, entry.Key.place(), entry.Record.GetValue())
	if errors.Is(err, seal.ErrDestroyed) {
		return nil, fmt.Errorf("open record %s: %w", entry.Key.ID, ErrNotFound)
	}
	if err != nil {
		return nil, fmt.Errorf("open record %s: %w", entry.Key.ID, err)
	}
	entry.Record.Value = value
	return entry, nil
}

// stored is an entry of the bucket as a change.
func stored(e jetstream.KeyValueEntry) change {
	return change{key: e.Key(), value: e.Value(), revision: e.Revision(), stored: e.Created(), gone: e.Operation() != jetstream.KeyValuePut}
}

// parseEntry reads a record without opening its value.
func parseEntry(c change) (*Entry, error) {
	key, ok := parseRecordKey(c.key)
	if !ok {
		return nil, fmt.Errorf("record key %q is none of ours", c.key)
	}
	rec := &jobqueuev1.Record{}
	if err := proto.Unmarshal(c.value, rec); err != nil {
		return nil, fmt.Errorf("read record %s at %d, which was changed by hand: %w", key.ID, c.revision, err)
	}
	return &Entry{Key: key, Record: rec, Revision: c.revision, stored: c.stored}, nil
}

// storeError classifies an error of the server; nil for nil. ctx is the one that
// bounded the exchange: that its time is up says that the server is away.
func storeError(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(ctx.Err(), context.Canceled) {
		return fault.From(ctx.Err())
	}
	if api, ok := errors.AsType[*jetstream.APIError](err); ok && api.ErrorCode == errStoreFailed {
		return fault.Wrap(err, fault.Exhausted, faultv1.Reason_REASON_QUOTA_EXHAUSTED, "", "the store of records is full; retry later")
	}
	return unavailable(err)
}
