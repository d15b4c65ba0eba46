// Package upload keeps pictures that have not come as a whole yet: what was
// announced and how far it is as a document, and each chunk under a name of its
// own. Any gateway of the mesh takes the next chunk.
package upload

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	gatewayv1 "github.com/facestudio/facestudio/proto/gen/facestudio/gateway/v1"
	"github.com/facestudio/facestudio/services/fault"
	"github.com/facestudio/facestudio/services/jobqueue"
	"github.com/facestudio/facestudio/services/seal"
)

// Kind is the kind of documents that uploads are.
const Kind = "uploads"

// Limits of uploads; they stand in the proto.
const (
	// Age is how long an upload may be unfinished.
	Age = time.Hour
	// MaxOpen is how many of a tenant may be unfinished.
	MaxOpen = 16
	// MinChunk is the least size of a chunk but the last, bytes.
	MinChunk = 16 << 10
	// MaxChunk is the largest size of a chunk, bytes.
	MaxChunk = 1 << 20
)

const collection = "uploads/"

var idPattern = regexp.MustCompile(`^[0-9a-v]{26}$`)

// Name is the resource name of an upload.
func Name(id string) string { return collection + id }

// ParseName returns the id in a resource name; false when it is none.
func ParseName(name string) (id string, ok bool) {
	id, ok = strings.CutPrefix(name, collection)
	return id, ok && idPattern.MatchString(id)
}

// Documents keeps the records; *jobqueue.Documents is one.
type Documents interface {
	Create(ctx context.Context, key jobqueue.RecordKey, value []byte) error
	Get(ctx context.Context, key jobqueue.RecordKey) (*jobqueue.Document, error)
	List(ctx context.Context, tenant string) ([]*jobqueue.Document, error)
	All(ctx context.Context) ([]*jobqueue.Document, error)
	Update(ctx context.Context, key jobqueue.RecordKey, value []byte, revision uint64) (uint64, error)
	Erase(ctx context.Context, key jobqueue.RecordKey) error
}

// Blobs keeps the chunks; *blob.Store is one. What is left behind goes after a
// day.
type Blobs interface {
	Save(ctx context.Context, of seal.Scope, name string, data []byte) error
	Saved(ctx context.Context, tenant, name string) ([]byte, bool, error)
	Forget(ctx context.Context, tenant, name string) error
}

// Store keeps unfinished uploads. It is safe for concurrent use.
type Store struct {
	documents Documents
	blobs     Blobs
	now       func() time.Time
	log       *slog.Logger
}

// NewStore returns the store over documents of Kind. now is the clock that
// uploads expire by.
func NewStore(documents Documents, blobs Blobs, now func() time.Time, log *slog.Logger) *Store {
	return &Store{documents: documents, blobs: blobs, now: now, log: log}
}

// Begin stores an upload of which nothing has come, and completes it. It fails
// with QUOTA_EXHAUSTED when the tenant has too many.
func (s *Store) Begin(ctx context.Context, key jobqueue.RecordKey, u *gatewayv1.Upload) error {
	documents, err := s.documents.List(ctx, key.Tenant)
	if err != nil {
		return fmt.Errorf("list uploads: %w", err)
	}
	open := 0
	for _, document := range documents {
		if record, err := decode(document); err == nil && !s.expired(record) {
			open++
		}
	}
	if open >= MaxOpen {
		return fault.New(fault.Exhausted, faultv1.Reason_REASON_QUOTA_EXHAUSTED, "",
			"%d uploads are unfinished, which is the most: finish or delete one", open)
	}
	u.Name, u.Offset = Name(key.ID), 0
	u.CreateTime = timestamppb.New(s.now())
	u.ExpireTime = timestamppb.New(s.now().Add(Age))
	value, err := proto.Marshal(&gatewayv1.UploadRecord{Upload: u})
	if err != nil {
		return fmt.Errorf("encode upload: %w", err)
	}
	if err := s.documents.Create(ctx, key, value); err != nil {
		return fmt.Errorf("create upload: %w", err)
	}
	return nil
}

// Get returns an upload, or UNKNOWN_UPLOAD with field "name".
func (s *Store) Get(ctx context.Context, key jobqueue.RecordKey) (*gatewayv1.Upload, error) {
	record, _, err := s.get(ctx, key)
	return record.GetUpload(), err
}

func (s *Store) get(ctx context.Context, key jobqueue.RecordKey) (*gatewayv1.UploadRecord, uint64, error) {
	document, err := s.documents.Get(ctx, key)
	if errors.Is(err, jobqueue.ErrNotFound) {
		return nil, 0, unknown(key.ID)
	}
	if err != nil {
		return nil, 0, fmt.Errorf("read upload: %w", err)
	}
	record, err := decode(document)
	if err == nil && s.expired(record) {
		return nil, 0, unknown(key.ID)
	}
	return record, document.Revision, err
}

