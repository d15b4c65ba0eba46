package rest_test

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	"github.com/facestudio/facestudio/gateway/internal/rest"
	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	gatewayv1 "github.com/facestudio/facestudio/proto/gen/facestudio/gateway/v1"
	mediav1 "github.com/facestudio/facestudio/proto/gen/facestudio/media/v1"
	"github.com/facestudio/facestudio/services/fault"
	"github.com/facestudio/facestudio/services/jobqueue"
	"github.com/facestudio/facestudio/services/rpc"
)

// service is a generation service made of functions.
type service struct {
	gatewayv1.UnimplementedGenerationServiceServer
	create func(context.Context, *gatewayv1.CreateGenerationRequest) (*gatewayv1.Generation, error)
	watch  func(*gatewayv1.WatchGenerationRequest, grpc.ServerStreamingServer[gatewayv1.WatchGenerationResponse]) error
}

func (s *service) CreateGeneration(ctx context.Context, req *gatewayv1.CreateGenerationRequest) (*gatewayv1.Generation, error) {
	return s.create(ctx, req)
}

func (s *service) GetGeneration(_ context.Context, req *gatewayv1.GetGenerationRequest) (*gatewayv1.Generation, error) {
	if req.GetName() != "generations/7" {
		return nil, fault.New(fault.NotFound, faultv1.Reason_REASON_UNKNOWN_GENERATION, "name", "there is no %s", req.GetName())
	}
	return &gatewayv1.Generation{Name: req.GetName(), State: gatewayv1.State_STATE_RUNNING}, nil
}

func (s *service) CancelGeneration(context.Context, *gatewayv1.CancelGenerationRequest) (*gatewayv1.Generation, error) {
	f := fault.New(fault.Exhausted, faultv1.Reason_REASON_QUOTA_EXHAUSTED, "", "too much at once")
	f.RetryAfter = 6200 * time.Millisecond
	f.Limit = &fault.Limit{Name: "in-flight", Value: 3}
	return nil, f
}

func (s *service) WatchGeneration(req *gatewayv1.WatchGenerationRequest, to grpc.ServerStreamingServer[gatewayv1.WatchGenerationResponse]) error {
	return s.watch(req, to)
}

func (s *service) GetPicture(_ context.Context, req *gatewayv1.GetPictureRequest) (*gatewayv1.GetPictureResponse, error) {
	return &gatewayv1.GetPictureResponse{Data: []byte("bytes of " + req.GetName()), MediaType: "image/jpeg"}, nil
}

