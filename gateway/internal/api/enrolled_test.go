package api_test

import (
	"context"
	"crypto/rand"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/facestudio/facestudio/gateway/internal/api"
	"github.com/facestudio/facestudio/gateway/internal/subject"
	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	gatewayv1 "github.com/facestudio/facestudio/proto/gen/facestudio/gateway/v1"
	mediav1 "github.com/facestudio/facestudio/proto/gen/facestudio/media/v1"
	"github.com/facestudio/facestudio/services/blob"
	"github.com/facestudio/facestudio/services/fault"
	"github.com/facestudio/facestudio/services/jobqueue"
)

func TestKeptPhotosGoWithTheirLastSubject(t *testing.T) {
	e := openSubjects(t)
	photos := album(t, 3)
	e.faces.wrong[string(photos[2])] = faultv1.Reason_REASON_FACE_BLURRED
	keep := func(photos ...[]byte) *gatewayv1.Subject {
		r := asking(photos...)
		r.Subject.KeepPhotos = true
		return e.enrol(t.Context(), t, r)
	}
	there := func(p *mediav1.Picture) bool {
		_, ok, err := e.blobs.Stored(t.Context(), "default", blob.Kept, p.GetBlob())
		if err != nil {
			t.Fatal(err)
		}
		return ok
	}
	one, two := keep(photos...), keep(photos[1])
	if len(one.GetPhotos()) != 2 || len(two.GetPhotos()) != 1 || !there(one.GetPhotos()[0]) || !there(one.GetPhotos()[1]) {
		t.Fatalf("kept %v and %v", one.GetPhotos(), two.GetPhotos())
	}
	removed, err := e.subjects.DeleteSubject(t.Context(), &gatewayv1.DeleteSubjectRequest{Name: one.GetName()})
	if err != nil || removed.GetName() != one.GetName() || removed.GetEmbeddings() != 1 || len(removed.GetPhotos()) != 1 || len(removed.GetSharedPhotos()) != 1 {
		t.Fatalf("removed %v, %v", removed, err)
	}
	if there(one.GetPhotos()[0]) || !there(two.GetPhotos()[0]) {
		t.Error("the wrong photo was removed")
	}
	if _, err := e.subjects.GetSubject(t.Context(), &gatewayv1.GetSubjectRequest{Name: one.GetName()}); !fault.Is(err, faultv1.Reason_REASON_UNKNOWN_SUBJECT) {
		t.Errorf("get after delete: %v", err)
	}
	if _, err := e.subjects.DeleteSubject(t.Context(), &gatewayv1.DeleteSubjectRequest{Name: one.GetName()}); !fault.Is(err, faultv1.Reason_REASON_UNKNOWN_SUBJECT) {
		t.Errorf("delete again: %v", err)
	}
	removed, err = e.subjects.DeleteSubject(t.Context(), &gatewayv1.DeleteSubjectRequest{Name: two.GetName()})
	if err != nil || len(removed.GetPhotos()) != 1 || there(two.GetPhotos()[0]) {
		t.Errorf("removed %v, %v", removed, err)
	}
}

func TestSubjectsExpire(t *testing.T) {
	e := openSubjects(t)
	photos := album(t, 2)
	r := asking(photos[0])
	r.Subject.KeepPhotos, r.Subject.Ttl = true, durationpb.New(time.Hour)
	s := e.enrol(t.Context(), t, r)
	stays := e.enrol(t.Context(), t, asking(photos[1]))
	if s.GetTtl() != nil || !s.GetExpireTime().AsTime().Equal(e.clock.Add(time.Hour)) {
		t.Errorf("it expires at %v", s.GetExpireTime().AsTime())
	}
	e.clock = e.clock.Add(59 * time.Minute)
	if n, err := e.remover.Expire(t.Context()); n != 0 || err != nil {
		t.Errorf("%d expired, %v", n, err)
	}
	if _, err := e.store.Get(t.Context(), keyOf(t, s)); err != nil {
		t.Error(err)
	}
	e.clock = e.clock.Add(time.Minute)
	if _, err := e.store.Get(t.Context(), keyOf(t, s)); !fault.Is(err, faultv1.Reason_REASON_UNKNOWN_SUBJECT) {
		t.Errorf("an expired one: %v", err)
	}
	if n, err := e.remover.Expire(t.Context()); n != 1 || err != nil {
		t.Errorf("%d expired, %v", n, err)
	}
	if _, there, _ := e.blobs.Stored(t.Context(), "default", blob.Kept, s.GetPhotos()[0].GetBlob()); there {
		t.Error("its photo is there")
	}
	if _, err := e.store.Get(t.Context(), keyOf(t, stays)); err != nil {
		t.Error(err)
	}
}

