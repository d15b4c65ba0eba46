package upload_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/facestudio/facestudio/gateway/internal/upload"
	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	gatewayv1 "github.com/facestudio/facestudio/proto/gen/facestudio/gateway/v1"
	"github.com/facestudio/facestudio/services/blob"
	"github.com/facestudio/facestudio/services/fault"
	"github.com/facestudio/facestudio/services/jobqueue"
	"github.com/facestudio/facestudio/services/jobqueue/embedded"
	"github.com/facestudio/facestudio/services/testkit"
	"github.com/facestudio/facestudio/services/testkit/scratch"
)

// uploads is the store over a real nats-server, with a clock of its own.
type uploads struct {
	*upload.Store
	clock time.Time
}

func open(t *testing.T) *uploads {
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
	documents, err := q.Documents(t.Context(), upload.Kind)
	if err != nil {
		t.Fatal(err)
	}
	blobs, err := blob.Open(t.Context(), "mem://", testkit.Ring(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = blobs.Close() })
	u := &uploads{clock: time.Now()}
	u.Store = upload.NewStore(documents, blobs, func() time.Time { return u.clock }, slog.New(slog.DiscardHandler))
	return u
}

func key(n int) jobqueue.RecordKey {
	return jobqueue.RecordKey{Tenant: "acme", ID: fmt.Sprintf("%026d", n)}
}

func announce(data []byte) *gatewayv1.Upload {
	sum := sha256.Sum256(data)
	return &gatewayv1.Upload{Sha256: hex.EncodeToString(sum[:]), Size: int64(len(data))}
}

func refused(t *testing.T, what string, err error, reason faultv1.Reason, field string) {
	t.Helper()
	if f := fault.From(err); f == nil || f.Reason != reason || f.Field != field {
		t.Errorf("%s: got %v, want %v of %s", what, err, reason, field)
	}
}

func TestAnUploadInPieces(t *testing.T) {
	const invalid, offset = faultv1.Reason_REASON_INVALID_FIELD, faultv1.Reason_REASON_WRONG_OFFSET
	u := open(t)
	data := bytes.Repeat([]byte("0123456789abcdef"), 3<<10)
	if err := u.Begin(t.Context(), key(1), announce(data)); err != nil {
		t.Fatal(err)
	}
	add := func(at int64, chunk []byte) error { _, err := u.Append(t.Context(), key(1), at, chunk); return err }
	refused(t, "no bytes", add(0, nil), invalid, "data")
	refused(t, "too few bytes", add(0, data[:100]), invalid, "data")
	refused(t, "more than was announced", add(0, append(data[:len(data):len(data)], 1)), invalid, "data")
	refused(t, "a chunk from the middle", add(5, data[:32<<10]), offset, "offset")
	if err := add(0, data[:32<<10]); err != nil {
		t.Fatal(err)
	}
	refused(t, "the same again", add(0, data[:32<<10]), offset, "offset")
	if got, err := u.Get(t.Context(), key(1)); err != nil || got.GetOffset() != 32<<10 {
		t.Errorf("it stands at %d, %v", got.GetOffset(), err)
	}
	_, err := u.Bytes(t.Context(), key(1))
	refused(t, "half of it", err, invalid, "name")
	if err := add(32<<10, data[32<<10:]); err != nil {
		t.Fatal(err)
	}
	got, err := u.Bytes(t.Context(), key(1))
	if err != nil || !bytes.Equal(got, data) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	if err := u.Drop(t.Context(), key(1)); err != nil {
		t.Fatal(err)
	}
	refused(t, "dropped", u.Drop(t.Context(), key(1)), faultv1.Reason_REASON_UNKNOWN_UPLOAD, "name")

	other := announce(data[:100])
	other.Sha256 = announce(data).GetSha256()
	if err := u.Begin(t.Context(), key(2), other); err != nil {
		t.Fatal(err)
	}
	if _, err := u.Append(t.Context(), key(2), 0, data[:100]); err != nil {
		t.Fatal(err)
	}
	_, err = u.Bytes(t.Context(), key(2))
	refused(t, "other bytes than were announced", err, invalid, "sha256")
}

func TestUploadsAreBoundedAndExpire(t *testing.T) {
	u := open(t)
	for n := range upload.MaxOpen {
		if err := u.Begin(t.Context(), key(n), announce([]byte{byte(n)})); err != nil {
			t.Fatal(err)
		}
	}
	refused(t, "one too many", u.Begin(t.Context(), key(99), announce([]byte{1})), faultv1.Reason_REASON_QUOTA_EXHAUSTED, "")
	other := jobqueue.RecordKey{Tenant: "other", ID: key(99).ID}
	if err := u.Begin(t.Context(), other, announce([]byte{1})); err != nil {
		t.Errorf("another tenant: %v", err)
	}
	u.clock = u.clock.Add(upload.Age)
	_, err := u.Get(t.Context(), key(1))
	refused(t, "expired", err, faultv1.Reason_REASON_UNKNOWN_UPLOAD, "name")
	if err := u.Begin(t.Context(), key(99), announce([]byte{1})); err != nil {
		t.Errorf("one after the others have expired: %v", err)
	}
	if n, err := u.Expire(t.Context()); n != upload.MaxOpen+1 || err != nil {
		t.Errorf("%d expired, %v", n, err)
	}
}
