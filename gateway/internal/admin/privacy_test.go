package admin_test

import (
	"log/slog"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/facestudio/facestudio/gateway/internal/admin"
	"github.com/facestudio/facestudio/gateway/internal/audit"
	adminv1 "github.com/facestudio/facestudio/proto/gen/facestudio/admin/v1"
	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	"github.com/facestudio/facestudio/services/fault"
	"github.com/facestudio/facestudio/services/jobqueue"
)

func TestPrivacy(t *testing.T) {
	_, q := open(t)
	entries, err := q.Audit(t.Context(), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	log := audit.New(entries, "default", slog.New(slog.DiscardHandler))
	s := admin.NewPrivacy(q.Ring(), log)
	rotated, err := s.RotateKeys(t.Context(), &adminv1.RotateKeysRequest{})
	if err != nil || rotated.GetRewrapped() != 0 || rotated.GetKept() == 0 || len(rotated.GetKeyEncryptionKey()) != 16 {
		t.Errorf("rotated %v, %v", rotated, err)
	}
	log.NoteMesh(t.Context(), &adminv1.AuditEntry{Action: adminv1.AuditAction_AUDIT_ACTION_ROTATE_KEYS}, nil)
	as := jobqueue.WithCall(t.Context(), jobqueue.Call{Tenant: "acme"})
	for _, subject := range []string{"subjects/1", "subjects/2", "subjects/1"} {
		log.Note(as, &adminv1.AuditEntry{Action: adminv1.AuditAction_AUDIT_ACTION_USE, Subject: subject}, nil)
	}
	for name, c := range map[string]struct {
		req  *adminv1.ListAuditEntriesRequest
		want []uint64
	}{
		"all":       {&adminv1.ListAuditEntriesRequest{}, []uint64{1, 2, 3, 4}},
		"tenant":    {&adminv1.ListAuditEntriesRequest{Tenant: "acme"}, []uint64{2, 3, 4}},
		"nobody's":  {&adminv1.ListAuditEntriesRequest{Tenant: "bob"}, nil},
		"subject":   {&adminv1.ListAuditEntriesRequest{Subject: "subjects/1"}, []uint64{2, 4}},
		"page":      {&adminv1.ListAuditEntriesRequest{PageSize: 2, After: 1}, []uint64{2, 3}},
		"since now": {&adminv1.ListAuditEntriesRequest{Since: timestamppb.New(time.Now().Add(time.Minute))}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			page, err := s.ListAuditEntries(t.Context(), c.req)
			if err != nil || len(page.GetEntries()) != len(c.want) {
				t.Fatalf("got %v, %v", page, err)
			}
			for i, e := range page.GetEntries() {
				if e.GetNumber() != c.want[i] || e.GetOutcome() != "OK" || e.GetTime() == nil || (e.GetTenant() == "") != (e.GetNumber() == 1) {
					t.Errorf("entry %d is %v", i, e)
				}
			}
		})
	}
	for field, req := range map[string]*adminv1.ListAuditEntriesRequest{"page_size": {PageSize: 1001}, "tenant": {Tenant: "a b"}} {
		if _, err := s.ListAuditEntries(t.Context(), req); !fault.Is(err, faultv1.Reason_REASON_INVALID_FIELD) || fault.From(err).Field != field {
			t.Errorf("%s: got %v", field, err)
		}
	}
}
