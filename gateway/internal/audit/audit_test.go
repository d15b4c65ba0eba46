package audit_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"google.golang.org/grpc"

	"github.com/facestudio/facestudio/gateway/internal/audit"
	adminv1 "github.com/facestudio/facestudio/proto/gen/facestudio/admin/v1"
	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	gatewayv1 "github.com/facestudio/facestudio/proto/gen/facestudio/gateway/v1"
	mediav1 "github.com/facestudio/facestudio/proto/gen/facestudio/media/v1"
	"github.com/facestudio/facestudio/services/fault"
	"github.com/facestudio/facestudio/services/jobqueue"
	"github.com/facestudio/facestudio/services/testkit/stage"
)

// store is a log in memory.
type store struct {
	list []jobqueue.AuditEntry
	fail error
}

func (s *store) Append(_ context.Context, tenant string, value []byte) error {
	if s.fail != nil {
		return s.fail
	}
	s.list = append(s.list, jobqueue.AuditEntry{Number: uint64(len(s.list) + 1), Tenant: tenant, Value: value})
	return nil
}

func (s *store) List(_ context.Context, _ jobqueue.AuditFilter, each func(jobqueue.AuditEntry) bool) error {
	for _, entry := range s.list {
		if !each(entry) {
			break
		}
	}
	return nil
}

type subjects struct {
	gatewayv1.UnimplementedSubjectServiceServer
	gatewayv1.UnimplementedGenerationServiceServer
	fail error
}

func (s *subjects) CreateSubject(context.Context, *gatewayv1.CreateSubjectRequest) (*gatewayv1.Subject, error) {
	if s.fail != nil {
		return nil, s.fail
	}
	return &gatewayv1.Subject{Name: "subjects/1"}, nil
}

func (s *subjects) DeleteSubject(_ context.Context, req *gatewayv1.DeleteSubjectRequest) (*gatewayv1.DeleteSubjectResponse, error) {
	return &gatewayv1.DeleteSubjectResponse{Name: req.GetName()}, s.fail
}

func (s *subjects) UpdateSubject(_ context.Context, req *gatewayv1.UpdateSubjectRequest) (*gatewayv1.Subject, error) {
	return req.GetSubject(), s.fail
}

func (s *subjects) CreateGeneration(context.Context, *gatewayv1.CreateGenerationRequest) (*gatewayv1.Generation, error) {
	if s.fail != nil {
		return nil, s.fail
	}
	return &gatewayv1.Generation{Name: "generations/7"}, nil
}

