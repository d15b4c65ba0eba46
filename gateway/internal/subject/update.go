package subject

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"

	"google.golang.org/protobuf/proto"

	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	gatewayv1 "github.com/facestudio/facestudio/proto/gen/facestudio/gateway/v1"
	"github.com/facestudio/facestudio/services/fault"
	"github.com/facestudio/facestudio/services/jobqueue"
)

// Update changes what is told about a subject, and returns it as it then is. It
// fails with UNKNOWN_SUBJECT, with what change returns, and with ETAG_MISMATCH
// when the etag is not empty and not the subject's; without one, change is tried
// again on a subject that somebody else changed meanwhile.
func (s *Store) Update(ctx context.Context, key jobqueue.RecordKey, etag string, change func(*gatewayv1.Subject) error) (*gatewayv1.Subject, error) {
	for {
		document, err := s.documents.Get(ctx, key)
		if errors.Is(err, jobqueue.ErrNotFound) {
			return nil, unknown(key.ID)
		}
		if err != nil {
			return nil, fmt.Errorf("read subject: %w", err)
		}
		record, err := decode(document)
		if err != nil {
			return nil, err
		}
		if s.expired(record) {
			return nil, unknown(key.ID)
		}
		if err := match(record, etag); err != nil {
			return nil, err
		}
		record.Subject.Etag = ""
		if err := change(record.GetSubject()); err != nil {
			return nil, err
		}
		value, err := proto.Marshal(record)
		if err != nil {
			return nil, fmt.Errorf("encode subject: %w", err)
		}
		revision, err := s.documents.Update(ctx, key, value, document.Revision)
		if errors.Is(err, jobqueue.ErrStale) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("update subject: %w", err)
		}
		record.Subject.Etag = etagOf(key, revision)
		return record.GetSubject(), nil
	}
}

// match refuses a subject that is not in the state of an etag; an empty one is
// that of every state.
func match(record *gatewayv1.SubjectRecord, etag string) error {
	if etag == "" || etag == record.GetSubject().GetEtag() {
		return nil
	}
	return fault.New(fault.Stale, faultv1.Reason_REASON_ETAG_MISMATCH, "etag",
		"%s was changed since the etag was told: get it again, and decide anew", record.GetSubject().GetName())
}

// etagOf is the etag of a subject at a revision. Revisions are counted over all
// tenants, so they are not told themselves.
func etagOf(key jobqueue.RecordKey, revision uint64) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s\x00%s\x00%d", key.Tenant, key.ID, revision))
	return base64.RawURLEncoding.EncodeToString(sum[:9])
}
