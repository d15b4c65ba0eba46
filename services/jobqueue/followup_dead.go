package jobqueue

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.opentelemetry.io/otel/propagation"
	"google.golang.org/protobuf/proto"

	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	jobqueuev1 "github.com/facestudio/facestudio/proto/gen/facestudio/jobqueue/v1"
	"github.com/facestudio/facestudio/services/fault"
)

// A follow-up that is given up becomes a dead letter without a payload: what it is
// about stands in the record, which is kept for its week.

// Headers of a follow-up's dead letter.
const (
	headerRecord = "Facestudio-Record"
	headerGroup  = "Facestudio-Group"
)

// noBundle stands in the subject of what no bundle's workers do.
const noBundle = "-"

// bury makes a follow-up a dead letter. Done again, after a death before the record
// tells of it, it is one letter all the same.
func (f *follower) bury(ctx context.Context, key RecordKey, rec *jobqueuev1.Record, why string) error {
	ctx, release := context.WithTimeout(context.WithoutCancel(ctx), releaseTime)
	defer release()
	attempt := strconv.FormatUint(rec.GetFollowUp().GetLease().GetAttempt(), 10)
	msg := nats.NewMsg(address{f.s.Stage, noBundle, cmp.Or(rec.GetClass(), Interactive), key.Tenant, key.ID}.dead())
	msg.Header.Set(headerRecord, key.ID)
	msg.Header.Set(headerGroup, rec.GetFollowUp().GetGroup())
	msg.Header.Set(headerOwner, encodeHeader(key.ID))
	msg.Header.Set(headerReason, reasonExhausted)
	msg.Header.Set(headerAttempts, attempt)
	msg.Header.Set(headerStatus, encodeHeader(why))
	propagation.HeaderCarrier(msg.Header).Set(parentHeader, rec.GetTraceParent())
	id := "follow-up-" + key.stored() + "-" + attempt
	if _, err := f.r.q.js.PublishMsg(ctx, msg, jetstream.WithMsgID(id)); err != nil {
		return fmt.Errorf("store a dead letter: %w", err)
	}
	return nil
}

// followAgain makes the follow-up of a dead letter due, as if no attempt had been
// made.
func (d *Dead) followAgain(ctx context.Context, letter DeadLetter, header nats.Header) error {
	key := RecordKey{letter.Tenant, header.Get(headerRecord)}
	for {
		entry, err := d.q.records.Get(ctx, key)
		if errors.Is(err, ErrNotFound) {
			return fault.InvalidField("name", "the record of dead letter %d is no more: the letter can only be dropped", letter.ID)
		}
		if err != nil {
			return err
		}
		if entry.Record.GetFollowUp() != nil {
			return fault.New(fault.Exhausted, faultv1.Reason_REASON_QUOTA_EXHAUSTED, "name",
				"what dead letter %d is about is being done already; retry later", letter.ID)
		}
		next := proto.CloneOf(entry.Record)
		next.FollowUp = &jobqueuev1.FollowUp{Group: header.Get(headerGroup)}
		if _, err := d.q.records.Update(ctx, key, next, entry.Revision); !errors.Is(err, ErrStale) {
			return err
		}
	}
}
