package auth_test

import (
	"context"
	"crypto/rand"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/facestudio/facestudio/gateway/internal/auth"
	adminv1 "github.com/facestudio/facestudio/proto/gen/facestudio/admin/v1"
	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	"github.com/facestudio/facestudio/services/fault"
	"github.com/facestudio/facestudio/services/jobqueue"
	"github.com/facestudio/facestudio/services/jobqueue/embedded"
	"github.com/facestudio/facestudio/services/testkit/scratch"
)

var quiet = slog.New(slog.DiscardHandler)

// clock is a time that tests set.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Now()} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// nats is a server with the documents of keys, as one process sees them.
func nats(t *testing.T) (*embedded.Server, *jobqueue.Documents) {
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
	documents, err := q.DocumentsUpTo(t.Context(), auth.Kind, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	return server, documents
}

// counting counts how often documents are looked up.
type counting struct {
	auth.Documents
	gets int
}

func (c *counting) Get(ctx context.Context, key jobqueue.RecordKey) (*jobqueue.Document, error) {
	c.gets++
	return c.Documents.Get(ctx, key)
}

func ring(t *testing.T, store *auth.KeyStore, c *clock, adminKey string) *auth.KeyRing {
	t.Helper()
	r, err := auth.NewKeyRing(store, c.Now, adminKey)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func refused(t *testing.T, what string, err error, reason faultv1.Reason) {
	t.Helper()
	if !fault.Is(err, reason) {
		t.Errorf("%s: got %v, want %v", what, err, reason)
	}
}

func TestKeys(t *testing.T) {
	_, documents := nats(t)
	c := newClock()
	store := auth.NewKeyStore(documents, c.Now, rand.Reader)
	key, secret, err := store.Create(t.Context(), &adminv1.Key{
		Tenant: "acme", Scopes: []string{"generations:read"}, Label: "ci", ExpireTime: timestamppb.New(c.Now().Add(time.Hour)),
	})
	if err != nil || !strings.HasPrefix(secret, "fsk_"+key.GetId()+"_") || !strings.HasSuffix(secret, key.GetLastFour()) || len(key.GetLastFour()) != 4 {
		t.Fatalf("got %v %q, %v", key, secret, err)
	}
	stored, err := store.Get(t.Context(), key.GetId())
	if err != nil || strings.Contains(stored.String(), secret[len("fsk_")+17:]) || len(stored.GetSecretDigest()) != 32 {
		t.Errorf("stored is %v, %v", stored, err)
	}
	r := ring(t, store, c, "")
	who, err := r.Principal(t.Context(), secret)
	if err != nil || who.Tenant != "acme" || who.Name != key.GetId() || len(who.Scopes) != 1 || who.Scopes[0] != auth.GenerationsRead {
		t.Errorf("got %+v, %v", who, err)
	}
	for name, bad := range map[string]string{
		"cut off":            secret[:len(secret)-1],
		"another secret":     secret[:len(secret)-4] + flipped(secret[len(secret)-4:]),
		"another id":         "fsk_0000000000000000" + secret[len("fsk_")+16:],
		"no secret":          "fsk_" + key.GetId() + "_",
		"capitals":           strings.ToUpper(secret),
		"an id with a dot":   "fsk_00000.0000000000" + secret[len("fsk_")+16:],
		"only the prefix":    "fsk_",
		"an operator's key":  "fsk_admin_" + strings.Repeat("0", 52),
		"something after it": secret + "\n",
	} {
		_, err := r.Principal(t.Context(), bad)
		refused(t, name, err, faultv1.Reason_REASON_CREDENTIALS_INVALID)
		if err != nil && len(bad) > len("fsk_") && strings.Contains(err.Error(), bad) {
			t.Errorf("%s: %v tells the key", name, err)
		}
	}
	c.add(time.Hour)
	_, err = r.Principal(t.Context(), secret)
	refused(t, "expired", err, faultv1.Reason_REASON_CREDENTIALS_EXPIRED)

	list, err := store.List(t.Context(), "acme")
	if err != nil || len(list) != 1 || list[0].GetId() != key.GetId() {
		t.Errorf("listed %v, %v", list, err)
	}
	if list, err := store.List(t.Context(), "other"); err != nil || len(list) != 0 {
		t.Errorf("listed %v, %v", list, err)
	}
}

func flipped(text string) string {
	if text[0] == '0' {
		return "1" + text[1:]
	}
	return "0" + text[1:]
}

func TestARevokedKeyIsRefusedByAllGatewaysWithinSeconds(t *testing.T) {
	_, documents := nats(t)
	c := newClock()
	store := auth.NewKeyStore(documents, c.Now, rand.Reader)
	key, secret, err := store.Create(t.Context(), &adminv1.Key{Tenant: "acme", Scopes: []string{"admin"}})
	if err != nil {
		t.Fatal(err)
	}
	seen := &counting{Documents: documents}
	here, there := ring(t, store, c, ""), ring(t, auth.NewKeyStore(seen, c.Now, rand.Reader), c, "")
	for range 100 {
		for _, r := range []*auth.KeyRing{here, there} {
			if _, err := r.Principal(t.Context(), secret); err != nil {
				t.Fatal(err)
			}
		}
	}
	if seen.gets != 1 {
		t.Errorf("it was looked up %d times", seen.gets)
	}
	if _, err := store.Revoke(t.Context(), key.GetId()); err != nil {
		t.Fatal(err)
	}
	here.Forget(key.GetId())
	_, err = here.Principal(t.Context(), secret)
	refused(t, "where it was revoked", err, faultv1.Reason_REASON_CREDENTIALS_INVALID)
	c.add(5 * time.Second)
	for range 100 {
		_, err = there.Principal(t.Context(), secret)
		refused(t, "elsewhere", err, faultv1.Reason_REASON_CREDENTIALS_INVALID)
	}
	if seen.gets != 2 {
		t.Errorf("it was looked up %d times: who tries wrong keys costs too much", seen.gets)
	}
	_, err = store.Revoke(t.Context(), key.GetId())
	refused(t, "revoked again", err, faultv1.Reason_REASON_UNKNOWN_KEY)
	_, err = store.Revoke(t.Context(), "no.id")
	refused(t, "no id", err, faultv1.Reason_REASON_UNKNOWN_KEY)
}

func TestKeysWithoutAQueue(t *testing.T) {
	server, documents := nats(t)
	c := newClock()
	store := auth.NewKeyStore(documents, c.Now, rand.Reader)
	_, secret, err := store.Create(t.Context(), &adminv1.Key{Tenant: "acme"})
	if err != nil {
		t.Fatal(err)
	}
	r := ring(t, store, c, "")
	if _, err := r.Principal(t.Context(), secret); err != nil {
		t.Fatal(err)
	}
	server.Close()
	if _, err := r.Principal(t.Context(), secret); err != nil {
		t.Errorf("a key that was just seen: %v", err)
	}
	c.add(5 * time.Second)
	_, err = r.Principal(t.Context(), secret)
	refused(t, "a key that may have been revoked", err, faultv1.Reason_REASON_UNAVAILABLE)
}

func TestAdminKey(t *testing.T) {
	key, err := auth.NewAdminKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	write := func(text string) string {
		path := filepath.Join(dir, "admin.key")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	read, err := auth.ReadAdminKey(write(key + "\n"))
	if err != nil || read != key {
		t.Fatalf("got %q, %v", read, err)
	}
	_, documents := nats(t)
	r := ring(t, auth.NewKeyStore(documents, time.Now, rand.Reader), newClock(), key)
	who, err := r.Principal(t.Context(), key)
	if err != nil || who.Tenant != "" || len(who.Scopes) != 1 || who.Scopes[0] != auth.Admin {
		t.Errorf("got %+v, %v", who, err)
	}
	for name, text := range map[string]string{"empty": "", "short": "fsk_admin_abc", "no prefix": strings.Repeat("a", 64), "two": key + "\n" + key} {
		if _, err := auth.ReadAdminKey(write(text)); err == nil || text != "" && strings.Contains(err.Error(), text) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if _, err := auth.ReadAdminKey(dir); err == nil {
		t.Error("a folder was read")
	}
}
