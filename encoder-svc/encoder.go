// Package encoder is the encoder stage: it finds faces and embeds pictures,
// texts and faces with the models of a bundle.
package encoder

import (
	"context"
	"errors"
	"fmt"
	"io"

	"google.golang.org/grpc"

	"github.com/facestudio/facestudio/encoder-svc/internal/detect"
	"github.com/facestudio/facestudio/encoder-svc/internal/face"
	"github.com/facestudio/facestudio/encoder-svc/internal/image"
	"github.com/facestudio/facestudio/encoder-svc/internal/model"
	"github.com/facestudio/facestudio/encoder-svc/internal/rpc"
	"github.com/facestudio/facestudio/encoder-svc/internal/text"
	encoderv1 "github.com/facestudio/facestudio/proto/gen/facestudio/encoder/v1"
	"github.com/facestudio/facestudio/services/bundle"
	"github.com/facestudio/facestudio/services/imaging"
	"github.com/facestudio/facestudio/services/worker"
)

// Service is the encoder stage. It implements worker.Stage.
type Service struct {
	server *rpc.Server
	models []io.Closer
}

// Build is New as worker.Main takes it.
func Build(ctx context.Context, env worker.Env) (worker.Stage, error) { return New(ctx, env) }

// New loads the bundle's face detector, face encoder, image encoders and text
// encoder, and runs each of them once.
func New(ctx context.Context, env worker.Env) (*Service, error) {
	s := &Service{}
	err := s.load(env)
	if err == nil {
		err = s.warmUp(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func (s *Service) load(env worker.Env) error {
	manifest := &env.Bundle.Manifest
	network, err := model.NewDetector(env)
	if err != nil {
		return err
	}
	s.models = append(s.models, network)
	faces, err := s.embedder(env, bundle.FaceEncoderModel, "", "pixels")
	if err != nil {
		return err
	}
	var encoders []image.Encoder
	for _, spec := range manifest.ImageEncoders {
		pictures, err := s.embedder(env, bundle.ClipVision, spec.Name, "pixels")
		if err != nil {
			return err
		}
		encoders = append(encoders, image.Encoder{Network: pictures, Spec: spec})
	}
	texts, err := s.embedder(env, bundle.ClipText, "", "ids")
	if err != nil {
		return err
	}
	vocabulary, err := env.Bundle.Bytes(bundle.Tokenizer, "")
	if err != nil {
		return err
	}
	tokenizer, err := text.New(vocabulary, manifest.Text.MaxTokens)
	if err != nil {
		return err
	}
	detector := detect.New(network, manifest.FaceDetector)
	s.server = &rpc.Server{
		Bundle:      env.Bundle,
		Pictures:    env.Blobs,
		Detector:    detector,
		Faces:       face.New(detector, faces, manifest.FaceEncoder),
		Images:      image.New(encoders, manifest.StyleFaceMask),
		Texts:       tokenizer,
		TextNetwork: texts,
	}
	return nil
}

func (s *Service) embedder(env worker.Env, role bundle.Role, name, input string) (*model.Embedder, error) {
	e, err := model.NewEmbedder(env, role, name, input)
	if err != nil {
		return nil, err
	}
	s.models = append(s.models, e)
	return e, nil
}

// warmUp runs every model once: the first run of a graph allocates what later
// ones use again, and a provider may compile it then.
func (s *Service) warmUp(ctx context.Context) error {
	const side = 64
	if _, err := s.server.Detector.Faces(ctx, imaging.NewRGB(side, side)); err != nil {
		return fmt.Errorf("warm up: %w", err)
	}
	if err := s.server.Faces.WarmUp(ctx); err != nil {
		return fmt.Errorf("warm up: %w", err)
	}
	if _, err := s.server.Images.Embed(ctx, []image.Masked{{Picture: imaging.NewRGB(side, side)}}); err != nil {
		return fmt.Errorf("warm up: %w", err)
	}
	ids, err := s.server.Texts.Encode("")
	if err == nil {
		_, err = s.server.TextNetwork.Ints(ctx, [][]int64{ids})
	}
	if err != nil {
		return fmt.Errorf("warm up: %w", err)
	}
	return nil
}

// Register registers encoder.v1.
func (s *Service) Register(to grpc.ServiceRegistrar) {
	encoderv1.RegisterEncoderServiceServer(to, s.server)
}

// Close frees the models. No call may be under way.
func (s *Service) Close() error {
	var errs []error
	for _, m := range s.models {
		errs = append(errs, m.Close())
	}
	return errors.Join(errs...)
}
