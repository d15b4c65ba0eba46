package api

import (
	"context"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/timestamppb"

	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	gatewayv1 "github.com/facestudio/facestudio/proto/gen/facestudio/gateway/v1"
	mediav1 "github.com/facestudio/facestudio/proto/gen/facestudio/media/v1"
	"github.com/facestudio/facestudio/services/blob"
	"github.com/facestudio/facestudio/services/fault"
	"github.com/facestudio/facestudio/services/jobqueue"
)

const (
	pictureCollection = "pictures/"
	// maxPictureBytes bounds an encoded picture; it stands in the proto.
	maxPictureBytes = 16 << 20
)

var digestPattern = regexp.MustCompile(`^[0-9a-f]{64}$`)

// Uploads keeps unfinished uploads; *upload.Store is one.
type Uploads interface {
	Begin(ctx context.Context, key jobqueue.RecordKey, u *gatewayv1.Upload) error
	Get(ctx context.Context, key jobqueue.RecordKey) (*gatewayv1.Upload, error)
	Append(ctx context.Context, key jobqueue.RecordKey, offset int64, data []byte) (*gatewayv1.Upload, error)
	Bytes(ctx context.Context, key jobqueue.RecordKey) ([]byte, error)
	Drop(ctx context.Context, key jobqueue.RecordKey) error
}

// UploadedBlobs is where uploaded pictures are kept; *blob.Store is one.
type UploadedBlobs interface {
	Blobs
	Stored(ctx context.Context, tenant, retention string, b *mediav1.Blob) (time.Time, bool, error)
	Delete(ctx context.Context, tenant, retention string, b *mediav1.Blob) error
}

// PicturesSettings says what Pictures is made of. All fields are needed.
type PicturesSettings struct {
	// Settings are those of generations; of them the clock, randomness, and how
	// pictures are found, checked and dropped are used.
	Settings
	// Blobs is where the pictures are kept.
	Blobs UploadedBlobs
	// Uploads has those that have not come as a whole.
	Uploads Uploads
	// Detect finds the people of a picture that is stored, as a jobqueue.Call in ctx
	// says for whom. Its faults about the picture have no other field than
	// "picture".
	Detect func(ctx context.Context, picture *mediav1.Picture) (*gatewayv1.DetectPeopleResponse, error)
	// Size returns width and height of a picture that was checked, pixels.
	Size func(data []byte) (width, height int, err error)
}

// Pictures implements PictureService. It may be used by many goroutines.
type Pictures struct {
	gatewayv1.UnimplementedPictureServiceServer
	set PicturesSettings
	// streams bounds the uploads in streams, which are kept in memory.
	streams chan struct{}
}

// maxStreams is how many pictures come in streams at once.
const maxStreams = 16

// NewPictures returns the service.
func NewPictures(s PicturesSettings) *Pictures {
	return &Pictures{set: s, streams: make(chan struct{}, maxStreams)}
}

// Register registers the service.
func (p *Pictures) Register(to grpc.ServiceRegistrar) {
	gatewayv1.RegisterPictureServiceServer(to, p)
}

// CreatePicture implements PictureService.
func (p *Pictures) CreatePicture(ctx context.Context, req *gatewayv1.CreatePictureRequest) (*gatewayv1.StoredPicture, error) {
	call, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	if want := req.GetSha256(); want != "" {
		if err := checkDigest("sha256", want); err != nil {
			return nil, err
		}
		if got := digest(req.GetData()).GetSha256(); got != want {
			return nil, fault.InvalidField("sha256", "the bytes have digest %s: send those that it is of, or leave it out", got)
		}
	}
	return p.store(ctx, call.Tenant, "data", req.GetData())
}

// store checks and stores a picture; the field is the one that brought it.
func (p *Pictures) store(ctx context.Context, tenant, field string, data []byte) (*gatewayv1.StoredPicture, error) {
	if err := p.set.CheckPicture(tenant, data); err != nil {
		return nil, at(err, field)
	}
	if _, err := p.set.Blobs.Put(ctx, tenant, blob.Uploaded, data, http.DetectContentType(data)); err != nil {
		return nil, fmt.Errorf("store picture: %w", err)
	}
	return p.describe(ctx, tenant, data)
}

func (p *Pictures) describe(ctx context.Context, tenant string, data []byte) (*gatewayv1.StoredPicture, error) {
	b := digest(data)
	width, height, err := p.set.Size(data)
	if err != nil {
		return nil, fmt.Errorf("read the picture's header: %w", err)
	}
	stored, there, err := p.set.Blobs.Stored(ctx, tenant, blob.Uploaded, b)
	if err == nil && !there {
		err = unknownPicture(pictureCollection + b.GetSha256())
	}
	if err != nil {
		return nil, err
	}
	return &gatewayv1.StoredPicture{
		Name: pictureCollection + b.GetSha256(), Blob: b, Width: int32(width), Height: int32(height),
		UpdateTime: timestamppb.New(stored), ExpireTime: timestamppb.New(stored.Add(blob.UploadedAge)),
	}, nil
}

// GetPicture implements PictureService.
func (p *Pictures) GetPicture(ctx context.Context, req *gatewayv1.GetPictureRequest) (*gatewayv1.StoredPicture, error) {
	call, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	data, err := uploaded(ctx, p.set.Blobs, call.Tenant, req.GetName())
	if err != nil {
		return nil, err
	}
	return p.describe(ctx, call.Tenant, data)
}

// DeletePicture implements PictureService.
func (p *Pictures) DeletePicture(ctx context.Context, req *gatewayv1.DeletePictureRequest) (*gatewayv1.DeletePictureResponse, error) {
	call, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	sha256, err := pictureDigest(req.GetName())
	if err != nil {
		return nil, err
	}
	b := &mediav1.Blob{Sha256: sha256}
	_, there, err := p.set.Blobs.Stored(ctx, call.Tenant, blob.Uploaded, b)
	if err == nil && !there {
		err = unknownPicture(req.GetName())
	}
	if err == nil {
		err = p.set.Blobs.Delete(ctx, call.Tenant, blob.Uploaded, b)
	}
	if err != nil {
		return nil, err
	}
	return new(gatewayv1.DeletePictureResponse), nil
}

// uploaded returns the bytes of a tenant's uploaded picture by its name, or
// UNKNOWN_PICTURE with field "name".
func uploaded(ctx context.Context, blobs Blobs, tenant, name string) ([]byte, error) {
	sha256, err := pictureDigest(name)
	if err != nil {
		return nil, err
	}
	data, there, err := blobs.Load(ctx, tenant, blob.Uploaded, sha256)
	if err == nil && !there {
		err = unknownPicture(name)
	}
	return data, err
}

func pictureDigest(name string) (string, error) {
	digest, ok := strings.CutPrefix(name, pictureCollection)
	if !ok || !digestPattern.MatchString(digest) {
		return "", BadName(name, "pictures/{sha256}")
	}
	return digest, nil
}

func checkDigest(field, text string) error {
	if !digestPattern.MatchString(text) {
		return fault.InvalidField(field, "%.80q is no SHA-256: write 64 lower-case hexadecimal digits", text)
	}
	return nil
}

func unknownPicture(name string) error {
	return fault.New(fault.NotFound, faultv1.Reason_REASON_UNKNOWN_PICTURE, "name",
		"there is no %s, or it was deleted or has expired: upload it again", name)
}
