package api_test

import (
	"context"
	"crypto/rand"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/facestudio/facestudio/gateway/internal/api"
	"github.com/facestudio/facestudio/gateway/internal/record"
	"github.com/facestudio/facestudio/gateway/internal/tenant"
	gatewayv1 "github.com/facestudio/facestudio/proto/gen/facestudio/gateway/v1"
	mediav1 "github.com/facestudio/facestudio/proto/gen/facestudio/media/v1"
	"github.com/facestudio/facestudio/services/blob"
	"github.com/facestudio/facestudio/services/bundle"
	"github.com/facestudio/facestudio/services/imaging"
	"github.com/facestudio/facestudio/services/jobqueue"
	"github.com/facestudio/facestudio/services/jobqueue/embedded"
	"github.com/facestudio/facestudio/services/testkit"
	"github.com/facestudio/facestudio/services/testkit/scratch"
)

// served is the digest of the bundle that the harness serves.
const served = "d1ge57"

// harness is the service over a real nats-server and a store in memory.
type harness struct {
	nc       *nats.Conn
	service  *api.Service
	queue    *jobqueue.Queue
	records  *record.Store
	blobs    *countingBlobs
	manifest *bundle.Manifest
	line     api.Line
	limits   func(string) tenant.Limits
	pictures *jobqueue.Counters
	now      func() time.Time
	fetch    func(context.Context, string, int) ([]byte, error)
}

// countingBlobs counts what is stored.
type countingBlobs struct {
	*blob.Store
	puts atomic.Int64
}

func (c *countingBlobs) Put(ctx context.Context, tenant, retention string, data []byte, mediaType string) (*mediav1.Blob, error) {
	c.puts.Add(1)
	return c.Store.Put(ctx, tenant, retention, data, mediaType)
}

func open(t *testing.T) *harness {
	t.Helper()
	server, err := embedded.Start(t.Context(), embedded.Settings{Dir: scratch.Dir(t)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	nc, err := server.Connect()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	q, err := jobqueue.Open(t.Context(), nc, jobqueue.Settings{MaxBytes: 64 << 20})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(q.Close)
	blobs, err := blob.Open(t.Context(), "mem://", testkit.Ring(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = blobs.Close() })
	h := &harness{nc: nc, queue: q, records: record.New(q, time.Now), blobs: &countingBlobs{Store: blobs}, manifest: manifest(), now: time.Now}
	if h.pictures, err = q.Counters(t.Context(), "pictures", time.Hour); err != nil {
		t.Fatal(err)
	}
	h.service = h.serve(h.blobs)
	return h
}

func (h *harness) serve(blobs api.Blobs) *api.Service {
	return api.New(h.records, blobs, api.Settings{
		Bundle:       served,
		Manifest:     h.manifest,
		CheckPicture: func(_ string, data []byte) error { return imaging.Check(data, imaging.Limits{}) },
		Line:         h.line,
		Limits:       h.limits,
		Pictures:     h.pictures,
		FetchPicture: h.fetch,
		Now:          h.now,
		Sign:         h.queue.Sign,
		Random:       rand.Reader,
	})
}

// request is a good request with a style picture and a prompt.
func request(t *testing.T) *gatewayv1.Generation {
	t.Helper()
	faces := testkit.ExampleFaces(t)
	return &gatewayv1.Generation{
		Subjects: []*gatewayv1.GenerationSubject{{Name: "ada", Photos: []*mediav1.Picture{inline(faces[0])}}},
		Style:    inline(faces[1]),
		Prompt:   "smiling",
	}
}

func (h *harness) create(ctx context.Context, t *testing.T, req *gatewayv1.CreateGenerationRequest) *gatewayv1.Generation {
	t.Helper()
	g, err := h.service.CreateGeneration(ctx, req)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// work runs do for every claim until the test ends.
func (h *harness) work(t *testing.T, do func(context.Context, *jobqueue.Claim) error) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		done <- h.queue.Records().Work(ctx, jobqueue.WorkSettings{Bundle: served, Grace: time.Millisecond, Backoff: time.Millisecond}, do)
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// finish ends a claim as change says.
func finish(ctx context.Context, c *jobqueue.Claim, change func(*gatewayv1.Generation)) error {
	g, err := record.Decode(c.Value())
	if err != nil {
		return err
	}
	change(g)
	value, err := record.Encode(g)
	if err != nil {
		return err
	}
	return c.Finish(ctx, value)
}

// generationKey is the record of a generation of the default tenant.
func generationKey(t *testing.T, g *gatewayv1.Generation) jobqueue.RecordKey {
	t.Helper()
	id, ok := record.ParseName(g.GetName())
	if !ok {
		t.Fatalf("%q is no name", g.GetName())
	}
	return jobqueue.RecordKey{Tenant: "default", ID: id}
}
