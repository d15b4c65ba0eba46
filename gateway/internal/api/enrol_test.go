package api_test

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/facestudio/facestudio/gateway/internal/subject"
	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	gatewayv1 "github.com/facestudio/facestudio/proto/gen/facestudio/gateway/v1"
	mediav1 "github.com/facestudio/facestudio/proto/gen/facestudio/media/v1"
	"github.com/facestudio/facestudio/services/fault"
	"github.com/facestudio/facestudio/services/jobqueue"
)

func TestEnrol(t *testing.T) {
	e := openSubjects(t)
	photos := album(t, 3)
	req := asking(photos...)
	req.Subject.Name, req.Subject.FaceEncoder = "subjects/mine", "mine"
	before := proto.CloneOf(req)
	s := e.enrol(t.Context(), t, req)
	if !proto.Equal(req, before) {
		t.Error("the request was changed")
	}
	if _, ok := subject.ParseName(s.GetName()); !ok || s.GetFaceEncoder() != faceEncoder || s.GetDisplayName() != "Ada" ||
		s.GetConsent() != "form 7" || s.GetLabels()["team"] != "a" || s.GetUsedPhotoCount() != 3 || s.GetExpireTime() != nil {
		t.Errorf("got %v", s)
	}
	if len(s.GetPhotos()) != 0 || len(e.dropped.list()) != 3 {
		t.Errorf("%d photos are kept, %d dropped", len(s.GetPhotos()), len(e.dropped.list()))
	}
	for i, v := range s.GetPhotoVerdicts() {
		f := v.GetFigures()
		if !v.GetUsed() || v.GetPhoto() != subject.Field(i) || f.GetFacePixels() != 70 || f.GetSimilarity() != 1 || f.GetYaw() != 3 {
			t.Errorf("verdict %d is %v", i, v)
		}
	}
	if e.faces.forgotten != 1 || !e.faces.requests[0].GetStrict() || e.faces.calls[0].Tenant != "default" {
		t.Errorf("forgotten %d, asked %v by %v", e.faces.forgotten, e.faces.requests[0].GetStrict(), e.faces.calls[0])
	}
	got, err := e.subjects.GetSubject(t.Context(), &gatewayv1.GetSubjectRequest{Name: s.GetName()})
	if err != nil || !proto.Equal(got, s) {
		t.Errorf("stored %v, %v", got, err)
	}
	embeddings := subject.Embeddings{Store: e.store, FaceEncoder: faceEncoder}
	if v, err := embeddings.Embedding(t.Context(), "default", s.GetName()); err != nil || len(v) != 4 || v[0] != 1 {
		t.Errorf("embedding %v, %v", v, err)
	}
	embeddings.FaceEncoder = "another"
	if _, err := embeddings.Embedding(t.Context(), "default", s.GetName()); !fault.Is(err, faultv1.Reason_REASON_BUNDLE_MISMATCH) {
		t.Errorf("another face encoder got %v", err)
	}
}

func TestEveryPhotoOfASubjectGetsItsVerdict(t *testing.T) {
	const none = faultv1.Reason_REASON_UNSPECIFIED
	photos := album(t, 6)
	text, cut := []byte(strings.Repeat("no picture", 10)), photos[5][:100]
	tests := map[string]struct {
		photos [][]byte
		set    func(*faces)
		want   []faultv1.Reason
	}{
		"one bad photo of five": {
			photos[:5], func(f *faces) { f.wrong[string(photos[2])] = faultv1.Reason_REASON_FACE_BLURRED },
			[]faultv1.Reason{none, none, faultv1.Reason_REASON_FACE_BLURRED, none, none},
		},
		"one of each": {
			photos, func(f *faces) {
				f.wrong[string(photos[0])] = faultv1.Reason_REASON_NO_FACE_FOUND
				f.wrong[string(photos[1])] = faultv1.Reason_REASON_SEVERAL_FACES_FOUND
				f.wrong[string(photos[2])] = faultv1.Reason_REASON_FACE_TOO_SMALL
				f.wrong[string(photos[3])] = faultv1.Reason_REASON_FACE_TOO_DARK
				f.wrong[string(photos[4])] = faultv1.Reason_REASON_FACE_TURNED_AWAY
			},
			[]faultv1.Reason{
				faultv1.Reason_REASON_NO_FACE_FOUND, faultv1.Reason_REASON_SEVERAL_FACES_FOUND, faultv1.Reason_REASON_FACE_TOO_SMALL,
				faultv1.Reason_REASON_FACE_TOO_DARK, faultv1.Reason_REASON_FACE_TURNED_AWAY, none,
			},
		},
		"somebody else": {
			photos[:4], func(f *faces) { f.of[string(photos[1])] = 2 },
			[]faultv1.Reason{none, faultv1.Reason_REASON_NOT_SAME_PERSON, none, none},
		},
		"100 bytes and a text": {
			[][]byte{cut, photos[0], text, {}}, func(*faces) {},
			[]faultv1.Reason{faultv1.Reason_REASON_UNSUPPORTED_IMAGE, none, faultv1.Reason_REASON_UNSUPPORTED_IMAGE, faultv1.Reason_REASON_UNSUPPORTED_IMAGE},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			e := openSubjects(t)
			test.set(e.faces)
			s := e.enrol(t.Context(), t, asking(test.photos...))
			used := 0
			for i, v := range s.GetPhotoVerdicts() {
				if v.GetFault().GetReason() != test.want[i] || v.GetUsed() != (test.want[i] == none) {
					t.Errorf("photo %d: %v, want %v", i, v, test.want[i])
				}
				if f := v.GetFault(); f != nil && (f.GetField() != subject.Field(i) || f.GetMessage() == "") {
					t.Errorf("photo %d: fault %v", i, f)
				}
				if v.GetUsed() {
					used++
				}
			}
			if len(s.GetPhotoVerdicts()) != len(test.want) || int(s.GetUsedPhotoCount()) != used {
				t.Errorf("%d verdicts, %d used", len(s.GetPhotoVerdicts()), s.GetUsedPhotoCount())
			}
		})
	}
}