func TestThoseWhoUseASubjectLearnThatItIsGone(t *testing.T) {
	e := openSubjects(t)
	s := e.enrol(t.Context(), t, asking(album(t, 1)...))
	r := asking(album(t, 1)...)
	r.Subject.Ttl = durationpb.New(time.Hour)
	brief := e.enrol(t.Context(), t, r)
	e.clock = e.clock.Add(time.Hour - time.Millisecond)
	embeddings := subject.Embeddings{Store: e.store, FaceEncoder: faceEncoder}
	expired, err := embeddings.Gone(t.Context(), "default", brief.GetName())
	if err != nil {
		t.Fatal(err)
	}
	<-expired
	gone, err := embeddings.Gone(t.Context(), "default", s.GetName())
	if err != nil {
		t.Fatal(err)
	}
	select {
	case <-gone:
		t.Fatal("it is gone already")
	default:
	}
	if _, err := e.subjects.DeleteSubject(t.Context(), &gatewayv1.DeleteSubjectRequest{Name: s.GetName()}); err != nil {
		t.Fatal(err)
	}
	<-gone
	ctx, cancel := context.WithCancel(t.Context())
	other := e.enrol(t.Context(), t, asking(album(t, 1)...))
	ended, err := embeddings.Gone(ctx, "default", other.GetName())
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	<-ended
	for _, name := range []string{s.GetName(), "subjects/x"} {
		if _, err := embeddings.Gone(t.Context(), "default", name); !fault.Is(err, faultv1.Reason_REASON_UNKNOWN_SUBJECT) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestSubjectsOfOtherTenantsDoNotExist(t *testing.T) {
	e := openSubjects(t)
	r := asking(album(t, 1)...)
	r.Subject.KeepPhotos = true
	s := e.enrol(t.Context(), t, r)
	other := jobqueue.WithCall(t.Context(), jobqueue.Call{Tenant: "other"})
	_, get := e.subjects.GetSubject(other, &gatewayv1.GetSubjectRequest{Name: s.GetName()})
	_, remove := e.subjects.DeleteSubject(other, &gatewayv1.DeleteSubjectRequest{Name: s.GetName()})
	embeddings := subject.Embeddings{Store: e.store, FaceEncoder: faceEncoder}
	_, embed := embeddings.Embedding(other, "other", s.GetName())
	for method, err := range map[string]error{"get": get, "delete": remove, "embedding": embed} {
		if !fault.Is(err, faultv1.Reason_REASON_UNKNOWN_SUBJECT) {
			t.Errorf("%s got %v", method, err)
		}
	}
	list, err := e.subjects.ListSubjects(other, &gatewayv1.ListSubjectsRequest{})
	if err != nil || len(list.GetSubjects()) != 0 {
		t.Errorf("listed %v, %v", list, err)
	}
	stolen := asking()
	stolen.Subject.Photos = s.GetPhotos()
	if _, err := e.subjects.CreateSubject(other, stolen); !fault.Is(err, faultv1.Reason_REASON_BLOB_MISSING) {
		t.Errorf("another tenant's photo by digest got %v", err)
	}
	if again := e.enrol(t.Context(), t, stolen); again.GetUsedPhotoCount() != 1 {
		t.Errorf("one's own photo by digest: %v", again)
	}
	naming := &gatewayv1.Generation{Prompt: "smiling", Subjects: []*gatewayv1.GenerationSubject{{Subject: s.GetName()}}}
	service := api.New(e.records, e.blobs, api.Settings{
		Bundle: served, Manifest: e.manifest, Now: time.Now, Random: rand.Reader,
		CheckEnrolled: func(ctx context.Context, tenant, name string) error {
			_, err := embeddings.Embedding(ctx, tenant, name)
			return err
		},
	})
	_, err = service.CreateGeneration(other, &gatewayv1.CreateGenerationRequest{Generation: naming})
	if f := fault.From(err); f == nil || f.Reason != faultv1.Reason_REASON_UNKNOWN_SUBJECT || f.Field != "subjects[0].subject" {
		t.Errorf("a generation that names it got %+v", f)
	}
	if _, err := service.CreateGeneration(t.Context(), &gatewayv1.CreateGenerationRequest{Generation: naming}); err != nil {
		t.Errorf("one's own got %v", err)
	}
}

func TestSubjectPages(t *testing.T) {
	e := openSubjects(t)
	var want []string
	for range 5 {
		e.clock = e.clock.Add(time.Second)
		want = append([]string{e.enrol(t.Context(), t, asking(album(t, 1)...)).GetName()}, want...)
	}
	var got []string
	for token := ""; ; {
		page, err := e.subjects.ListSubjects(t.Context(), &gatewayv1.ListSubjectsRequest{PageSize: 2, PageToken: token})
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range page.GetSubjects() {
			got = append(got, s.GetName())
		}
		if token = page.GetNextPageToken(); token == "" {
			break
		}
	}
	if strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("listed %v, want %v", got, want)
	}
	for field, req := range map[string]*gatewayv1.ListSubjectsRequest{"page_size": {PageSize: -1}, "page_token": {PageToken: "bm9uc2Vuc2U"}} {
		if _, err := e.subjects.ListSubjects(t.Context(), req); err == nil || fault.From(err).Field != field {
			t.Errorf("a bad %s got %v", field, err)
		}
	}
	for _, name := range []string{"", "7", "subjects/../x", "generations/0123456789abcdefghijklmnop"} {
		if _, err := e.subjects.GetSubject(t.Context(), &gatewayv1.GetSubjectRequest{Name: name}); err == nil || fault.From(err).Field != "name" || fault.From(err).Kind != fault.Invalid {
			t.Errorf("name %q got %v", name, err)
		}
	}
}
