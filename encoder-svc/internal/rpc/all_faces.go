package rpc

import (
	"context"

	"github.com/facestudio/facestudio/encoder-svc/internal/face"
	encoderv1 "github.com/facestudio/facestudio/proto/gen/facestudio/encoder/v1"
	"github.com/facestudio/facestudio/services/fault"
	"github.com/facestudio/facestudio/services/tensor"
)

// EmbedAllFaces implements encoder.v1.
func (s *Server) EmbedAllFaces(ctx context.Context, req *encoderv1.EmbedAllFacesRequest) (*encoderv1.EmbedAllFacesResponse, error) {
	if err := s.Bundle.Serves(req.GetBundle()); err != nil {
		return nil, err
	}
	picture, err := s.decode(ctx, req.GetPicture())
	if err != nil {
		return nil, fault.From(err).At("picture")
	}
	found, err := s.Faces.AlignAll(ctx, picture)
	if err != nil {
		return nil, err
	}
	out := &encoderv1.EmbedAllFacesResponse{}
	var aligned []face.Aligned
	var owners []*encoderv1.EmbeddedFace
	for _, f := range found {
		entry := &encoderv1.EmbeddedFace{Face: s.face(f.Face)}
		out.Faces = append(out.Faces, entry)
		if f.Err != nil {
			entry.Fault = fault.ToProto(fault.From(f.Err))
			continue
		}
		aligned, owners = append(aligned, f.Aligned), append(owners, entry)
	}
	if len(aligned) == 0 {
		return out, nil
	}
	embeddings, err := s.Faces.Embed(ctx, aligned)
	if err != nil {
		return nil, err
	}
	for i, entry := range owners {
		entry.Embedding = tensor.ToProto(&tensor.Tensor{Shape: []int64{int64(len(embeddings[i]))}, Data: embeddings[i]})
	}
	return out, nil
}