// serve returns the URL of the API before the service.
func serve(t *testing.T, s *service) string {
	t.Helper()
	server, err := rpc.NewServer(t.Context(), rpc.Config{Listen: "127.0.0.1:0", MaxMessage: 1 << 20, Grace: time.Second}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	gatewayv1.RegisterGenerationServiceServer(server, s)
	conn, err := server.DialLocal()
	if err != nil {
		t.Fatal(err)
	}
	api, err := rest.New(conn, rest.Settings{MaxMessage: server.MaxMessage()})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- server.Run(ctx) }()
	web := httptest.NewServer(api)
	t.Cleanup(func() {
		web.Close()
		_ = conn.Close()
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return web.URL
}

type answer struct {
	status int
	header http.Header
	body   string
}

func (a answer) problem(t *testing.T) rest.Problem {
	t.Helper()
	var p rest.Problem
	if a.header.Get("Content-Type") != "application/problem+json" {
		t.Errorf("content type is %s", a.header.Get("Content-Type"))
	}
	if err := json.Unmarshal([]byte(a.body), &p); err != nil {
		t.Fatalf("%v: %s", err, a.body)
	}
	if p.Status != a.status || p.Title == "" || p.Detail == "" || p.Type != "/docs#reason-"+p.Reason {
		t.Errorf("problem is %+v", p)
	}
	return p
}

func ask(t *testing.T, method, url, contentType string, body io.Reader, header ...string) answer {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, body)
	if err != nil {
		t.Fatal(err)
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{res.StatusCode, res.Header, string(data)}
}

func TestProblems(t *testing.T) {
	url := serve(t, &service{create: func(context.Context, *gatewayv1.CreateGenerationRequest) (*gatewayv1.Generation, error) {
		return nil, fault.InvalidField("alpha", "1.5 is outside 0..1")
	}})
	tests := []struct {
		name, method, path, body string
		status                   int
		reason, field            string
	}{
		{"a fault", "POST", "/v1/generations", `{"alpha":1.5}`, 400, "INVALID_FIELD", "alpha"},
		{"not found", "GET", "/v1/generations/8", "", 404, "UNKNOWN_GENERATION", "name"},
		{"no JSON", "POST", "/v1/generations", "alpha=1", 400, "INVALID_FIELD", ""},
		{"a misspelt field", "POST", "/v1/generations", `{"alhpa":1}`, 400, "INVALID_FIELD", ""},
		{"a wrong parameter", "GET", "/v1/generations?pageSize=many", "", 400, "INVALID_FIELD", ""},
		{"no such address", "GET", "/v1/paintings", "", 404, "UNSUPPORTED", ""},
		{"no such method", "PUT", "/v1/generations/7", "", 405, "UNSUPPORTED", ""},
		{"not served", "GET", "/v1/bundles/default", "", 501, "UNSUPPORTED", ""},
		{"too large", "POST", "/v1/generations", strings.Repeat("x", 2<<20), 413, "IMAGE_TOO_LARGE", ""},
		{"a bad event", "GET", "/v1/generations/7:watch?after=x", "", 400, "INVALID_FIELD", "after"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := ask(t, test.method, url+test.path, "application/json", strings.NewReader(test.body))
			p := got.problem(t)
			if got.status != test.status || p.Reason != test.reason || p.Field != test.field || p.Retryable {
				t.Errorf("got %d %+v", got.status, p)
			}
		})
	}
	t.Run("retry", func(t *testing.T) {
		got := ask(t, "POST", url+"/v1/generations/7:cancel", "", nil)
		if p := got.problem(t); got.status != 429 || !p.Retryable || got.header.Get("Retry-After") != "7" || !slices.Equal(p.Violated, []string{"in-flight"}) {
			t.Errorf("got %d %+v, %v", got.status, p, got.header)
		}
	})
}

func TestJSON(t *testing.T) {
	var asked *gatewayv1.CreateGenerationRequest
	var tenant string
	url := serve(t, &service{create: func(ctx context.Context, req *gatewayv1.CreateGenerationRequest) (*gatewayv1.Generation, error) {
		call, _ := jobqueue.CallFrom(ctx)
		asked, tenant = req, call.Tenant
		return &gatewayv1.Generation{Name: "generations/7", State: gatewayv1.State_STATE_QUEUED}, nil
	}})
	got := ask(t, "POST", url+"/v1/generations?requestId=r", "application/json",
		strings.NewReader(`{"prompt":"a hat","pictureCount":2,"style":{"data":"AQI="}}`), "Facestudio-Tenant", "acme")
	want := &gatewayv1.CreateGenerationRequest{RequestId: "r", Generation: &gatewayv1.Generation{
		Prompt: "a hat", PictureCount: new(int32(2)), Style: inline(1, 2),
	}}
	if got.status != 200 || !strings.Contains(got.body, `"STATE_QUEUED"`) || !proto.Equal(asked, want) || tenant != "acme" {
		t.Errorf("got %+v, asked %v for %q", got, asked, tenant)
	}
	if got := ask(t, "GET", url+"/v1/generations/7", "", nil); got.status != 200 || !strings.Contains(got.body, "STATE_RUNNING") {
		t.Errorf("got %+v", got)
	}
}

func inline(data ...byte) *mediav1.Picture {
	return &mediav1.Picture{Source: &mediav1.Picture_Data{Data: data}}
}

func TestPicture(t *testing.T) {
	url := serve(t, &service{}) + "/v1/generations/0123456789/pictures/2"
	got := ask(t, "GET", url, "", nil)
	if got.status != 200 || got.body != "bytes of generations/0123456789/pictures/2" || got.header.Get("Content-Type") != "image/jpeg" ||
		got.header.Get("Content-Disposition") != "inline; filename=facestudio-01234567-2.jpg" {
		t.Errorf("got %+v", got)
	}
	if again := ask(t, "GET", url, "", nil, "If-None-Match", got.header.Get("ETag")); again.status != 304 {
		t.Errorf("got %+v", again)
	}
	saved := ask(t, "GET", url+"?download", "", nil)
	if !strings.HasPrefix(saved.header.Get("Content-Disposition"), "attachment") {
		t.Errorf("got %+v", saved)
	}
}

func TestWatch(t *testing.T) {
	url := serve(t, &service{watch: func(req *gatewayv1.WatchGenerationRequest, to grpc.ServerStreamingServer[gatewayv1.WatchGenerationResponse]) error {
		switch req.GetName() {
		case "generations/none":
			return fault.New(fault.NotFound, faultv1.Reason_REASON_UNKNOWN_GENERATION, "name", "there is none")
		case "generations/lost":
			_ = to.Send(&gatewayv1.WatchGenerationResponse{})
			return fault.New(fault.Unavailable, faultv1.Reason_REASON_UNAVAILABLE, "", "stopping")
		case "generations/broken":
			_ = to.Send(&gatewayv1.WatchGenerationResponse{})
			return io.ErrUnexpectedEOF
		}
		g := &gatewayv1.Generation{Name: req.GetName()}
		if err := to.Send(&gatewayv1.WatchGenerationResponse{Number: req.GetAfter() + 1, Event: &gatewayv1.WatchGenerationResponse_Generation{Generation: g}}); err != nil {
			return err
		}
		p := &gatewayv1.ProgressEvent{Progress: &gatewayv1.Progress{Stage: "denoise"}, Preview: inline(1)}
		return to.Send(&gatewayv1.WatchGenerationResponse{Number: 9, Event: &gatewayv1.WatchGenerationResponse_Progress{Progress: p}})
	}}) + "/v1/generations/"
	got := ask(t, "GET", url+"7:watch", "", nil, "Last-Event-ID", "4")
	events := strings.ReplaceAll(got.body, `": `, `":`) // protojson's spaces are not stable
	want := "retry: 1000\n\n" +
		"event: generation\nid: 5\ndata: {\"name\":\"generations/7\"}\n\n" +
		"event: progress\nid: 9\ndata: {\"progress\":{\"stage\":\"denoise\"},\"preview\":{\"data\":\"AQ==\"}}\n\n" +
		"event: end\ndata: {}\n\n"
	if got.status != 200 || got.header.Get("Content-Type") != "text/event-stream" || strings.ReplaceAll(events, ", ", ",") != want {
		t.Errorf("got %d %q", got.status, got.body)
	}
	if got := ask(t, "GET", url+"none:watch", "", nil); got.status != 404 || got.problem(t).Reason != "UNKNOWN_GENERATION" {
		t.Errorf("got %+v", got)
	}
	if got := ask(t, "GET", url+"lost:watch", "", nil); strings.Contains(got.body, "end") || strings.Contains(got.body, "problem") {
		t.Errorf("a watch that was lost says %q", got.body)
	}
	if got := ask(t, "GET", url+"broken:watch", "", nil); !strings.Contains(got.body, "event: problem") {
		t.Errorf("a watch that failed says %q", got.body)
	}
}
