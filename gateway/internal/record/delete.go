package record

import (
	"context"
	"errors"

	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	gatewayv1 "github.com/facestudio/facestudio/proto/gen/facestudio/gateway/v1"
	"github.com/facestudio/facestudio/services/fault"
	"github.com/facestudio/facestudio/services/jobqueue"
)

// Delete removes a generation that has ended; it fails with NOT_ENDED for one
// that has not. What is left, until it expires as the generation would have, is
// that there was one: a repeated request does not make it anew.
func (s *Store) Delete(ctx context.Context, key jobqueue.RecordKey) error {
	for {
		entry, err := s.records.Get(ctx, key)
		if err != nil {
			return unknown(key, err)
		}
		g, err := present(entry)
		if err != nil {
			return err
		}
		if !entry.Record.GetTerminal() {
			return NotEnded(g)
		}
		err = s.records.Rewrite(ctx, entry, nil)
		if !errors.Is(err, jobqueue.ErrStale) {
			return unknown(key, err)
		}
	}
}

// NotEnded is the fault of a generation that has to have ended.
func NotEnded(g *gatewayv1.Generation) error {
	return fault.New(fault.Precondition, faultv1.Reason_REASON_NOT_ENDED, "name",
		"%s has not ended: cancel it, or wait until it has", g.GetName())
}

// deleted tells whether a record is what is left of a generation.
func deleted(entry *jobqueue.Entry) bool { return len(entry.Record.GetValue()) == 0 }

// present returns the generation of a record, or UNKNOWN_GENERATION when it was
// deleted.
func present(entry *jobqueue.Entry) (*gatewayv1.Generation, error) {
	if deleted(entry) {
		return nil, unknown(entry.Key, jobqueue.ErrNotFound)
	}
	return Decode(entry.Record.GetValue())
}
