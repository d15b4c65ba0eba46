package jobqueue

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/facestudio/facestudio/services/fault"
	"github.com/facestudio/facestudio/services/seal"
)

const (
	// auditBytes bounds the log, some 300 bytes an entry; the oldest go first.
	auditBytes = 256 << 20
	// DefaultAuditAge is how long entries are kept: a year.
	DefaultAuditAge = 365 * 24 * time.Hour
)

// Audit is a log that only grows: the server refuses to delete or purge entries,
// which go when they are as old as the log keeps them. Each is sealed with its
// tenant's key. Errors beside those named are those of Records.
type Audit struct {
	q      *Queue
	stream jetstream.Stream
}

// AuditEntry is an entry as it was stored.
type AuditEntry struct {
	// Number counts entries from 1.
	Number uint64
	// Tenant is whose it is.
	Tenant string
	// Time is when it was stored, by the server's clock.
	Time time.Time
	// Value is what was appended.
	Value []byte
}

// Audit opens the log, or makes it: it keeps entries for a time, which is the
// same for all processes.
func (q *Queue) Audit(ctx context.Context, kept time.Duration) (*Audit, error) {
	want := jetstream.StreamConfig{
		Name: auditStream, Description: "what was done with whose data",
		Subjects: []string{auditAll}, Retention: jetstream.LimitsPolicy, Storage: jetstream.FileStorage,
		Discard: jetstream.DiscardOld, MaxMsgsPerSubject: -1, MaxBytes: min(q.settings.MaxBytes, auditBytes), MaxAge: kept,
		Replicas: q.settings.Replicas, DenyDelete: true, DenyPurge: true,
	}
	a := &Audit{q: q}
	err := patiently(ctx, q.log, func(ctx context.Context) (err error) {
		a.stream, err = ensure(ctx, q.js, want)
		return err
	})
	if err != nil {
		return nil, err
	}
	return a, nil
}

func auditPlace(tenant string) seal.Place { return seal.Place{Purpose: "audit", Name: tenant} }

// Append adds an entry of a tenant; it is durable when Append returns.
func (a *Audit) Append(ctx context.Context, tenant string, value []byte) error {
	if !validToken(tenant) {
		return fault.InvalidField("tenant", "a tenant is 1 to 63 letters, digits, _ or -")
	}
	sealed, err := a.q.seals.Seal(ctx, seal.Shared(tenant), auditPlace(tenant), value)
	if err != nil {
		return fmt.Errorf("seal an audit entry: %w", err)
	}
	ctx, release := bounded(ctx)
	defer release()
	_, err = a.q.js.Publish(ctx, auditSubject(tenant), sealed)
	return storeError(ctx, err)
}

// AuditFilter says which entries are meant.
type AuditFilter struct {
	// Tenant, unless empty.
	Tenant string
	// Since leaves out what was before.
	Since time.Time
	// After leaves out the entries up to this number.
	After uint64
}

// List calls each with the entries that are meant, the oldest first, until it
// returns false. An entry whose tenant's key was destroyed has no value.
func (a *Audit) List(ctx context.Context, f AuditFilter, each func(AuditEntry) bool) error {
	if f.Tenant != "" && !validToken(f.Tenant) {
		return fault.InvalidField("tenant", "a tenant is 1 to 63 letters, digits, _ or -")
	}
	subject := auditSubject(orAny(f.Tenant))
	for next := f.After + 1; ; {
		msg, err := a.read(ctx, next, subject)
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			return nil
		}
		if err != nil {
			return storeError(ctx, err)
		}
		next = msg.Sequence + 1
		if msg.Time.Before(f.Since) {
			continue
		}
		entry := AuditEntry{Number: msg.Sequence, Tenant: strings.TrimPrefix(msg.Subject, auditSubject("")), Time: msg.Time}
		entry.Value, _, err = a.q.seals.Open(ctx, entry.Tenant, auditPlace(entry.Tenant), msg.Data)
		if err != nil && !lost(err) {
			return fmt.Errorf("open an audit entry: %w", err)
		}
		if !each(entry) {
			return nil
		}
	}
}

func (a *Audit) read(ctx context.Context, number uint64, subject string) (*jetstream.RawStreamMsg, error) {
	ctx, release := bounded(ctx)
	defer release()
	return a.stream.GetMsg(ctx, number, jetstream.WithGetMsgSubject(subject))
}
