package api_test

import (
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/fieldmaskpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	gatewayv1 "github.com/facestudio/facestudio/proto/gen/facestudio/gateway/v1"
	"github.com/facestudio/facestudio/services/fault"
)

func TestUpdateSubject(t *testing.T) {
	e := openSubjects(t)
	r := asking(album(t, 1)...)
	r.Subject.Labels = map[string]string{"team": "blue"}
	s := e.enrol(t.Context(), t, r)
	embedding, err := e.store.Get(t.Context(), keyOf(t, s))
	if err != nil || s.GetEtag() == "" {
		t.Fatalf("etag %q, %v", s.GetEtag(), err)
	}
	update := func(change *gatewayv1.Subject, paths ...string) (*gatewayv1.Subject, error) {
		change.Name = s.GetName()
		req := &gatewayv1.UpdateSubjectRequest{Subject: change}
		if len(paths) > 0 {
			req.UpdateMask = &fieldmaskpb.FieldMask{Paths: paths}
		}
		return e.subjects.UpdateSubject(t.Context(), req)
	}
	first := s.GetEtag()
	renamed, err := update(&gatewayv1.Subject{DisplayName: "Ada L.", Etag: first})
	if err != nil || renamed.GetDisplayName() != "Ada L." || renamed.GetLabels()["team"] != "blue" || renamed.GetEtag() == first {
		t.Fatalf("renamed: %v, %v", renamed, err)
	}
	if _, err := update(&gatewayv1.Subject{DisplayName: "late", Etag: first}); !fault.Is(err, faultv1.Reason_REASON_ETAG_MISMATCH) || fault.From(err).Field != "subject.etag" {
		t.Errorf("an old etag: %v", err)
	}
	soon := timestamppb.New(e.clock.Add(time.Hour))
	changed, err := update(&gatewayv1.Subject{ExpireTime: soon, Consent: "form 8", DisplayName: "not named"}, "expire_time", "consent", "labels")
	if err != nil || !changed.GetExpireTime().AsTime().Equal(soon.AsTime()) || changed.GetConsent() != "form 8" ||
		changed.GetDisplayName() != "Ada L." || len(changed.GetLabels()) != 0 {
		t.Fatalf("changed: %v, %v", changed, err)
	}
	if cleared, err := update(new(gatewayv1.Subject), "*"); err != nil || cleared.GetDisplayName() != "" || cleared.GetExpireTime() != nil {
		t.Errorf("cleared: %v, %v", cleared, err)
	}
	for name, test := range map[string]struct {
		change *gatewayv1.Subject
		paths  []string
		field  string
	}{
		"nothing":           {new(gatewayv1.Subject), nil, "update_mask"},
		"photos":            {new(gatewayv1.Subject), []string{"photos"}, "update_mask"},
		"only its name":     {new(gatewayv1.Subject), []string{"name"}, "update_mask"},
		"no such field":     {new(gatewayv1.Subject), []string{"nose"}, "update_mask"},
		"a long name":       {&gatewayv1.Subject{DisplayName: string(make([]byte, 64))}, nil, "subject.display_name"},
		"an expiry in 1970": {&gatewayv1.Subject{ExpireTime: new(timestamppb.Timestamp)}, nil, "subject.expire_time"},
	} {
		if _, err := update(test.change, test.paths...); fault.From(err) == nil || fault.From(err).Field != test.field {
			t.Errorf("%s: got %v", name, err)
		}
	}
	after, err := e.store.Get(t.Context(), keyOf(t, s))
	if err != nil || string(after.GetEmbedding().GetData()) != string(embedding.GetEmbedding().GetData()) {
		t.Errorf("the embedding is another: %v", err)
	}
	if _, err := e.subjects.DeleteSubject(t.Context(), &gatewayv1.DeleteSubjectRequest{Name: s.GetName(), Etag: first}); !fault.Is(err, faultv1.Reason_REASON_ETAG_MISMATCH) {
		t.Errorf("deleted by an old etag: %v", err)
	}
	now := after.GetSubject().GetEtag()
	if _, err := e.subjects.DeleteSubject(t.Context(), &gatewayv1.DeleteSubjectRequest{Name: s.GetName(), Etag: now}); err != nil {
		t.Error(err)
	}
	if _, err := update(&gatewayv1.Subject{DisplayName: "gone"}); !fault.Is(err, faultv1.Reason_REASON_UNKNOWN_SUBJECT) {
		t.Errorf("a deleted one: %v", err)
	}
}
