package record

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/url"
	"time"

	gatewayv1 "github.com/facestudio/facestudio/proto/gen/facestudio/gateway/v1"
	jobqueuev1 "github.com/facestudio/facestudio/proto/gen/facestudio/jobqueue/v1"
	"github.com/facestudio/facestudio/services/jobqueue"
)

// followUp is what is to be done once a generation has ended: to tell whoever
// wants to know. Receivers on one host share slots, so that a slow one has no
// more than its own.
func followUp(g *gatewayv1.Generation) *jobqueuev1.FollowUp {
	if g.GetWebhook() == nil {
		return nil
	}
	host := ""
	if u, err := url.Parse(g.GetWebhook().GetUrl()); err == nil {
		host = u.Hostname()
	}
	sum := sha256.Sum256([]byte(host))
	return &jobqueuev1.FollowUp{Group: hex.EncodeToString(sum[:16])}
}

// Tell makes an attempt, from 1, to tell the end of a generation, and changes the
// generation to say what came of it. It returns when the next one is made, zero
// for none; when it fails, the attempt does not count.
type Tell func(ctx context.Context, tenant string, g *gatewayv1.Generation, attempt int) (time.Time, error)

// TellEnds has the ends of generations told that are to be told, until ctx ends.
// Each is told at least once, whichever gateways die meanwhile; what is given up
// becomes a dead letter.
func (s *Store) TellEnds(ctx context.Context, settings jobqueue.FollowUpSettings, tell Tell) error {
	return s.records.FollowUp(ctx, settings, func(ctx context.Context, a jobqueue.Attempt) (jobqueue.Followed, error) {
		if len(a.Value) == 0 {
			return jobqueue.Followed{}, nil // it was deleted
		}
		g, err := Decode(a.Value)
		if err != nil {
			return jobqueue.Followed{}, err
		}
		next, err := tell(ctx, a.Key.Tenant, g, a.Number)
		if err != nil {
			return jobqueue.Followed{}, err
		}
		value, err := Encode(g)
		followed := jobqueue.Followed{Value: value, Again: next}
		if w := g.GetWebhook(); w.GetState() == gatewayv1.WebhookDelivery_STATE_GIVEN_UP {
			followed.GivenUp = w.GetLastError()
		}
		return followed, err
	})
}
