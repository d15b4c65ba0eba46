package api_test

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/facestudio/facestudio/gateway/internal/record"
	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	gatewayv1 "github.com/facestudio/facestudio/proto/gen/facestudio/gateway/v1"
	"github.com/facestudio/facestudio/services/blob"
	"github.com/facestudio/facestudio/services/fault"
	"github.com/facestudio/facestudio/services/imaging"
	"github.com/facestudio/facestudio/services/jobqueue"
	"github.com/facestudio/facestudio/services/provenance"
	"github.com/facestudio/facestudio/services/seal"
)

// shown creates a generation of an enrolled subject and a call that is made for
// it.
func (e *enrolling) shown(t *testing.T, s *gatewayv1.Subject) (*gatewayv1.Generation, []byte) {
	t.Helper()
	g := request(t)
	g.Subjects = []*gatewayv1.GenerationSubject{{Name: "my sister", Subject: s.GetName()}}
	g = e.create(t.Context(), t, &gatewayv1.CreateGenerationRequest{Generation: g})
	id, _ := record.ParseName(g.GetName())
	call, err := e.queue.Ring().Seal(t.Context(), jobqueue.WorkScope("default", id), seal.Place{}, []byte("an embedding"))
	if err != nil {
		t.Fatal(err)
	}
	return g, call
}

func (e *enrolling) cancelled(t *testing.T, g *gatewayv1.Generation) {
	t.Helper()
	if _, err := e.service.CancelGeneration(t.Context(), &gatewayv1.CancelGenerationRequest{Name: g.GetName()}); err != nil {
		t.Fatal(err)
	}
}

// unnamed checks that nothing of a subject is in its generation any more.
func (e *enrolling) unnamed(t *testing.T, g *gatewayv1.Generation, s *gatewayv1.Subject) {
	t.Helper()
	got, err := e.service.GetGeneration(t.Context(), &gatewayv1.GetGenerationRequest{Name: g.GetName()})
	if err != nil {
		t.Fatal(err)
	}
	want := &gatewayv1.GenerationSubject{Subject: record.Deleted}
	if len(got.GetSubjects()) != 1 || protojson.Format(got.GetSubjects()[0]) != protojson.Format(want) {
		t.Errorf("it shows %v", got.GetSubjects())
	}
	if got.GetState() != gatewayv1.State_STATE_CANCELLED || got.GetPrompt() != "" || len(got.GetLabels()) != 0 || got.GetSeed() != g.GetSeed() || !got.GetCreateTime().AsTime().Equal(g.GetCreateTime().AsTime()) {
		t.Errorf("more is gone, or less, than what tells of %s: %v", s.GetName(), got)
	}
}

func TestDeletingReachesGenerations(t *testing.T) {
	e := openSubjects(t)
	s := e.enrol(t.Context(), t, asking(album(t, 1)...))
	other := e.enrol(t.Context(), t, asking(album(t, 1)...))
	ended, call := e.shown(t, s)
	e.cancelled(t, ended)
	underWay, _ := e.shown(t, s)
	strangers, theirs := e.shown(t, other)
	e.cancelled(t, strangers)
	removed, err := e.subjects.DeleteSubject(t.Context(), &gatewayv1.DeleteSubjectRequest{Name: s.GetName()})
	if err != nil {
		t.Fatal(err)
	}
	if removed.GetEmbeddings() != 1 || removed.GetDataKeys() != 3 ||
		!slices.Equal(removed.GetGenerations(), []string{ended.GetName()}) ||
		!slices.Equal(removed.GetEndingGenerations(), []string{underWay.GetName()}) {
		t.Errorf("removed %v", removed)
	}
	e.unnamed(t, ended, s)
	if got, _, err := e.queue.Ring().Open(t.Context(), "default", seal.Place{}, call); !errors.Is(err, seal.ErrDestroyed) {
		t.Errorf("what a stage was told is still %q, %v", got, err)
	}
	if got, _, err := e.queue.Ring().Open(t.Context(), "default", seal.Place{}, theirs); err != nil {
		t.Errorf("another person's work is gone too: %q, %v", got, err)
	}
	// The deletion is not over while a generation is under way.
	again, err := e.subjects.DeleteSubject(t.Context(), &gatewayv1.DeleteSubjectRequest{Name: s.GetName()})
	if err != nil || again.GetEmbeddings() != 0 || len(again.GetEndingGenerations()) != 1 {
		t.Errorf("removed again %v, %v", again, err)
	}
	e.cancelled(t, underWay)
	if err := e.remover.Finish(t.Context()); err != nil {
		t.Fatal(err)
	}
	e.unnamed(t, underWay, s)
	if _, err := e.subjects.DeleteSubject(t.Context(), &gatewayv1.DeleteSubjectRequest{Name: s.GetName()}); !fault.Is(err, faultv1.Reason_REASON_UNKNOWN_SUBJECT) {
		t.Errorf("at last got %v", err)
	}
}

