package jobqueue

import (
	"context"
	"errors"

	"github.com/nats-io/nats.go/jetstream"

	jobqueuev1 "github.com/facestudio/facestudio/proto/gen/facestudio/jobqueue/v1"
	"github.com/facestudio/facestudio/services/fault"
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

// RecordKey names a record. Both parts are 1 to 63 letters, digits, "_" or
// "-".
type RecordKey struct{ Tenant, ID string }

// Entry is a record as it was stored at a revision.
type Entry struct {
	Key    RecordKey
	Record *jobqueuev1.Record
	// Revision is the record's fencing token: it grows with each write.
	Revision uint64
}

// Records is the queue of records: pieces of work that are their own queue
// entries (DESIGN 5), so that one write creates and queues them.
type Records struct {
	q  *Queue
	kv jetstream.KeyValue
}

// Create stores and queues a record; it is durable when Create returns. The
// tenant, class ("interactive" when empty) and create time (now when unset) are
// filled in. It fails with ErrExists.
func (r *Records) Create(ctx context.Context, key RecordKey, rec *jobqueuev1.Record) (uint64, error) {
	panic("jobqueue: not written yet")
}

// Get returns a record or ErrNotFound.
func (r *Records) Get(ctx context.Context, key RecordKey) (*Entry, error) {
	panic("jobqueue: not written yet")
}

// Update replaces the record if its revision is still the given one, else it
// fails with ErrStale. A terminal record is dropped after Settings.RecordTTL.
// Holders of a claim use Claim.Update.
func (r *Records) Update(ctx context.Context, key RecordKey, rec *jobqueuev1.Record, revision uint64) (uint64, error) {
	panic("jobqueue: not written yet")
}

// List returns a tenant's records, the newest first.
func (r *Records) List(ctx context.Context, tenant string) ([]*Entry, error) {
	panic("jobqueue: not written yet")
}

// Watch sends the record as it stands, then every change of its value, its
// terminal or its cancel_requested flag (not the renewal of a lease), until ctx
// ends or the record is dropped; then the channel is closed. It fails with
// ErrNotFound.
func (r *Records) Watch(ctx context.Context, key RecordKey) (<-chan *Entry, error) {
	panic("jobqueue: not written yet")
}

// Cancel asks for a record to be cancelled: its holder's context ends with
// ErrCancelRequested; without a holder the next one to claim it sees that. A
// terminal record is returned as it is.
func (r *Records) Cancel(ctx context.Context, key RecordKey) (*Entry, error) {
	panic("jobqueue: not written yet")
}

func (k RecordKey) validate() error {
	if !validToken(k.Tenant) || !validToken(k.ID) {
		return fault.InvalidField("name", "tenant and id of a record are 1 to 63 letters, digits, _ or -")
	}
	return nil
}