// Append adds a chunk. It fails with UNKNOWN_UPLOAD, with WRONG_OFFSET when it
// begins elsewhere than the upload stands, and with INVALID_FIELD when it has too
// many bytes or too few.
func (s *Store) Append(ctx context.Context, key jobqueue.RecordKey, offset int64, data []byte) (*gatewayv1.Upload, error) {
	record, revision, err := s.get(ctx, key)
	if err != nil {
		return nil, err
	}
	u := record.GetUpload()
	if offset != u.GetOffset() {
		return nil, wrongOffset(u)
	}
	switch left := u.GetSize() - offset; {
	case int64(len(data)) > left:
		return nil, fault.InvalidField("data", "the chunk has %d bytes, and %d are left of the %d that were announced: send no more", len(data), left, u.GetSize())
	case len(data) > MaxChunk, len(data) < MinChunk && int64(len(data)) < left, len(data) == 0:
		return nil, fault.InvalidField("data", "the chunk has %d bytes: send %d to %d, or what is left", len(data), MinChunk, MaxChunk)
	}
	// Named by its bytes, too, so that two chunks for one place do not meet.
	sum := sha256.Sum256(data)
	name := fmt.Sprintf("upload/%s/%d/%s", key.ID, offset, hex.EncodeToString(sum[:]))
	if err := s.blobs.Save(ctx, seal.Shared(key.Tenant), name, data); err != nil {
		return nil, fmt.Errorf("save chunk: %w", err)
	}
	u.Offset += int64(len(data))
	record.Chunks = append(record.Chunks, name)
	value, err := proto.Marshal(record)
	if err != nil {
		return nil, fmt.Errorf("encode upload: %w", err)
	}
	_, err = s.documents.Update(ctx, key, value, revision)
	if errors.Is(err, jobqueue.ErrStale) {
		now, err := s.Get(ctx, key)
		if err != nil {
			return nil, err
		}
		return nil, wrongOffset(now)
	}
	if err != nil {
		return nil, fmt.Errorf("update upload: %w", err)
	}
	return u, nil
}

// Bytes returns an upload with all its bytes, which have the announced digest.
// It fails with UNKNOWN_UPLOAD, and with INVALID_FIELD when some have not come or
// the digest is another.
func (s *Store) Bytes(ctx context.Context, key jobqueue.RecordKey) ([]byte, error) {
	record, _, err := s.get(ctx, key)
	if err != nil {
		return nil, err
	}
	u := record.GetUpload()
	if u.GetOffset() < u.GetSize() {
		return nil, fault.InvalidField("name", "%d of %d bytes have come: append the rest first", u.GetOffset(), u.GetSize())
	}
	var all bytes.Buffer
	all.Grow(int(u.GetSize()))
	for _, name := range record.GetChunks() {
		chunk, ok, err := s.blobs.Saved(ctx, key.Tenant, name)
		if err != nil {
			return nil, fmt.Errorf("read chunk: %w", err)
		}
		if !ok {
			// It was finished, or dropped, at the same moment.
			return nil, unknown(key.ID)
		}
		all.Write(chunk)
	}
	sum := sha256.Sum256(all.Bytes())
	if hex.EncodeToString(sum[:]) != u.GetSha256() {
		return nil, fault.InvalidField("sha256", "the bytes that came have digest %x, not the announced one: delete the upload and begin anew", sum)
	}
	return all.Bytes(), nil
}

func (s *Store) expired(record *gatewayv1.UploadRecord) bool {
	return !s.now().Before(record.GetUpload().GetExpireTime().AsTime())
}

func decode(document *jobqueue.Document) (*gatewayv1.UploadRecord, error) {
	record := new(gatewayv1.UploadRecord)
	if err := proto.Unmarshal(document.Value, record); err != nil {
		return nil, fmt.Errorf("decode upload %s: %w", document.Key.ID, err)
	}
	return record, nil
}

func unknown(id string) error {
	return fault.New(fault.NotFound, faultv1.Reason_REASON_UNKNOWN_UPLOAD, "name",
		"there is no upload %s, or it was finished or has expired: begin a new one", Name(id))
}

func wrongOffset(u *gatewayv1.Upload) error {
	return fault.New(fault.Stale, faultv1.Reason_REASON_WRONG_OFFSET, "offset",
		"the upload stands at %d: send the bytes from there on", u.GetOffset())
}
