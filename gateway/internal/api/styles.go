package api

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"unicode/utf8"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/facestudio/facestudio/gateway/internal/filter"
	"github.com/facestudio/facestudio/gateway/internal/style"
	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	gatewayv1 "github.com/facestudio/facestudio/proto/gen/facestudio/gateway/v1"
	mediav1 "github.com/facestudio/facestudio/proto/gen/facestudio/media/v1"
	"github.com/facestudio/facestudio/services/fault"
	"github.com/facestudio/facestudio/services/jobqueue"
)

const styleCollection = "styles/"

// styleFilters is what filters of styles may say.
var styleFilters = filter.MustLanguage(nil)

// StyleStore keeps styles; *style.Store is one.
type StyleStore interface {
	Create(ctx context.Context, key jobqueue.RecordKey, record *gatewayv1.StyleRecord, data []byte) error
	Get(ctx context.Context, key jobqueue.RecordKey) (*gatewayv1.StyleRecord, error)
	List(ctx context.Context, tenant string) ([]*gatewayv1.Style, error)
	Remove(ctx context.Context, key jobqueue.RecordKey) error
}

// StylesSettings says what Styles is made of. All fields are needed.
type StylesSettings struct {
	// Settings are those of generations; of them the clock, randomness, signing
	// and the check of pictures are used.
	Settings
	// Blobs is where pictures are found that are given by name.
	Blobs Blobs
	// Store has the styles.
	Store StyleStore
	// Size returns width and height of a picture that was checked, pixels.
	Size func(data []byte) (width, height int, err error)
}

// Styles implements StyleService. It may be used by many goroutines.
type Styles struct {
	gatewayv1.UnimplementedStyleServiceServer
	set StylesSettings
}

// NewStyles returns the service.
func NewStyles(s StylesSettings) *Styles { return &Styles{set: s} }

// Register registers the service.
func (s *Styles) Register(to grpc.ServiceRegistrar) { gatewayv1.RegisterStyleServiceServer(to, s) }

// CreateStyle implements StyleService.
func (s *Styles) CreateStyle(ctx context.Context, req *gatewayv1.CreateStyleRequest) (*gatewayv1.Style, error) {
	call, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	id, err := newID(call.Tenant, req.GetRequestId(), s.set.Settings)
	if err != nil {
		return nil, err
	}
	key := jobqueue.RecordKey{Tenant: call.Tenant, ID: id}
	record, data, err := s.take(ctx, call.Tenant, req.GetStyle())
	if err != nil {
		return nil, err
	}
	record.Style.Name = style.Name(id)
	record.Style.CreateTime = timestamppb.New(s.set.Now())
	err = s.set.Store.Create(ctx, key, record, data)
	if errors.Is(err, style.ErrExists) {
		return s.replay(ctx, key, record)
	}
	if err != nil {
		return nil, err
	}
	return record.GetStyle(), nil
}

// take checks what is asked, and returns the record for it and the bytes of the
// picture. Nothing is stored.
func (s *Styles) take(ctx context.Context, tenant string, asked *gatewayv1.Style) (*gatewayv1.StyleRecord, []byte, error) {
	if n := utf8.RuneCountInString(asked.GetDisplayName()); n > maxName {
		return nil, nil, fault.InvalidField("display_name", "the name has %d characters, at most %d are kept: shorten it", n, maxName)
	}
	if err := checkLabels(asked.GetLabels()); err != nil {
		return nil, nil, err
	}
	data, err := pictureBytes(ctx, s.set.Blobs, tenant, asked.GetPicture())
	if err == nil {
		err = s.set.CheckPicture(tenant, data)
	}
	if err != nil {
		return nil, nil, at(err, "picture")
	}
	width, height, err := s.set.Size(data)
	if err != nil {
		return nil, nil, fmt.Errorf("read the picture's header: %w", err)
	}
	out := &gatewayv1.Style{
		DisplayName: asked.GetDisplayName(), Labels: asked.GetLabels(),
		Picture: &mediav1.Picture{Source: &mediav1.Picture_Blob{Blob: digest(data)}},
		Width:   int32(width), Height: int32(height),
	}
	canonical, err := proto.MarshalOptions{Deterministic: true}.Marshal(out)
	if err != nil {
		return nil, nil, fmt.Errorf("encode the request: %w", err)
	}
	sum := sha256.Sum256(canonical)
	return &gatewayv1.StyleRecord{Style: out, RequestDigest: sum[:]}, data, nil
}

// replay answers a repeated request with the first one's style, unless the two
// ask for different things.
func (s *Styles) replay(ctx context.Context, key jobqueue.RecordKey, again *gatewayv1.StyleRecord) (*gatewayv1.Style, error) {
	first, err := s.set.Store.Get(ctx, key)
	if err != nil {
		return nil, err
	}
	if !slices.Equal(first.GetRequestDigest(), again.GetRequestDigest()) {
		return nil, fault.New(fault.Conflict, faultv1.Reason_REASON_REQUEST_ID_REUSED, "request_id",
			"the request id was used before with another request; draw a new one for a new request")
	}
	return first.GetStyle(), nil
}

// GetStyle implements StyleService.
func (s *Styles) GetStyle(ctx context.Context, req *gatewayv1.GetStyleRequest) (*gatewayv1.Style, error) {
	key, err := styleKey(ctx, req.GetName())
	if err != nil {
		return nil, err
	}
	record, err := s.set.Store.Get(ctx, key)
	return record.GetStyle(), err
}

// ListStyles implements StyleService.
func (s *Styles) ListStyles(ctx context.Context, req *gatewayv1.ListStylesRequest) (*gatewayv1.ListStylesResponse, error) {
	call, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	wanted, err := styleFilters.Parse(req.GetFilter())
	if err != nil {
		return nil, err
	}
	list, err := s.set.Store.List(ctx, call.Tenant)
	if err != nil {
		return nil, err
	}
	list = slices.DeleteFunc(list, func(s *gatewayv1.Style) bool {
		return !wanted.Passes(filter.Entry{CreateTime: s.GetCreateTime().AsTime(), Labels: s.GetLabels()})
	})
	out := new(gatewayv1.ListStylesResponse)
	out.Styles, out.NextPageToken, err = pageOf(listing{
		sign: s.set.Sign, collection: "styles", tenant: call.Tenant, filter: req.GetFilter(),
		size: req.GetPageSize(), token: req.GetPageToken(),
	}, list)
	return out, err
}

// DeleteStyle implements StyleService.
func (s *Styles) DeleteStyle(ctx context.Context, req *gatewayv1.DeleteStyleRequest) (*gatewayv1.DeleteStyleResponse, error) {
	key, err := styleKey(ctx, req.GetName())
	if err != nil {
		return nil, err
	}
	if err := s.set.Store.Remove(ctx, key); err != nil {
		return nil, err
	}
	return new(gatewayv1.DeleteStyleResponse), nil
}

// styleKey returns the record that a resource name of the caller's means.
func styleKey(ctx context.Context, name string) (jobqueue.RecordKey, error) {
	call, err := caller(ctx)
	if err != nil {
		return jobqueue.RecordKey{}, err
	}
	id, ok := style.ParseName(name)
	if !ok {
		return jobqueue.RecordKey{}, BadName(name, "styles/{style}")
	}
	return jobqueue.RecordKey{Tenant: call.Tenant, ID: id}, nil
}