func TestCallsAreNoted(t *testing.T) {
	kept, service := new(store), new(subjects)
	log := audit.New(kept, "default", slog.New(slog.DiscardHandler))
	conn := stage.Dial(t, registered(func(to grpc.ServiceRegistrar) {
		gatewayv1.RegisterSubjectServiceServer(log.Record(to), service)
		gatewayv1.RegisterGenerationServiceServer(log.Record(to), service)
	}))
	people, generations := gatewayv1.NewSubjectServiceClient(conn), gatewayv1.NewGenerationServiceClient(conn)
	g := &gatewayv1.Generation{Prompt: "a secret wish", Subjects: []*gatewayv1.GenerationSubject{
		{Name: "my sister", Subject: "subjects/1"}, {Subject: "subjects/1"}, {Mix: []*gatewayv1.MixPart{{Subject: "subjects/2"}, {}}},
	}}
	all := func() {
		_, _ = people.CreateSubject(t.Context(), &gatewayv1.CreateSubjectRequest{ValidateOnly: true})
		_, _ = people.CreateSubject(t.Context(), &gatewayv1.CreateSubjectRequest{Subject: &gatewayv1.Subject{DisplayName: "my sister"}})
		_, _ = people.CreateSubject(t.Context(), &gatewayv1.CreateSubjectRequest{Subject: &gatewayv1.Subject{Photos: []*mediav1.Picture{
			{Source: &mediav1.Picture_Name{Name: "pictures/9"}},
		}}})
		_, _ = people.UpdateSubject(t.Context(), &gatewayv1.UpdateSubjectRequest{Subject: &gatewayv1.Subject{Name: "subjects/1", DisplayName: "my sister"}})
		_, _ = generations.CreateGeneration(t.Context(), &gatewayv1.CreateGenerationRequest{Generation: g})
		_, _ = generations.CreateGeneration(t.Context(), &gatewayv1.CreateGenerationRequest{})
		_, _ = people.DeleteSubject(t.Context(), &gatewayv1.DeleteSubjectRequest{Name: "subjects/1"})
	}
	all()
	service.fail = fault.New(fault.NotFound, faultv1.Reason_REASON_UNKNOWN_SUBJECT, "name", "there is none")
	all()
	service.fail = errors.New("a bug")
	_, _ = people.DeleteSubject(t.Context(), &gatewayv1.DeleteSubjectRequest{Name: strings.Repeat("x", 1000)})
	_, _ = people.DeleteSubject(t.Context(), &gatewayv1.DeleteSubjectRequest{Name: "x" + strings.Repeat("é", 500)})
	list, err := log.List(t.Context(), audit.Filter{Limit: 100})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range list {
		if e.GetTenant() != stage.Tenant {
			t.Errorf("%v is of another tenant", e)
		}
		got = append(got, strings.Join([]string{
			strings.TrimPrefix(e.GetAction().String(), "AUDIT_ACTION_"), e.GetSubject(), e.GetGeneration(), e.GetOutcome(),
		}, " "))
	}
	want := []string{
		"ENROL subjects/1  OK", "ENROL subjects/1  OK", "UPDATE subjects/1  OK", "USE subjects/1 generations/7 OK", "USE subjects/2 generations/7 OK", "DELETE subjects/1  OK",
		"ENROL   UNKNOWN_SUBJECT", "ENROL   UNKNOWN_SUBJECT", "UPDATE subjects/1  UNKNOWN_SUBJECT",
		"USE subjects/1  UNKNOWN_SUBJECT", "USE subjects/2  UNKNOWN_SUBJECT", "DELETE subjects/1  UNKNOWN_SUBJECT",
		"DELETE " + strings.Repeat("x", 128) + "  UNCLASSIFIED",
		"DELETE x" + strings.Repeat("é", 63) + "  UNCLASSIFIED",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("noted %q", got)
	}
	for _, entry := range kept.list {
		for _, private := range []string{"my sister", "a secret wish"} {
			if strings.Contains(string(entry.Value), private) {
				t.Errorf("%q tells %q", entry.Value, private)
			}
		}
	}
	if list, err = log.List(t.Context(), audit.Filter{Subject: "subjects/2", Limit: 1}); err != nil || len(list) != 1 || list[0].GetSubject() != "subjects/2" {
		t.Errorf("got %v, %v", list, err)
	}
}

// A log that cannot be written to stops nobody, and the entry is in the logs.
func TestNotesAreLoggedWhenTheyCannotBeStored(t *testing.T) {
	var said strings.Builder
	log := audit.New(&store{fail: errors.New("full")}, "default", slog.New(slog.NewTextHandler(&said, nil)))
	log.Note(t.Context(), &adminv1.AuditEntry{Action: adminv1.AuditAction_AUDIT_ACTION_DELETE, Subject: "subjects/1"}, nil)
	for _, part := range []string{"not stored", "AUDIT_ACTION_DELETE", "subjects/1", "full", "tenant=default"} {
		if !strings.Contains(said.String(), part) {
			t.Errorf("%q does not say %q", said.String(), part)
		}
	}
}

// registered is a stage made of a function.
type registered func(grpc.ServiceRegistrar)

func (r registered) Register(to grpc.ServiceRegistrar) { r(to) }

func (registered) Close() error { return nil }