// broken fails at a step of a deletion, once.
type broken struct {
	*jobqueue.Queue
	failed bool
}

func (b *broken) ForgetWork(ctx context.Context, key jobqueue.RecordKey) (bool, error) {
	if !b.failed {
		b.failed = true
		return false, errors.New("the process was killed")
	}
	return b.Queue.ForgetWork(ctx, key)
}

func TestABrokenDeletionGoesOn(t *testing.T) {
	for name, again := range map[string]func(*testing.T, *enrolling, *gatewayv1.Subject){
		"by itself": func(t *testing.T, e *enrolling, _ *gatewayv1.Subject) {
			t.Helper()
			if err := e.remover.Finish(t.Context()); err != nil {
				t.Fatal(err)
			}
		},
		"by its caller": func(t *testing.T, e *enrolling, s *gatewayv1.Subject) {
			t.Helper()
			removed, err := e.subjects.DeleteSubject(t.Context(), &gatewayv1.DeleteSubjectRequest{Name: s.GetName()})
			if err != nil || removed.GetDataKeys() != 1 {
				t.Fatalf("removed %v, %v", removed, err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			e := openSubjects(t)
			r := asking(album(t, 1)...)
			r.Subject.KeepPhotos = true
			s := e.enrol(t.Context(), t, r)
			g, call := e.shown(t, s)
			e.cancelled(t, g)
			e.remover.Work = &broken{Queue: e.queue}
			if _, err := e.subjects.DeleteSubject(t.Context(), &gatewayv1.DeleteSubjectRequest{Name: s.GetName()}); err == nil {
				t.Fatal("it did not break")
			}
			if _, err := e.subjects.GetSubject(t.Context(), &gatewayv1.GetSubjectRequest{Name: s.GetName()}); !fault.Is(err, faultv1.Reason_REASON_UNKNOWN_SUBJECT) {
				t.Errorf("the subject is there: %v", err)
			}
			again(t, e, s)
			e.unnamed(t, g, s)
			if _, there, err := e.blobs.Stored(t.Context(), "default", blob.Kept, s.GetPhotos()[0].GetBlob()); there || err != nil {
				t.Errorf("the photo is there: %v, %v", there, err)
			}
			if got, _, err := e.queue.Ring().Open(t.Context(), "default", seal.Place{}, call); !errors.Is(err, seal.ErrDestroyed) {
				t.Errorf("what a stage was told is still %q, %v", got, err)
			}
		})
	}
}

// Results stay, and tell nobody any more who is in them and what was asked for.
func TestResultsOfADeletedSubjectTellNothing(t *testing.T) {
	e := openSubjects(t)
	s := e.enrol(t.Context(), t, asking(album(t, 1)...))
	g := request(t)
	g.Name, g.State, g.Prompt = record.Name("00000000000000000000000007"), gatewayv1.State_STATE_QUEUED, "my sister with a hat"
	g.Subjects = []*gatewayv1.GenerationSubject{{Name: "my sister", Subject: s.GetName()}}
	g.Seed, g.Timeout, g.CreateTime = new(uint64(7)), durationpb.New(time.Minute), timestamppb.Now()
	told, err := provenance.Request(g)
	if err != nil {
		t.Fatal(err)
	}
	plain, err := imaging.EncodePNG(imaging.NewRGB(16, 16), nil)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := provenance.Sign(plain, provenance.Record{Request: told, Source: provenance.Trained})
	if err != nil {
		t.Fatal(err)
	}
	former, err := e.blobs.Put(t.Context(), "default", blob.Week, signed, "image/png")
	if err != nil {
		t.Fatal(err)
	}
	g.Pictures = []*gatewayv1.ResultPicture{{Name: g.GetName() + "/pictures/0", Blob: former}}
	key := jobqueue.RecordKey{Tenant: "default", ID: "00000000000000000000000007"}
	if err := record.New(e.queue, time.Now).Create(t.Context(), key, jobqueue.Interactive, g); err != nil {
		t.Fatal(err)
	}
	e.cancelled(t, g)
	if _, err := e.subjects.DeleteSubject(t.Context(), &gatewayv1.DeleteSubjectRequest{Name: s.GetName()}); err != nil {
		t.Fatal(err)
	}
	e.unnamed(t, g, s)
	got, err := e.service.GetPicture(t.Context(), &gatewayv1.GetPictureRequest{Name: g.GetName() + "/pictures/0"})
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(got.GetData(), []byte("hat")) || bytes.Contains(got.GetData(), []byte(s.GetName())) || !bytes.Contains(got.GetData(), []byte(provenance.Trained)) {
		t.Errorf("the picture tells %q", got.GetData())
	}
	if _, there, err := e.blobs.Stored(t.Context(), "default", blob.Week, former); there || err != nil {
		t.Errorf("the former picture is there: %v, %v", there, err)
	}
}
