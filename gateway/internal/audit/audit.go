// Package audit notes who did what with whose data: who enrolled, used and deleted
// people, and who made and revoked keys. Entries say who, what and when, and have
// nothing of the people themselves.
package audit

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/facestudio/facestudio/gateway/internal/auth"
	adminv1 "github.com/facestudio/facestudio/proto/gen/facestudio/admin/v1"
	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	"github.com/facestudio/facestudio/services/fault"
	"github.com/facestudio/facestudio/services/jobqueue"
)

// noteTime bounds how long a note may take.
const noteTime = 5 * time.Second

// mesh is the tenant of what is about no tenant.
const mesh = "_mesh"

// Store keeps entries; *jobqueue.Audit is one.
type Store interface {
	Append(ctx context.Context, tenant string, value []byte) error
	List(ctx context.Context, f jobqueue.AuditFilter, each func(jobqueue.AuditEntry) bool) error
}

// Log notes what is done. It may be used by many goroutines.
type Log struct {
	store Store
	// fallback is the tenant of calls that name none.
	fallback string
	log      *slog.Logger
}

// New returns a log over a store. Calls without a tenant are of the fallback.
func New(store Store, fallback string, log *slog.Logger) *Log {
	return &Log{store: store, fallback: fallback, log: log}
}

// Note appends an entry: what was done, and how it ended. Who did it, and for
// which tenant unless the entry says, is in ctx. That an entry cannot be stored
// is logged with the entry, and stops nobody: what it tells has happened.
func (l *Log) Note(ctx context.Context, entry *adminv1.AuditEntry, end error) {
	entry = proto.CloneOf(entry)
	who, _ := auth.PrincipalFrom(ctx)
	entry.Principal, entry.Outcome = who.Name, outcome(end)
	call, _ := jobqueue.CallFrom(ctx)
	tenant := firstOf(entry.GetTenant(), call.Tenant)
	if tenant == "" {
		tenant = l.fallback
	}
	entry.Tenant = ""
	l.append(ctx, tenant, entry)
}

// NoteMesh is Note for what is about the mesh and no tenant.
func (l *Log) NoteMesh(ctx context.Context, entry *adminv1.AuditEntry, end error) {
	entry = proto.CloneOf(entry)
	entry.Tenant = mesh
	l.Note(ctx, entry, end)
}

func firstOf(texts ...string) string {
	for _, text := range texts {
		if text != "" {
			return text
		}
	}
	return ""
}

func (l *Log) append(ctx context.Context, tenant string, entry *adminv1.AuditEntry) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), noteTime)
	defer cancel()
	value, err := proto.Marshal(entry)
	if err == nil {
		err = l.store.Append(ctx, tenant, value)
	}
	if err != nil {
		l.log.ErrorContext(ctx, "an audit entry is not stored", slog.String("tenant", tenant), slog.String("principal", entry.GetPrincipal()),
			slog.String("action", entry.GetAction().String()), slog.String("subject", entry.GetSubject()),
			slog.String("generation", entry.GetGeneration()), slog.String("key", entry.GetKey()),
			slog.String("outcome", entry.GetOutcome()), slog.Any("error", err))
	}
}

// outcome is how something ended, in a word.
func outcome(err error) string {
	if err == nil {
		return "OK"
	}
	f := fault.From(err)
	if f.Reason == faultv1.Reason_REASON_UNSPECIFIED {
		return "UNCLASSIFIED"
	}
	return f.Reason.String()[len("REASON_"):]
}

// Filter says which entries are meant.
type Filter struct {
	jobqueue.AuditFilter
	// Subject, unless empty.
	Subject string
	// Limit is how many at most.
	Limit int
}

// List returns entries, the oldest first.
func (l *Log) List(ctx context.Context, f Filter) ([]*adminv1.AuditEntry, error) {
	var list []*adminv1.AuditEntry
	var broken error
	err := l.store.List(ctx, f.AuditFilter, func(stored jobqueue.AuditEntry) bool {
		entry := new(adminv1.AuditEntry)
		if broken = proto.Unmarshal(stored.Value, entry); broken != nil {
			return false
		}
		if f.Subject != "" && entry.GetSubject() != f.Subject {
			return true
		}
		entry.Number, entry.Time = stored.Number, timestamppb.New(stored.Time)
		if stored.Tenant != mesh {
			entry.Tenant = stored.Tenant
		}
		list = append(list, entry)
		return len(list) < f.Limit
	})
	if err != nil {
		return nil, err
	}
	if broken != nil {
		return nil, fmt.Errorf("read an audit entry: %w", broken)
	}
	return list, nil
}
