package record_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protojson"

	"github.com/facestudio/facestudio/gateway/internal/record"
	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	gatewayv1 "github.com/facestudio/facestudio/proto/gen/facestudio/gateway/v1"
	"github.com/facestudio/facestudio/services/jobqueue"
)

func TestUnnameTakesNamesOutOfAllThatATenantsGenerationsTell(t *testing.T) {
	const name, bob = "subjects/0123456789abcdefghijklmno0", "subjects/0123456789abcdefghijklmno1"
	q := openQueue(t)
	s := record.New(q, time.Now)
	g := queued(key)
	g.Subjects = []*gatewayv1.GenerationSubject{
		{Name: "Ada", Subject: name},
		{Name: "Bob", Subject: bob},
		{Name: "a child", Mix: []*gatewayv1.MixPart{{Name: "mother Ada", Subject: name, Weight: 1}, {Name: "Bob", Subject: bob, Weight: 1}}},
	}
	g.Prompt, g.Labels = "Ada with a hat", map[string]string{"order": "of Ada"}
	g.Fault = &faultv1.Fault{Message: name + " was deleted"}
	g.Pictures = []*gatewayv1.ResultPicture{{
		Faces:    []*gatewayv1.ResultFace{{Subject: "Ada"}, {Subject: "Bob"}},
		Warnings: []*gatewayv1.Warning{{Kind: gatewayv1.Warning_KIND_BLENDED, Message: "Ada is blended with Bob"}},
		Tries:    []*gatewayv1.Try{{Warnings: []*gatewayv1.Warning{{Message: "Ada is missing"}}}},
	}}
	if err := s.Create(t.Context(), key, jobqueue.Interactive, g); err != nil {
		t.Fatal(err)
	}
	var first []jobqueue.RecordKey
	unname := func(tenant string) (ended, underWay []jobqueue.RecordKey) {
		t.Helper()
		first = nil
		ended, underWay, err := s.Unname(t.Context(), tenant, name, func(k jobqueue.RecordKey, _ *gatewayv1.Generation) error {
			first = append(first, k)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return ended, underWay
	}
	if ended, underWay := unname("other"); len(ended)+len(underWay)+len(first) != 0 {
		t.Errorf("another tenant's name it: %v, %v", ended, underWay)
	}
	if ended, underWay := unname(key.Tenant); len(ended) != 0 || !slices.Equal(underWay, first) || len(first) != 1 {
		t.Errorf("got %v, %v", ended, underWay)
	}
	if _, err := s.Cancel(t.Context(), key); err != nil {
		t.Fatal(err)
	}
	if ended, underWay := unname(key.Tenant); !slices.Equal(ended, first) || len(underWay) != 0 || len(first) != 1 {
		t.Errorf("got %v, %v", ended, underWay)
	}
	got, err := s.Get(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	text := protojson.Format(got)
	for _, gone := range []string{"Ada", name} {
		if strings.Contains(text, gone) {
			t.Errorf("%q is in %s", gone, text)
		}
	}
	if got.GetSubjects()[1].GetName() != "Bob" || got.GetSubjects()[1].GetSubject() != bob || got.GetSubjects()[2].GetMix()[0].GetSubject() != record.Deleted {
		t.Errorf("left are %v", got.GetSubjects())
	}
	if p := got.GetPictures()[0]; p.GetFaces()[1].GetSubject() != "Bob" || p.GetWarnings()[0].GetKind() != gatewayv1.Warning_KIND_BLENDED {
		t.Errorf("left is %v", p)
	}
	if ended, underWay := unname(key.Tenant); len(ended)+len(underWay) != 0 {
		t.Errorf("again %v, %v", ended, underWay)
	}
}
