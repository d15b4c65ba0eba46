package webhook_test

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/metric/noop"
	"go.uber.org/goleak"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/facestudio/facestudio/gateway/internal/outbound"
	"github.com/facestudio/facestudio/gateway/internal/tenant"
	"github.com/facestudio/facestudio/gateway/internal/webhook"
	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	gatewayv1 "github.com/facestudio/facestudio/proto/gen/facestudio/gateway/v1"
	mediav1 "github.com/facestudio/facestudio/proto/gen/facestudio/media/v1"
	"github.com/facestudio/facestudio/services/config"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// The secret of the test vector of Standard Webhooks' libraries.
const secret config.Secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

func TestSignaturesAreThoseOfTheSpecification(t *testing.T) {
	sign := func(secrets ...config.Secret) string {
		got, err := webhook.Sign(secrets, "msg_p5jXN8AQM9LWM0D4loKWxJek", time.Unix(1614265330, 0), []byte(`{"test": 2432232314}`))
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	const want = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
	if got := sign(secret); got != want {
		t.Errorf("got %s", got)
	}
	if got := sign("whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", secret); len(strings.Fields(got)) != 2 || !strings.HasSuffix(got, " "+want) {
		t.Errorf("of two secrets: %s", got)
	}
	if _, err := webhook.Sign([]config.Secret{"whsec_short"}, "", time.Time{}, nil); err == nil {
		t.Error("a bad secret signs")
	}
}

// receiver takes messages over HTTP.
type receiver struct {
	url    string
	status int
	header http.Header
	got    chan *http.Request
	bodies chan []byte
}

func newReceiver(t *testing.T, handle http.HandlerFunc) *receiver {
	t.Helper()
	r := &receiver{status: http.StatusNoContent, got: make(chan *http.Request, 8), bodies: make(chan []byte, 8)}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, _ := io.ReadAll(req.Body)
		r.got <- req
		r.bodies <- body
		if handle != nil {
			handle(w, req)
			return
		}
		for name := range r.header {
			w.Header().Set(name, r.header.Get(name))
		}
		w.WriteHeader(r.status)
	}))
	t.Cleanup(server.Close)
	r.url = server.URL
	return r
}

