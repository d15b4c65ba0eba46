package rpc

import (
	"fmt"
	"math"
	"slices"

	"github.com/facestudio/facestudio/encoder-svc/internal/detect"
	"github.com/facestudio/facestudio/encoder-svc/internal/quality"
	encoderv1 "github.com/facestudio/facestudio/proto/gen/facestudio/encoder/v1"
	mediav1 "github.com/facestudio/facestudio/proto/gen/facestudio/media/v1"
	"github.com/facestudio/facestudio/services/fault"
	"github.com/facestudio/facestudio/services/imaging"
	"github.com/facestudio/facestudio/services/tensor"
)

// boxesFrom reads the face boxes of a message at field.
func boxesFrom(boxes []*mediav1.Box, field string) ([]imaging.Box, error) {
	if len(boxes) > maxFacesOfPicture {
		return nil, fault.InvalidField(field+".faces", "has %d elements, at most %d are read", len(boxes), maxFacesOfPicture)
	}
	read := make([]imaging.Box, len(boxes))
	for i, b := range boxes {
		read[i] = imaging.Box{X: float64(b.GetX()), Y: float64(b.GetY()), W: float64(b.GetWidth()), H: float64(b.GetHeight())}
		numbers := []float64{read[i].X, read[i].Y, read[i].W, read[i].H}
		unusable := func(v float64) bool { return math.IsNaN(v) || math.IsInf(v, 0) }
		if slices.ContainsFunc(numbers, unusable) || read[i].W <= 0 || read[i].H <= 0 {
			return nil, fault.InvalidField(fmt.Sprintf("%s.faces[%d]", field, i), "must be finite, with a positive width and height")
		}
	}
	return read, nil
}

func (s *Server) face(f detect.Face) *mediav1.Face {
	out := &mediav1.Face{
		Box:   &mediav1.Box{X: float32(f.Box.X), Y: float32(f.Box.Y), Width: float32(f.Box.W), Height: float32(f.Box.H)},
		Score: float32(f.Score),
	}
	for i, name := range s.Detector.Names() {
		out.Landmarks = append(out.Landmarks, &mediav1.Landmark{
			Name:  name,
			Point: &mediav1.Point{X: float32(f.Points[i].X), Y: float32(f.Points[i].Y)},
		})
	}
	if yaw := quality.Yaw(s.Detector.Landmarks(f)); !math.IsNaN(yaw) {
		out.Yaw = new(float32(yaw))
	}
	return out
}

func figuresOf(f *quality.Figures) *encoderv1.FaceFigures {
	if f == nil {
		return nil
	}
	out := &encoderv1.FaceFigures{
		FacePixels: float32(f.FacePixels), Sharpness: float32(f.Sharpness), Brightness: float32(f.Brightness),
	}
	if !math.IsNaN(f.Yaw) {
		out.Yaw = new(float32(f.Yaw))
	}
	return out
}

// rows makes [B,D] of equally long rows.
func rows(embeddings [][]float32) *mediav1.Tensor {
	return tensor.ToProto(&tensor.Tensor{
		Shape: []int64{int64(len(embeddings)), int64(len(embeddings[0]))},
		Data:  slices.Concat(embeddings...),
	})
}
