// Package rpc serves segmenter.v1 with the domain's segmenter: messages in,
// domain, messages out.
package rpc

import (
	"context"
	"fmt"
	"math"
	"slices"

	mediav1 "github.com/facestudio/facestudio/proto/gen/facestudio/media/v1"
	segmenterv1 "github.com/facestudio/facestudio/proto/gen/facestudio/segmenter/v1"
	"github.com/facestudio/facestudio/segmenter-svc/internal/people"
	"github.com/facestudio/facestudio/services/blob"
	"github.com/facestudio/facestudio/services/fault"
	"github.com/facestudio/facestudio/services/imaging"
	"github.com/facestudio/facestudio/services/jobqueue"
)

// Limits of a request, as segmenter.proto says them.
const (
	maxFaces = 8
	maxSide  = 4096
)

// Pictures gives and stores the bytes of pictures.
type Pictures interface {
	Picture(ctx context.Context, tenant string, p *mediav1.Picture) ([]byte, error)
	PutPicture(ctx context.Context, tenant, retention string, data []byte, mediaType string) (*mediav1.Picture, error)
}

// Bundle tells whether a request means the bundle that is served.
type Bundle interface {
	Serves(digest string) error
}

// Server implements segmenter.v1. All its fields are needed.
type Server struct {
	segmenterv1.UnimplementedSegmenterServiceServer

	Bundle   Bundle
	Pictures Pictures
	People   *people.Segmenter
}

// SegmentPeople implements segmenter.v1.
func (s *Server) SegmentPeople(ctx context.Context, req *segmenterv1.SegmentPeopleRequest) (*segmenterv1.SegmentPeopleResponse, error) {
	if err := s.Bundle.Serves(req.GetBundle()); err != nil {
		return nil, err
	}
	boxes, err := boxesFrom(req.GetFaces())
	if err != nil {
		return nil, err
	}
	for field, side := range map[string]int32{"width": req.GetWidth(), "height": req.GetHeight()} {
		if side < 0 || side > maxSide {
			return nil, fault.InvalidField(field, "is %d, must be 0..%d", side, maxSide)
		}
	}
	call, _ := jobqueue.CallFrom(ctx)
	data, err := s.Pictures.Picture(ctx, call.Tenant, req.GetPicture())
	if err != nil {
		return nil, fault.From(err).At("picture")
	}
	picture, err := imaging.Decode(data, imaging.Limits{})
	if err != nil {
		return nil, fault.From(err).At("picture")
	}
	w, h := int(req.GetWidth()), int(req.GetHeight())
	if w == 0 {
		w = picture.W
	}
	if h == 0 {
		h = picture.H
	}
	masks, err := s.People.Masks(ctx, picture, boxes, w, h)
	if err != nil {
		return nil, err
	}
	out := &segmenterv1.SegmentPeopleResponse{}
	for _, mask := range masks {
		png, err := mask.EncodePNG()
		if err != nil {
			return nil, fmt.Errorf("encode a mask: %w", err)
		}
		m, err := s.Pictures.PutPicture(ctx, call.Tenant, blob.Day, png, "image/png")
		if err != nil {
			return nil, err
		}
		out.Masks = append(out.Masks, m)
	}
	return out, nil
}

// boxesFrom reads the face boxes of a request.
func boxesFrom(boxes []*mediav1.Box) ([]imaging.Box, error) {
	if len(boxes) < 1 || len(boxes) > maxFaces {
		return nil, fault.InvalidField("faces", "has %d elements, must have 1..%d", len(boxes), maxFaces)
	}
	read := make([]imaging.Box, len(boxes))
	for i, b := range boxes {
		read[i] = imaging.Box{X: float64(b.GetX()), Y: float64(b.GetY()), W: float64(b.GetWidth()), H: float64(b.GetHeight())}
		numbers := []float64{read[i].X, read[i].Y, read[i].W, read[i].H}
		unusable := func(v float64) bool { return math.IsNaN(v) || math.IsInf(v, 0) }
		if slices.ContainsFunc(numbers, unusable) || read[i].W <= 0 || read[i].H <= 0 {
			return nil, fault.InvalidField(fmt.Sprintf("faces[%d]", i), "must be finite, with a positive width and height")
		}
	}
	return read, nil
}
