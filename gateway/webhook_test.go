package gateway_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/facestudio/facestudio/gateway"
	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	gatewayv1 "github.com/facestudio/facestudio/proto/gen/facestudio/gateway/v1"
	mediav1 "github.com/facestudio/facestudio/proto/gen/facestudio/media/v1"
	"github.com/facestudio/facestudio/services/fault"
)

const webhookKey = "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

// told is a message that a receiver got.
type told struct {
	id   string
	body []byte
}

// receiver takes messages on loopback, answers them with a status, and hands on
// those whose signature is right.
func receiver(t *testing.T, status func() int) (url string, messages <-chan told) {
	t.Helper()
	got := make(chan told, 64)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		id := r.Header.Get("webhook-id")
		key, _ := base64.StdEncoding.DecodeString(webhookKey)
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(id + "." + r.Header.Get("webhook-timestamp") + "." + string(body)))
		if r.Header.Get("webhook-signature") != "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)) {
			t.Errorf("the signature %q is wrong", r.Header.Get("webhook-signature"))
		}
		w.WriteHeader(status())
		got <- told{id, body}
	}))
	t.Cleanup(server.Close)
	return server.URL, got
}

func hear(t *testing.T, from <-chan told) told {
	t.Helper()
	select {
	case m := <-from:
		return m
	case <-time.After(time.Minute):
		t.Fatal("nothing is told")
		return told{}
	}
}

// telling is the policy of a gateway with webhooks.
func telling(t *testing.T, more string) gateway.Policy {
	t.Helper()
	path := filepath.Join(t.TempDir(), "tenants.yaml")
	if err := os.WriteFile(path, []byte("defaults:\n  webhook:\n    secrets: [whsec_"+webhookKey+"]\n"+more), 0o600); err != nil {
		t.Fatal(err)
	}
	return gateway.Policy{TenantsFile: path, LocalURLs: true}
}

// delivery waits until telling the end of a generation has come to something.
func (m *mesh) delivery(client gatewayv1.GenerationServiceClient, name string, is func(*gatewayv1.WebhookDelivery) bool) *gatewayv1.WebhookDelivery {
	m.t.Helper()
	for {
		g, err := client.GetGeneration(m.t.Context(), &gatewayv1.GetGenerationRequest{Name: name})
		if err != nil {
			m.t.Fatal(err)
		}
		if is(g.GetWebhook()) {
			return g.GetWebhook()
		}
		select {
		case <-m.t.Context().Done():
			m.t.Fatalf("telling stays at %v", g.GetWebhook())
		case <-time.After(50 * time.Millisecond): // nothing tells of a record that has ended
		}
	}
}

// The receiver is down at first, and the gateway dies: the next one tells, with
// the same id.
func TestTheEndIsToldWhateverDies(t *testing.T) {
	m := newMesh(t)
	m.queueAll()
	var status atomic.Int32
	status.Store(http.StatusServiceUnavailable)
	url, messages := receiver(t, func() int { return int(status.Load()) })
	c := gateway.Config{Policy: telling(t, "    url: "+url+"/default\n")}
	client, die := m.serve(c)
	req := m.request()
	req.Generation.WebhookUrl = url + "/mine"
	g, err := client.CreateGeneration(t.Context(), req)
	if err != nil || g.GetWebhook().GetState() != gatewayv1.WebhookDelivery_STATE_PENDING {
		t.Fatalf("got %v, %v", g.GetWebhook(), err)
	}
	first := hear(t, messages)
	failed := m.delivery(client, g.GetName(), func(w *gatewayv1.WebhookDelivery) bool { return w.GetAttempts() > 0 })
	if failed.GetLastError() != "the receiver answered 503" || failed.GetNextAttemptTime() == nil || failed.GetId() != first.id {
		t.Errorf("after the first attempt: %v", failed)
	}
	die()
	status.Store(http.StatusNoContent)
	client, _ = m.serve(c)
	second := hear(t, messages)
	if second.id != first.id || !bytes.Equal(second.body, first.body) || !strings.Contains(string(first.body), g.GetName()) {
		t.Errorf("told %s %s, then %s %s", first.id, first.body, second.id, second.body)
	}
	m.delivery(client, g.GetName(), func(w *gatewayv1.WebhookDelivery) bool {
		return w.GetState() == gatewayv1.WebhookDelivery_STATE_DELIVERED && w.GetUrl() == url+"/mine"
	})
	// Who names no receiver has the operator's.
	after := m.create(client)
	got := hear(t, messages)
	for got.id == first.id { // told more than once, as may be
		got = hear(t, messages)
	}
	if after.GetWebhook().GetUrl() != url+"/default" || got.id != after.GetWebhook().GetId() {
		t.Errorf("told %v, wanted %v", got, after.GetWebhook())
	}
}

func TestASlowReceiverHoldsNobodyUp(t *testing.T) {
	m := newMesh(t)
	m.queueAll()
	arrived := make(chan struct{}, 64)
	stuck := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		arrived <- struct{}{}
		<-r.Context().Done()
	}))
	t.Cleanup(stuck.Close)
	url, messages := receiver(t, func() int { return http.StatusOK })
	client, _ := m.serve(gateway.Config{Policy: telling(t, "")})
	for range 6 {
		req := m.request()
		req.Generation.WebhookUrl = stuck.URL
		g, err := client.CreateGeneration(t.Context(), req)
		if err != nil {
			t.Fatal(err)
		}
		m.await(client, g.GetName())
	}
	for range 4 {
		<-arrived // all slots of its host are taken
	}
	req := m.request()
	req.Generation.WebhookUrl = strings.Replace(url, "127.0.0.1", "localhost", 1)
	g, err := client.CreateGeneration(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	if got := hear(t, messages); got.id != g.GetWebhook().GetId() {
		t.Errorf("told %v", got)
	}
}

func TestWebhooksAreCheckedWhenTheyAreAskedFor(t *testing.T) {
	m := newMesh(t)
	path := telling(t, "tenants: {quiet: {webhook: {secrets: []}}}\n").TenantsFile
	conn, _, _ := m.listen(gateway.Config{Policy: gateway.Policy{TenantsFile: path}})
	client := gatewayv1.NewGenerationServiceClient(conn)
	for name, c := range map[string]struct {
		tenant, url string
		reason      faultv1.Reason
	}{
		"loopback":     {"default", "https://127.0.0.1/", faultv1.Reason_REASON_INVALID_FIELD},
		"plain HTTP":   {"default", "http://example.com/", faultv1.Reason_REASON_INVALID_FIELD},
		"not a URL":    {"default", "example.com", faultv1.Reason_REASON_INVALID_FIELD},
		"without them": {"quiet", "https://example.com/", faultv1.Reason_REASON_UNSUPPORTED},
	} {
		t.Run(name, func(t *testing.T) {
			req := m.request()
			req.Generation.WebhookUrl = c.url
			_, err := client.CreateGeneration(of(t.Context(), c.tenant), req)
			if f := fault.From(err); f == nil || f.Reason != c.reason || f.Field != "webhook_url" {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestAStylePictureByURL(t *testing.T) {
	m := newMesh(t)
	m.queueAll()
	style := m.request().GetGeneration().GetStyle().GetData()
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(style) }))
	t.Cleanup(site.Close)
	client, _ := m.serve(gateway.Config{Policy: telling(t, "  picture-urls: true\n")})
	req := m.request()
	req.Generation.Style = &mediav1.Picture{Source: &mediav1.Picture_Url{Url: site.URL}}
	g, err := client.CreateGeneration(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	m.succeeded(client, m.await(client, g.GetName()))
}
