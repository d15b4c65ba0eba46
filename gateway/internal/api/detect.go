package api

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"google.golang.org/protobuf/proto"

	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	gatewayv1 "github.com/facestudio/facestudio/proto/gen/facestudio/gateway/v1"
	mediav1 "github.com/facestudio/facestudio/proto/gen/facestudio/media/v1"
	"github.com/facestudio/facestudio/services/blob"
	"github.com/facestudio/facestudio/services/fault"
	"github.com/facestudio/facestudio/services/jobqueue"
)

const pictureField = "picture"

// DetectPeople implements PictureService.
func (p *Pictures) DetectPeople(ctx context.Context, req *gatewayv1.DetectPeopleRequest) (*gatewayv1.DetectPeopleResponse, error) {
	call, may, err := p.set.allow(ctx)
	if err != nil {
		return nil, err
	}
	picture := proto.CloneOf(req.GetPicture())
	if err := p.set.fetch(ctx, may, each([]*mediav1.Picture{picture}, func(int) string { return pictureField })); err != nil {
		return nil, err
	}
	if strings.HasPrefix(picture.GetName(), styleCollection) {
		if picture, err = p.set.Style(ctx, call.Tenant, picture.GetName()); err != nil {
			return nil, at(err, pictureField)
		}
	}
	data, err := pictureBytes(ctx, p.set.Blobs, call.Tenant, picture)
	if err == nil {
		err = p.set.CheckPicture(call.Tenant, data)
	}
	if err != nil {
		return nil, at(err, pictureField)
	}
	if err := p.set.served(ctx, encoderStage); err != nil {
		return nil, err
	}
	return p.detect(jobqueue.WithCall(ctx, call), call.Tenant, data)
}

// detect has a picture looked at. When it is gone before the encoder read it,
// since another look at the same one had just ended, it is stored again.
func (p *Pictures) detect(ctx context.Context, tenant string, data []byte) (*gatewayv1.DetectPeopleResponse, error) {
	ctx, done := context.WithTimeout(ctx, lookTime)
	defer done()
	for try := 1; ; try++ {
		b, err := p.set.Blobs.Put(ctx, tenant, blob.Day, data, http.DetectContentType(data))
		if err != nil {
			return nil, fmt.Errorf("store picture: %w", err)
		}
		found, err := p.set.Detect(ctx, &mediav1.Picture{Source: &mediav1.Picture_Blob{Blob: b}})
		if p.set.Drop != nil {
			p.set.Drop(tenant, []*mediav1.Blob{b})
		}
		if try == lookTries || !fault.Is(err, faultv1.Reason_REASON_BLOB_MISSING) {
			return found, err
		}
	}
}
