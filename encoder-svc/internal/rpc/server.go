// Package rpc serves encoder.v1 with the domain's parts: messages in, domain,
// messages out.
package rpc

import (
	"context"
	"fmt"
	"unicode/utf8"

	"github.com/facestudio/facestudio/encoder-svc/internal/detect"
	"github.com/facestudio/facestudio/encoder-svc/internal/face"
	"github.com/facestudio/facestudio/encoder-svc/internal/image"
	encoderv1 "github.com/facestudio/facestudio/proto/gen/facestudio/encoder/v1"
	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	mediav1 "github.com/facestudio/facestudio/proto/gen/facestudio/media/v1"
	"github.com/facestudio/facestudio/services/fault"
	"github.com/facestudio/facestudio/services/imaging"
	"github.com/facestudio/facestudio/services/jobqueue"
	"github.com/facestudio/facestudio/services/tensor"
)

// Limits of a request, as encoder.proto says them.
const (
	maxImages         = 16
	maxTexts          = 16
	maxTextRunes      = 2000
	maxPhotos         = 32
	maxFacesOfPicture = 64
)

// Texts turns texts into ids.
type Texts interface {
	Encode(text string) ([]int64, error)
}

// TextNetwork embeds rows of ids.
type TextNetwork interface {
	Ints(ctx context.Context, rows [][]int64) ([][]float32, error)
}

// Pictures gives the bytes of pictures, inline or stored.
type Pictures interface {
	Picture(ctx context.Context, tenant string, p *mediav1.Picture) ([]byte, error)
}

// Bundle tells whether a request means the bundle that is served.
type Bundle interface {
	Serves(digest string) error
}

// Server implements encoder.v1. All its fields are needed.
type Server struct {
	encoderv1.UnimplementedEncoderServiceServer

	Bundle      Bundle
	Pictures    Pictures
	Detector    *detect.Detector
	Faces       *face.Embedder
	Images      *image.Embedder
	Texts       Texts
	TextNetwork TextNetwork
}

// EmbedImages implements encoder.v1.
func (s *Server) EmbedImages(ctx context.Context, req *encoderv1.EmbedImagesRequest) (*encoderv1.EmbedImagesResponse, error) {
	if err := s.check(req.GetBundle(), "images", len(req.GetImages()), maxImages); err != nil {
		return nil, err
	}
	pictures := make([]image.Masked, len(req.GetImages()))
	for i, m := range req.GetImages() {
		field := fmt.Sprintf("images[%d]", i)
		boxes, err := boxesFrom(m.GetFaces(), field)
		if err != nil {
			return nil, err
		}
		picture, err := s.decode(ctx, m.GetPicture())
		if err != nil {
			return nil, fault.From(err).At(field + ".picture")
		}
		pictures[i] = image.Masked{Picture: picture, Faces: boxes}
	}
	embeddings, err := s.Images.Embed(ctx, pictures)
	if err != nil {
		return nil, err
	}
	return &encoderv1.EmbedImagesResponse{Embeddings: rows(embeddings)}, nil
}

// EmbedTexts implements encoder.v1.
func (s *Server) EmbedTexts(ctx context.Context, req *encoderv1.EmbedTextsRequest) (*encoderv1.EmbedTextsResponse, error) {
	if err := s.check(req.GetBundle(), "texts", len(req.GetTexts()), maxTexts); err != nil {
		return nil, err
	}
	ids := make([][]int64, len(req.GetTexts()))
	for i, text := range req.GetTexts() {
		field := fmt.Sprintf("texts[%d]", i)
		if n := utf8.RuneCountInString(text); n > maxTextRunes {
			return nil, fault.New(fault.Invalid, faultv1.Reason_REASON_PROMPT_TOO_LONG, field,
				"the text has %d characters, at most %d are read: shorten it", n, maxTextRunes)
		}
		encoded, err := s.Texts.Encode(text)
		if err != nil {
			return nil, fault.From(err).At(field)
		}
		ids[i] = encoded
	}
	embeddings, err := s.TextNetwork.Ints(ctx, ids)
	if err != nil {
		return nil, fmt.Errorf("embed the texts: %w", err)
	}
	return &encoderv1.EmbedTextsResponse{Embeddings: rows(embeddings)}, nil
}

// DetectFaces implements encoder.v1.
func (s *Server) DetectFaces(ctx context.Context, req *encoderv1.DetectFacesRequest) (*encoderv1.DetectFacesResponse, error) {
	if err := s.Bundle.Serves(req.GetBundle()); err != nil {
		return nil, err
	}
	picture, err := s.decode(ctx, req.GetPicture())
	if err != nil {
		return nil, fault.From(err).At("picture")
	}
	found, err := s.Detector.Faces(ctx, picture)
	if err != nil {
		return nil, fmt.Errorf("find the faces: %w", err)
	}
	out := &encoderv1.DetectFacesResponse{Width: int32(picture.W), Height: int32(picture.H)}
	for _, f := range found {
		out.Faces = append(out.Faces, s.face(f))
	}
	return out, nil
}

// EmbedFaces implements encoder.v1.
func (s *Server) EmbedFaces(ctx context.Context, req *encoderv1.EmbedFacesRequest) (*encoderv1.EmbedFacesResponse, error) {
	if err := s.check(req.GetBundle(), "photos", len(req.GetPhotos()), maxPhotos); err != nil {
		return nil, err
	}
	out := &encoderv1.EmbedFacesResponse{}
	var aligned []face.Aligned
	var owners []*encoderv1.EmbeddedFace
	for i, photo := range req.GetPhotos() {
		entry := &encoderv1.EmbeddedFace{}
		out.Faces = append(out.Faces, entry)
		one, err := s.align(ctx, photo, face.Demands{Largest: req.GetLargestOfSeveral(), Strict: req.GetStrict()})
		entry.Figures = figuresOf(one.Figures)
		if err != nil {
			// Only what is wrong with the photo itself is its own verdict;
			// anything else fails the call, which may then be repeated.
			verdict := fault.From(err).At(fmt.Sprintf("photos[%d]", i))
			if verdict.Kind != fault.Invalid {
				return nil, verdict
			}
			entry.Fault = fault.ToProto(verdict)
			continue
		}
		aligned, owners = append(aligned, one), append(owners, entry)
	}
	embeddings, err := s.Faces.Embed(ctx, aligned)
	if err != nil {
		return nil, err
	}
	for i, entry := range owners {
		entry.Face = s.face(aligned[i].Face)
		entry.Embedding = tensor.ToProto(&tensor.Tensor{Shape: []int64{int64(len(embeddings[i]))}, Data: embeddings[i]})
	}
	return out, nil
}

func (s *Server) align(ctx context.Context, photo *mediav1.Picture, want face.Demands) (face.Aligned, error) {
	picture, err := s.decode(ctx, photo)
	if err != nil {
		return face.Aligned{}, err
	}
	return s.Faces.Align(ctx, picture, want)
}

func (s *Server) decode(ctx context.Context, p *mediav1.Picture) (*imaging.RGB, error) {
	call, _ := jobqueue.CallFrom(ctx)
	data, err := s.Pictures.Picture(ctx, call.Tenant, p)
	if err != nil {
		return nil, err
	}
	return imaging.Decode(data, imaging.Limits{})
}

func (s *Server) check(bundle, field string, n, limit int) error {
	if err := s.Bundle.Serves(bundle); err != nil {
		return err
	}
	if n < 1 || n > limit {
		return fault.InvalidField(field, "has %d elements, must have 1..%d", n, limit)
	}
	return nil
}
