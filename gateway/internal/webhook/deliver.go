package webhook

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/facestudio/facestudio/gateway/internal/outbound"
	"github.com/facestudio/facestudio/gateway/internal/tenant"
	gatewayv1 "github.com/facestudio/facestudio/proto/gen/facestudio/gateway/v1"
)

const scope = "github.com/facestudio/facestudio/gateway"

// Attempts are made for patience after the end of the generation: the first at
// once, the second after about firstDelay, each later one growth times as late as
// the one before, at most maxDelay.
const (
	patience   = 24 * time.Hour
	firstDelay = 5 * time.Second
	growth     = 3
	maxDelay   = 2 * time.Hour
	// jitter is the share by which a delay is longer or shorter.
	jitter = 0.2
)

const (
	// AttemptTime bounds an attempt, from looking the name up to the answer.
	AttemptTime = 15 * time.Second
	// maxAnswer is how much of an answer is read, so that its connection can be
	// used again; nobody looks at it.
	maxAnswer = 4 << 10
	userAgent = "FaceStudio-Webhook/1"
)

// errGone says that a receiver does not want messages any more.
var errGone = errors.New("the receiver answered 410: it wants no more")

// Settings says how messages are sent.
type Settings struct {
	// Client sends them, to public addresses alone.
	Client *http.Client
	// Limits has the secrets of each tenant.
	Limits func(tenant string) tenant.Limits
	// Now is the clock.
	Now func() time.Time
	// FirstDelay is the delay after the first attempt; 0 means 5 s.
	FirstDelay time.Duration
	// Log gets what was given up.
	Log *slog.Logger
	// Meter counts attempts.
	Meter metric.MeterProvider
}

// Sender sends messages. It may be used by many goroutines.
type Sender struct {
	set      Settings
	attempts metric.Int64Counter
}

// New returns a sender.
func New(s Settings) (*Sender, error) {
	attempts, err := s.Meter.Meter(scope).Int64Counter("facestudio.webhook.attempts",
		metric.WithDescription("Attempts to tell the end of a generation, by what came of them."))
	if err != nil {
		return nil, fmt.Errorf("make metric: %w", err)
	}
	if s.FirstDelay == 0 {
		s.FirstDelay = firstDelay
	}
	return &Sender{set: s, attempts: attempts}, nil
}

// Attempt makes an attempt, from 1, to tell the end of a generation of a tenant,
// and writes into the generation what came of it. It returns when the next one is
// to be made, zero when there is none; it fails only when ctx has ended, and then
// nothing is written.
func (s *Sender) Attempt(ctx context.Context, of string, g *gatewayv1.Generation, number int) (time.Time, error) {
	after, err := s.send(ctx, of, g)
	if err != nil && ctx.Err() != nil {
		return time.Time{}, context.Cause(ctx)
	}
	now := s.set.Now()
	w := g.GetWebhook()
	w.Attempts, w.LastError, w.NextAttemptTime = int32(number), "", nil
	if err == nil {
		w.State, w.EndTime = gatewayv1.WebhookDelivery_STATE_DELIVERED, timestamppb.New(now)
		s.count(ctx, "delivered")
		return time.Time{}, nil
	}
	w.LastError = told(err)
	next := now.Add(max(s.delay(number, rand.Float64()), min(after, maxDelay)))
	if !errors.Is(err, errGone) && next.Sub(g.GetEndTime().AsTime()) <= patience {
		// One that was given up may have been redriven.
		w.State, w.EndTime = gatewayv1.WebhookDelivery_STATE_PENDING, nil
		w.NextAttemptTime = timestamppb.New(next)
		s.count(ctx, "failed")
		return next, nil
	}
	w.State, w.EndTime = gatewayv1.WebhookDelivery_STATE_GIVEN_UP, timestamppb.New(now)
	s.count(ctx, "given_up")
	s.set.Log.WarnContext(ctx, "webhook is given up", slog.String("generation", g.GetName()),
		slog.Int("attempts", number), slog.String("error", w.GetLastError()))
	return time.Time{}, nil
}

func (s *Sender) count(ctx context.Context, outcome string) {
	s.attempts.Add(ctx, 1, metric.WithAttributes(attribute.String("outcome", outcome)))
}

// delay is how long to wait after an attempt; chance is 0..1.
func (s *Sender) delay(number int, chance float64) time.Duration {
	delay := s.set.FirstDelay
	for i := 1; i < number && delay < maxDelay; i++ {
		delay *= growth
	}
	return time.Duration(float64(min(delay, maxDelay)) * (1 + jitter*(2*chance-1)))
}

// send sends the message. after is what the receiver asks to wait.
func (s *Sender) send(ctx context.Context, of string, g *gatewayv1.Generation) (after time.Duration, err error) {
	secrets := s.set.Limits(of).Webhook.Secrets
	if len(secrets) == 0 {
		return 0, failure("no secret is set up to sign the message with")
	}
	payload, err := messageOf(g)
	if err != nil {
		return 0, err
	}
	ctx, stop := context.WithTimeout(ctx, AttemptTime)
	defer stop()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, g.GetWebhook().GetUrl(), bytes.NewReader(payload))
	if err != nil {
		return 0, failure("the URL cannot be read")
	}
	now := s.set.Now()
	signature, err := Sign(secrets, g.GetWebhook().GetId(), now, payload)
	if err != nil {
		return 0, err
	}
	h := req.Header
	h.Set("Content-Type", "application/json")
	h.Set("User-Agent", userAgent)
	h.Set("webhook-id", g.GetWebhook().GetId())
	h.Set("webhook-timestamp", strconv.FormatInt(now.Unix(), 10))
	h.Set("webhook-signature", signature)
	res, err := s.set.Client.Do(req)
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, maxAnswer))
	switch {
	case res.StatusCode >= 200 && res.StatusCode < 300:
		return 0, nil
	case res.StatusCode == http.StatusGone:
		return 0, errGone
	default:
		return retryAfter(res.Header.Get("Retry-After"), now), failure(fmt.Sprintf("the receiver answered %d", res.StatusCode))
	}
}

// failure is why an attempt failed, in words for whom the generation belongs to.
type failure string

func (f failure) Error() string { return string(f) }

// told is an error as the caller is told it: nothing of our network, by which
// somebody could explore it.
func told(err error) string {
	if f, ok := errors.AsType[failure](err); ok {
		return f.Error()
	}
	var timeout interface{ Timeout() bool }
	switch {
	case errors.Is(err, errGone):
		return errGone.Error()
	case errors.Is(err, outbound.ErrAddress):
		return "the host is not a public one"
	case errors.As(err, &timeout) && timeout.Timeout():
		return "the receiver did not answer in time"
	default:
		return "the receiver cannot be reached"
	}
}

// retryAfter reads the header Retry-After, seconds or a date.
func retryAfter(text string, now time.Time) time.Duration {
	if seconds, err := strconv.Atoi(text); err == nil && seconds > 0 {
		return time.Duration(min(seconds, int(maxDelay/time.Second))) * time.Second
	}
	if at, err := http.ParseTime(text); err == nil {
		return max(at.Sub(now), 0)
	}
	return 0
}
