package admin_test

import (
	"bytes"
	"crypto/rand"
	"log/slog"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/facestudio/facestudio/gateway/internal/admin"
	"github.com/facestudio/facestudio/gateway/internal/auth"
	adminv1 "github.com/facestudio/facestudio/proto/gen/facestudio/admin/v1"
	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	"github.com/facestudio/facestudio/services/fault"
)

func TestKeys(t *testing.T) {
	_, q := open(t)
	documents, err := q.DocumentsUpTo(t.Context(), auth.Kind, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	var forgotten string
	s := admin.NewKeys(admin.KeysSettings{
		Store:  auth.NewKeyStore(documents, time.Now, rand.Reader),
		Forget: func(id string) { forgotten = id },
		Now:    time.Now,
		Log:    slog.New(slog.NewTextHandler(&log, nil)),
	})
	made, err := s.CreateKey(t.Context(), &adminv1.CreateKeyRequest{Tenant: "acme", Label: "ci", Ttl: durationpb.New(time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	key := made.GetKey()
	if until := time.Until(key.GetExpireTime().AsTime()); len(key.GetScopes()) != len(auth.TenantScopes) || until < 50*time.Minute || until > time.Hour {
		t.Errorf("got %v", key)
	}
	second, err := s.CreateKey(t.Context(), &adminv1.CreateKeyRequest{Tenant: "bob", Scopes: []string{"admin", "admin"}})
	if err != nil || len(second.GetKey().GetScopes()) != 1 || second.GetKey().GetExpireTime() != nil {
		t.Errorf("got %v, %v", second, err)
	}
	for name, req := range map[string]*adminv1.CreateKeyRequest{
		"tenant": {}, "scopes": {Tenant: "acme", Scopes: []string{"root"}},
		"label": {Tenant: "acme", Label: strings.Repeat("é", 101)}, "ttl": {Tenant: "acme", Ttl: durationpb.New(-time.Second)},
	} {
		if _, err := s.CreateKey(t.Context(), req); !fault.Is(err, faultv1.Reason_REASON_INVALID_FIELD) || fault.From(err).Field != name {
			t.Errorf("%s: got %v", name, err)
		}
	}
	list, err := s.ListKeys(t.Context(), &adminv1.ListKeysRequest{})
	if err != nil || len(list.GetKeys()) != 2 || list.GetKeys()[0].GetId() != key.GetId() {
		t.Errorf("listed %v, %v", list, err)
	}
	got, err := s.GetKey(t.Context(), &adminv1.GetKeyRequest{Id: key.GetId()})
	if err != nil || got.String() != key.String() {
		t.Errorf("got %v, %v", got, err)
	}
	if _, err := s.RevokeKey(t.Context(), &adminv1.RevokeKeyRequest{Id: key.GetId()}); err != nil || forgotten != key.GetId() {
		t.Errorf("got %v, and %q is forgotten", err, forgotten)
	}
	if _, err := s.GetKey(t.Context(), &adminv1.GetKeyRequest{Id: key.GetId()}); !fault.Is(err, faultv1.Reason_REASON_UNKNOWN_KEY) {
		t.Errorf("got %v", err)
	}
	if _, err := s.RevokeKey(t.Context(), &adminv1.RevokeKeyRequest{Id: key.GetId()}); !fault.Is(err, faultv1.Reason_REASON_UNKNOWN_KEY) {
		t.Errorf("got %v", err)
	}
	secret := made.GetSecret()[strings.LastIndex(made.GetSecret(), "_")+1:]
	if text := log.String(); !strings.Contains(text, key.GetId()) || !strings.Contains(text, "tenant=acme") || strings.Contains(text, secret) {
		t.Errorf("the log says %s", text)
	}
}
