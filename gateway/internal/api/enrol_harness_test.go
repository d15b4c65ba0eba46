package api_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"log/slog"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"

	"github.com/facestudio/facestudio/gateway/internal/api"
	"github.com/facestudio/facestudio/gateway/internal/record"
	"github.com/facestudio/facestudio/gateway/internal/subject"
	"github.com/facestudio/facestudio/gateway/internal/tenant"
	encoderv1 "github.com/facestudio/facestudio/proto/gen/facestudio/encoder/v1"
	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	gatewayv1 "github.com/facestudio/facestudio/proto/gen/facestudio/gateway/v1"
	mediav1 "github.com/facestudio/facestudio/proto/gen/facestudio/media/v1"
	"github.com/facestudio/facestudio/services/fault"
	"github.com/facestudio/facestudio/services/imaging"
	"github.com/facestudio/facestudio/services/jobqueue"
	"github.com/facestudio/facestudio/services/tensor"
	"github.com/facestudio/facestudio/services/testkit"
)

// faces is an encoder that knows photos by their bytes: who is on them, or what
// is wrong with them. Photos that it does not know show person 0.
type faces struct {
	encoderv1.EncoderServiceClient
	blobs *countingBlobs
	of    map[string]int
	wrong map[string]faultv1.Reason

	// lost is how many calls find a photo gone.
	lost int

	mu       sync.Mutex
	requests []*encoderv1.EmbedFacesRequest
	calls    []jobqueue.Call
	// forgotten is how many requests may no longer be remembered.
	forgotten int
}

func (f *faces) EmbedFaces(ctx context.Context, req *encoderv1.EmbedFacesRequest, _ ...grpc.CallOption) (*encoderv1.EmbedFacesResponse, error) {
	call, _ := jobqueue.CallFrom(ctx)
	f.mu.Lock()
	f.requests, f.calls = append(f.requests, req), append(f.calls, call)
	lost := len(f.requests) <= f.lost
	f.mu.Unlock()
	if lost {
		return nil, fault.New(fault.Precondition, faultv1.Reason_REASON_BLOB_MISSING, "photos[0]", "it is gone: store it again")
	}
	out := new(encoderv1.EmbedFacesResponse)
	for _, photo := range req.GetPhotos() {
		data, err := f.blobs.Get(ctx, call.Tenant, photo.GetBlob())
		if err != nil {
			return nil, err
		}
		face := &encoderv1.EmbeddedFace{Figures: &encoderv1.FaceFigures{FacePixels: 70, Sharpness: 0.6, Brightness: 0.7, Yaw: new(float32(3))}}
		if reason, bad := f.wrong[string(data)]; bad {
			face.Fault = &faultv1.Fault{Reason: reason, Message: "it is bad: send a better one", Field: "photos[7]"}
		} else {
			v := make([]float32, 4)
			v[f.of[string(data)]] = 1
			t, err := tensor.From(v, 4)
			if err != nil {
				return nil, err
			}
			face.Embedding = tensor.ToProto(t)
		}
		out.Faces = append(out.Faces, face)
	}
	return out, nil
}

func (f *faces) forget(context.Context, string, any) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.forgotten++
	return nil
}

// dropped holds the photos that were let go.
type dropped struct {
	mu     sync.Mutex
	photos []*mediav1.Blob
}

func (d *dropped) add(_ string, photos []*mediav1.Blob) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.photos = append(d.photos, photos...)
}

func (d *dropped) list() []*mediav1.Blob {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.photos
}

// enrolling is SubjectService over a real nats-server and a store in memory.
type enrolling struct {
	*harness
	faces    *faces
	store    *subject.Store
	remover  *subject.Remover
	subjects *api.Subjects
	clock    time.Time
	dropped  dropped
}

const faceEncoder = "face-encoder"

func openSubjects(t *testing.T) *enrolling {
	t.Helper()
	e := &enrolling{harness: open(t), clock: time.Now().Truncate(time.Microsecond).UTC()}
	documents, err := e.queue.Documents(t.Context(), subject.Kind)
	if err != nil {
		t.Fatal(err)
	}
	now := func() time.Time { return e.clock }
	e.faces = &faces{blobs: e.blobs, of: map[string]int{}, wrong: map[string]faultv1.Reason{}}
	e.store = subject.NewStore(documents, now)
	erasures, err := e.queue.DocumentsUpTo(t.Context(), subject.ErasureKind, subject.ErasureBytes)
	if err != nil {
		t.Fatal(err)
	}
	e.remover = &subject.Remover{
		Store: e.store, Blobs: e.blobs, Erasures: erasures, Generations: record.New(e.queue, now), Work: e.queue,
		Log: slog.New(slog.DiscardHandler),
	}
	e.limit(tenant.Default())
	return e
}

// limit serves the subjects with the limits for every tenant.
func (e *enrolling) limit(l tenant.Limits) {
	e.subjects = api.NewSubjects(api.SubjectsSettings{
		Settings: api.Settings{
			CheckPicture: func(_ string, data []byte) error { return imaging.Check(data, imaging.Limits{}) },
			Limits:       func(string) tenant.Limits { return l },
			FetchPicture: e.fetch,
			Now:          func() time.Time { return e.clock }, Random: rand.Reader, Sign: e.queue.Sign,
		},
		People:      e.store,
		Looker:      &subject.Looker{Encoder: e.faces, Forget: e.faces.forget, Bundle: served},
		Remover:     e.remover,
		Blobs:       e.blobs,
		Drop:        e.dropped.add,
		FaceEncoder: faceEncoder,
	})
}

// album is n different photos.
func album(t *testing.T, n int) [][]byte {
	t.Helper()
	all := testkit.ExampleFaces(t)
	if n > len(all) {
		t.Fatalf("there are %d examples", len(all))
	}
	return all[:n]
}

func asking(photos ...[]byte) *gatewayv1.CreateSubjectRequest {
	s := &gatewayv1.Subject{DisplayName: "Ada", Consent: "form 7", Labels: map[string]string{"team": "a"}}
	for _, data := range photos {
		s.Photos = append(s.Photos, inline(data))
	}
	return &gatewayv1.CreateSubjectRequest{Subject: s}
}

func (e *enrolling) enrol(ctx context.Context, t *testing.T, req *gatewayv1.CreateSubjectRequest) *gatewayv1.Subject {
	t.Helper()
	s, err := e.subjects.CreateSubject(ctx, req)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func slicesOf(data []byte, n int) [][]byte {
	out := make([][]byte, n)
	for i := range out {
		out[i] = bytes.Clone(data)
	}
	return out
}

func keyOf(t *testing.T, s *gatewayv1.Subject) jobqueue.RecordKey {
	t.Helper()
	id, ok := subject.ParseName(s.GetName())
	if !ok {
		t.Fatalf("%q is no name", s.GetName())
	}
	return jobqueue.RecordKey{Tenant: "default", ID: id}
}

type awayEncoder struct {
	encoderv1.EncoderServiceClient
	err error
}

func (a *awayEncoder) EmbedFaces(context.Context, *encoderv1.EmbedFacesRequest, ...grpc.CallOption) (*encoderv1.EmbedFacesResponse, error) {
	return nil, a.err
}