// sender sends to loopback.
func sender(t *testing.T, client *http.Client, now *time.Time, log *slog.Logger) *webhook.Sender {
	t.Helper()
	t.Cleanup(client.CloseIdleConnections)
	s, err := webhook.New(webhook.Settings{
		Client: client,
		Limits: func(name string) tenant.Limits {
			if name != "acme" {
				return tenant.Limits{}
			}
			return tenant.Limits{Webhook: tenant.Webhook{Secrets: []config.Secret{secret}}}
		},
		Now: func() time.Time { return *now }, Log: log, Meter: noop.NewMeterProvider(),
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func local() *http.Client { return outbound.Settings{Local: true}.Client(time.Minute) }

var quiet = slog.New(slog.DiscardHandler)

func endedAt(at time.Time, url string) *gatewayv1.Generation {
	return &gatewayv1.Generation{
		Name: "generations/7", State: gatewayv1.State_STATE_SUCCEEDED, Prompt: "a secret wish", WebhookUrl: url,
		Subjects:   []*gatewayv1.GenerationSubject{{Name: "Ada"}},
		CreateTime: timestamppb.New(at.Add(-time.Second)), EndTime: timestamppb.New(at),
		Pictures: []*gatewayv1.ResultPicture{{
			Name: "generations/7/pictures/0", Width: 128, Height: 64, Faces: []*gatewayv1.ResultFace{{Similarity: 0.4321}},
			Blob: &mediav1.Blob{Sha256: "ab12", Size: 3, MediaType: "image/png"},
		}},
		Webhook: &gatewayv1.WebhookDelivery{State: gatewayv1.WebhookDelivery_STATE_PENDING, Id: "msg_7", Url: url},
	}
}

func TestTheMessageIsSignedAndSmall(t *testing.T) {
	now := time.Date(2026, 11, 25, 12, 0, 0, 5000, time.UTC)
	r := newReceiver(t, nil)
	g := endedAt(now, r.url)
	next, err := sender(t, local(), &now, quiet).Attempt(t.Context(), "acme", g, 1)
	if err != nil || !next.IsZero() || g.GetWebhook().GetState() != gatewayv1.WebhookDelivery_STATE_DELIVERED || g.GetWebhook().GetEndTime() == nil {
		t.Fatalf("got %v, %v, %v", next, err, g.GetWebhook())
	}
	req, body := <-r.got, <-r.bodies
	want, err := webhook.Sign([]config.Secret{secret}, "msg_7", now, body)
	if err != nil {
		t.Fatal(err)
	}
	if req.Method != http.MethodPost || req.Header.Get("webhook-id") != "msg_7" || req.Header.Get("webhook-signature") != want ||
		req.Header.Get("webhook-timestamp") != strconv.FormatInt(now.Unix(), 10) || req.Header.Get("Content-Type") != "application/json" {
		t.Errorf("got %s %v", req.Method, req.Header)
	}
	var compact json.RawMessage
	if err := json.Unmarshal(body, &compact); err != nil {
		t.Fatal(err)
	}
	const told = `{"type":"generation.ended","timestamp":"2026-11-25T12:00:00.000005Z","data":{"name":"generations/7","state":"SUCCEEDED",` +
		`"pictures":[{"name":"generations/7/pictures/0","path":"/v1/generations/7/pictures/0","sha256":"ab12","size":3,"media_type":"image/png","width":128,"height":64}],` +
		`"create_time":"2026-11-25T11:59:59.000005Z","end_time":"2026-11-25T12:00:00.000005Z"}}`
	if string(compact) != told {
		t.Errorf("told %s", compact)
	}
}

func TestAFailureIsToldWithItsReason(t *testing.T) {
	now := time.Now()
	r := newReceiver(t, nil)
	g := endedAt(now, r.url)
	g.State, g.Pictures = gatewayv1.State_STATE_FAILED, nil
	g.Fault = &faultv1.Fault{Reason: faultv1.Reason_REASON_NO_FACE_FOUND, Message: "no face", Field: "subjects[0].photos[0]"}
	if _, err := sender(t, local(), &now, quiet).Attempt(t.Context(), "acme", g, 1); err != nil {
		t.Fatal(err)
	}
	<-r.got
	if body := string(<-r.bodies); !strings.Contains(body, `"error":{"reason":"NO_FACE_FOUND","message":"no face","field":"subjects[0].photos[0]","retryable":false},"pictures":[]`) {
		t.Errorf("told %s", body)
	}
}

func TestWhatComesOfAnAttempt(t *testing.T) {
	tests := []struct {
		name   string
		status int
		header http.Header
		number int
		age    time.Duration
		// least and most are when the next attempt is made; 0: never.
		least, most time.Duration
		says        string
	}{
		{"taken", 200, nil, 1, 0, 0, 0, ""},
		{"a server error", 500, nil, 1, 0, 4 * time.Second, 6 * time.Second, "answered 500"},
		{"a redirection", 302, http.Header{"Location": {"/elsewhere"}}, 2, 0, 12 * time.Second, 18 * time.Second, "answered 302"},
		{"not found", 404, nil, 20, 0, 96 * time.Minute, 144 * time.Minute, "answered 404"},
		{"come back later", 503, http.Header{"Retry-After": {"600"}}, 1, 0, 10 * time.Minute, 10 * time.Minute, "answered 503"},
		{"come back some day", 429, http.Header{"Retry-After": {"999999999999"}}, 1, 0, 4 * time.Second, 2 * time.Hour, "answered 429"},
		{"no more", 410, nil, 1, 0, 0, 0, "410"},
		{"for a day", 500, nil, 18, 24 * time.Hour, 0, 0, "answered 500"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			now := time.Now()
			r := newReceiver(t, nil)
			r.status, r.header = test.status, test.header
			g := endedAt(now.Add(-test.age), r.url)
			next, err := sender(t, local(), &now, quiet).Attempt(t.Context(), "acme", g, test.number)
			if err != nil {
				t.Fatal(err)
			}
			w := g.GetWebhook()
			state := gatewayv1.WebhookDelivery_STATE_PENDING
			switch {
			case test.says == "":
				state = gatewayv1.WebhookDelivery_STATE_DELIVERED
			case test.most == 0:
				state = gatewayv1.WebhookDelivery_STATE_GIVEN_UP
			}
			if w.GetState() != state || int(w.GetAttempts()) != test.number || !strings.Contains(w.GetLastError(), test.says) || (w.GetLastError() == "") != (test.says == "") {
				t.Errorf("it is %v", w)
			}
			if test.most == 0 {
				if !next.IsZero() || w.GetEndTime() == nil || w.GetNextAttemptTime() != nil {
					t.Errorf("there is a next one: %v, %v", next, w)
				}
			} else if d := next.Sub(now); d < test.least || d > test.most || !w.GetNextAttemptTime().AsTime().Equal(next) {
				t.Errorf("the next is in %v, %v", d, w)
			}
			<-r.got
			select {
			case <-r.got:
				t.Error("a redirection was followed")
			default:
			}
		})
	}
}

func TestNothingOfOurNetworkIsTold(t *testing.T) {
	now := time.Now()
	stuck := newReceiver(t, func(_ http.ResponseWriter, req *http.Request) { <-req.Context().Done() })
	closed := httptest.NewServer(nil)
	closed.Close()
	tests := []struct {
		name, url, tenant, says string
		client                  *http.Client
	}{
		{"an address that is not public", stuck.url, "acme", "the host is not a public one", outbound.Settings{}.Client(time.Minute)},
		{"nobody there", closed.URL, "acme", "the receiver cannot be reached", local()},
		{"too slow", stuck.url, "acme", "the receiver did not answer in time", outbound.Settings{Local: true}.Client(50 * time.Millisecond)},
		{"no secret", stuck.url, "other", "no secret is set up to sign the message with", local()},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			g := endedAt(now, test.url)
			if next, err := sender(t, test.client, &now, quiet).Attempt(t.Context(), test.tenant, g, 1); err != nil || next.IsZero() || g.GetWebhook().GetLastError() != test.says {
				t.Errorf("got %v, %v, %v", next, err, g.GetWebhook())
			}
		})
	}
	t.Run("a stop", func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		stop()
		g := endedAt(now, stuck.url)
		if _, err := sender(t, local(), &now, quiet).Attempt(ctx, "acme", g, 1); err == nil || g.GetWebhook().GetAttempts() != 0 {
			t.Errorf("got %v, %v", err, g.GetWebhook())
		}
	})
}
