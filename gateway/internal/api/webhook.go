package api

import (
	"github.com/facestudio/facestudio/gateway/internal/tenant"
	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	gatewayv1 "github.com/facestudio/facestudio/proto/gen/facestudio/gateway/v1"
	"github.com/facestudio/facestudio/services/fault"
)

// messageID starts the id of the message that tells a generation's end.
const messageID = "msg_"

// tellEnd writes into a new generation where its end is told, if anywhere.
func (s Settings) tellEnd(g *gatewayv1.Generation, id string, may tenant.Limits) error {
	to := g.GetWebhookUrl()
	if to != "" {
		if len(may.Webhook.Secrets) == 0 || s.CheckURL == nil {
			return fault.New(fault.Precondition, faultv1.Reason_REASON_UNSUPPORTED, "webhook_url",
				"no webhooks are set up for you here: ask the operator for a secret, or leave webhook_url out and watch the generation")
		}
		if err := s.CheckURL(to); err != nil {
			return fault.InvalidField("webhook_url", "%v", err)
		}
	} else if to = may.Webhook.URL; to == "" || s.CheckURL == nil {
		return nil
	}
	g.Webhook = &gatewayv1.WebhookDelivery{State: gatewayv1.WebhookDelivery_STATE_PENDING, Id: messageID + id, Url: to}
	return nil
}