func TestSubjectsWithoutAUsablePhoto(t *testing.T) {
	e := openSubjects(t)
	photos := album(t, 3)
	e.faces.wrong[string(photos[0])] = faultv1.Reason_REASON_NO_FACE_FOUND
	e.faces.wrong[string(photos[1])] = faultv1.Reason_REASON_FACE_BLURRED
	req := asking(photos[0], photos[1], photos[2][:100])
	_, err := e.subjects.CreateSubject(t.Context(), req)
	f := fault.From(err)
	if f == nil || f.Kind != fault.Invalid || f.Reason != faultv1.Reason_REASON_NO_FACE_FOUND || f.Field != "photos[0]" || len(f.Others) != 2 {
		t.Fatalf("got %+v", f)
	}
	if o := f.Others[1]; o.GetReason() != faultv1.Reason_REASON_UNSUPPORTED_IMAGE || o.GetField() != "photos[2]" {
		t.Errorf("the last photo's is %v", o)
	}
	two := asking(photos[2], album(t, 4)[3])
	e.faces.of[string(photos[2])] = 1
	if _, err := e.subjects.CreateSubject(t.Context(), two); !fault.Is(err, faultv1.Reason_REASON_NOT_SAME_PERSON) {
		t.Errorf("two people got %v", err)
	}
	req.ValidateOnly = true
	s := e.enrol(t.Context(), t, req)
	if s.GetName() != "" || s.GetUsedPhotoCount() != 0 || len(s.GetPhotoVerdicts()) != 3 {
		t.Errorf("validated %v", s)
	}
	if list, err := e.store.List(t.Context(), "default"); err != nil || len(list) != 0 {
		t.Errorf("stored %v, %v", list, err)
	}
}

func TestBadSubjects(t *testing.T) {
	e := openSubjects(t)
	good := album(t, 1)[0]
	for name, test := range map[string]struct {
		change func(*gatewayv1.CreateSubjectRequest)
		reason faultv1.Reason
		field  string
	}{
		"nothing":   {func(r *gatewayv1.CreateSubjectRequest) { r.Subject = nil }, faultv1.Reason_REASON_INVALID_FIELD, "photos"},
		"33 photos": {func(r *gatewayv1.CreateSubjectRequest) { r.Subject = asking(slicesOf(good, 33)...).GetSubject() }, faultv1.Reason_REASON_INVALID_FIELD, "photos"},
		"an unset photo": {func(r *gatewayv1.CreateSubjectRequest) {
			r.Subject.Photos = append(r.Subject.Photos, &mediav1.Picture{})
		}, faultv1.Reason_REASON_INVALID_FIELD, "photos[1]"},
		"a photo that is not stored": {func(r *gatewayv1.CreateSubjectRequest) {
			r.Subject.Photos[0] = &mediav1.Picture{Source: &mediav1.Picture_Blob{Blob: &mediav1.Blob{Sha256: strings.Repeat("0", 64), Size: 5}}}
		}, faultv1.Reason_REASON_BLOB_MISSING, "photos[0]"},
		"a long name":      {func(r *gatewayv1.CreateSubjectRequest) { r.Subject.DisplayName = strings.Repeat("a", 64) }, faultv1.Reason_REASON_INVALID_FIELD, "display_name"},
		"a long reference": {func(r *gatewayv1.CreateSubjectRequest) { r.Subject.Consent = strings.Repeat("a", 201) }, faultv1.Reason_REASON_INVALID_FIELD, "consent"},
		"an empty label":   {func(r *gatewayv1.CreateSubjectRequest) { r.Subject.Labels = map[string]string{"": "a"} }, faultv1.Reason_REASON_INVALID_FIELD, "labels"},
		"no time":          {func(r *gatewayv1.CreateSubjectRequest) { r.Subject.Ttl = durationpb.New(0) }, faultv1.Reason_REASON_INVALID_FIELD, "ttl"},
		"yesterday": {func(r *gatewayv1.CreateSubjectRequest) {
			r.Subject.ExpireTime = timestamppb.New(e.clock.Add(-time.Hour))
		}, faultv1.Reason_REASON_INVALID_FIELD, "expire_time"},
		"two ends": {func(r *gatewayv1.CreateSubjectRequest) {
			r.Subject.Ttl, r.Subject.ExpireTime = durationpb.New(time.Hour), timestamppb.New(e.clock.Add(time.Hour))
		}, faultv1.Reason_REASON_INVALID_FIELD, "ttl"},
		"no UUID": {func(r *gatewayv1.CreateSubjectRequest) { r.RequestId = "7" }, faultv1.Reason_REASON_INVALID_FIELD, "request_id"},
	} {
		t.Run(name, func(t *testing.T) {
			req := asking(good)
			test.change(req)
			_, err := e.subjects.CreateSubject(t.Context(), req)
			if f := fault.From(err); f == nil || f.Reason != test.reason || f.Field != test.field {
				t.Errorf("got %+v", f)
			}
		})
	}
	if len(e.faces.requests) != 0 || e.blobs.puts.Load() != 0 {
		t.Errorf("%d calls, %d photos stored", len(e.faces.requests), e.blobs.puts.Load())
	}
}

func TestRepeatedEnrolmentsGetTheFirstSubject(t *testing.T) {
	const id = "6f1ed1f5-0c4e-4b0b-9d4c-0a4c9d8e7f60"
	e := openSubjects(t)
	photos := album(t, 2)
	ask := func(photos ...[]byte) *gatewayv1.CreateSubjectRequest {
		r := asking(photos...)
		r.RequestId = id
		return r
	}
	first := e.enrol(t.Context(), t, ask(photos[0]))
	if again := e.enrol(t.Context(), t, ask(photos[0])); !proto.Equal(first, again) {
		t.Errorf("got %v, want %v", again, first)
	}
	if len(e.faces.requests) != 1 {
		t.Errorf("the photos were looked at %d times", len(e.faces.requests))
	}
	if _, err := e.subjects.CreateSubject(t.Context(), ask(photos[1])); !fault.Is(err, faultv1.Reason_REASON_REQUEST_ID_REUSED) {
		t.Errorf("another photo got %v", err)
	}
	other := jobqueue.WithCall(t.Context(), jobqueue.Call{Tenant: "other"})
	if s := e.enrol(other, t, ask(photos[0])); s.GetName() == first.GetName() {
		t.Error("tenants share a request id")
	}
	var names sync.Map
	var together sync.WaitGroup
	for range 6 {
		together.Go(func() {
			r := ask(photos[0])
			r.RequestId = "7" + id[1:]
			s, err := e.subjects.CreateSubject(t.Context(), r)
			if err != nil {
				t.Error(err)
				return
			}
			names.Store(s.GetName(), true)
		})
	}
	together.Wait()
	n := 0
	names.Range(func(any, any) bool { n++; return true })
	if n != 1 {
		t.Errorf("requests at once made %d subjects", n)
	}
}

func TestAnEncoderThatIsAway(t *testing.T) {
	away := &awayEncoder{err: fault.New(fault.Unavailable, faultv1.Reason_REASON_UNAVAILABLE, "", "it is away; retry")}
	looker := &subject.Looker{Encoder: away}
	_, err := looker.Look(t.Context(), []subject.Photo{{Picture: inline(album(t, 1)[0])}})
	if f := fault.From(err); f == nil || !f.Retryable {
		t.Errorf("got %+v", f)
	}
	away.err = fault.InvalidField("photos[0]", "our mistake")
	_, err = looker.Look(t.Context(), []subject.Photo{{Picture: inline(album(t, 1)[0])}})
	if f := fault.From(err); f == nil || f.Kind != fault.Internal {
		t.Errorf("got %+v", f)
	}
	seen, err := looker.Look(t.Context(), []subject.Photo{{Fault: errors.New("broken")}})
	if err != nil || seen.Embedding != nil {
		t.Errorf("got %v, %v", seen, err)
	}
}

func TestPhotosThatAreGoneAreStoredAgain(t *testing.T) {
	e := openSubjects(t)
	e.faces.lost = 2
	photo := album(t, 1)[0]
	if s := e.enrol(t.Context(), t, asking(photo)); s.GetUsedPhotoCount() != 1 || e.blobs.puts.Load() != 3 || e.faces.forgotten != 3 {
		t.Errorf("stored %d times, forgotten %d times: %v", e.blobs.puts.Load(), e.faces.forgotten, s)
	}
	e.faces.lost = 100
	if _, err := e.subjects.CreateSubject(t.Context(), asking(photo)); !fault.Is(err, faultv1.Reason_REASON_BLOB_MISSING) {
		t.Errorf("got %v", err)
	}
}
