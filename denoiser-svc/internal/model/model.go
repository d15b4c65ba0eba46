// Package model runs the denoiser's graphs: it knows their tensors' names and
// the space of the latents, and nothing of what they are for.
package model

import (
	"context"
	"errors"
	"fmt"

	"github.com/facestudio/facestudio/services/bundle"
	"github.com/facestudio/facestudio/services/ort"
	"github.com/facestudio/facestudio/services/tensor"
	"github.com/facestudio/facestudio/services/worker"
)

// Models are the graphs of the denoiser. They may be used by many goroutines.
type Models struct {
	guidance, unet, encoder, decoder *ort.Session

	batching bundle.Batching
	latent   bundle.Latent
}

// maxRows bounds a run of the guidance graph: two rows for each of 8 people
// and one more.
const maxRows = 17

// Load loads the graphs of env's bundle. The caller closes them.
func Load(env worker.Env) (_ *Models, err error) {
	manifest := &env.Bundle.Manifest
	m := &Models{batching: manifest.Batching(bundle.GuidanceModel, maxRows), latent: manifest.Latent}
	defer func() {
		if err != nil {
			err = errors.Join(err, m.Close())
		}
	}()
	for role, session := range map[bundle.Role]**ort.Session{
		bundle.GuidanceModel: &m.guidance, bundle.UNet: &m.unet,
		bundle.VAEEncoder: &m.encoder, bundle.VAEDecoder: &m.decoder,
	} {
		data, contract, err := env.Bundle.Graph(role, "")
		if err != nil {
			return nil, err
		}
		*session, err = env.Runtime.Load(data, contract, ort.SessionOptions{Provider: env.Provider, IntraThreads: env.Threads, Slots: env.Slots})
		if err != nil {
			return nil, err
		}
	}
	return m, nil
}

// Close frees the graphs. No run may be under way.
func (m *Models) Close() error {
	var errs []error
	for _, session := range []*ort.Session{m.guidance, m.unet, m.encoder, m.decoder} {
		if session != nil {
			errs = append(errs, session.Close())
		}
	}
	return errors.Join(errs...)
}

// Tokens returns the guidance tokens [B,T,C] of image embeddings [B,D] and
// face embeddings [B,F]. Each row's result depends on that row alone.
func (m *Models) Tokens(ctx context.Context, image, face *tensor.Tensor) (*tensor.Tensor, error) {
	var tokens *tensor.Tensor
	rows := int(image.Dim(0))
	for first := 0; first < rows; first += m.batching.Max {
		wanted := min(rows-first, m.batching.Max)
		count := max(wanted, m.batching.Min)
		images, faces := tensor.New(int64(count), image.Dim(1)), tensor.New(int64(count), face.Dim(1))
		for i := range wanted {
			copy(images.Row(i).Data, image.Row(first+i).Data)
			copy(faces.Row(i).Data, face.Row(first+i).Data)
		}
		out, err := run(ctx, m.guidance, "tokens", map[string]*tensor.Tensor{"image_embed": images, "face_embed": faces})
		if err != nil {
			return nil, err
		}
		if tokens == nil {
			tokens = tensor.New(int64(rows), out.Dim(1), out.Dim(2))
		}
		for i := range wanted {
			copy(tokens.Row(first+i).Data, out.Row(i).Data)
		}
	}
	return tokens, nil
}

// Denoise returns the U-Net's prediction [B,c,h,w] for latent [B,c,h,w],
// timestep [B], context [B,N,T,C] and mask [B,N,h,w].
func (m *Models) Denoise(ctx context.Context, latent, timestep, tokens, mask *tensor.Tensor) (*tensor.Tensor, error) {
	return run(ctx, m.unet, "prediction", map[string]*tensor.Tensor{
		"latent": latent, "timestep": timestep, "context": tokens, "mask": mask,
	})
}

// Encode returns the latents [1,c,h,w] of pixels [1,3,H,W], normalised as the
// U-Net takes them: (z - shift) * scale.
func (m *Models) Encode(ctx context.Context, pixels *tensor.Tensor) (*tensor.Tensor, error) {
	latent, err := run(ctx, m.encoder, "latent", map[string]*tensor.Tensor{"pixels": pixels})
	if err != nil {
		return nil, err
	}
	for i, z := range latent.Data {
		latent.Data[i] = (z - m.latent.Shift) * m.latent.Scale
	}
	return latent, nil
}

// Decode returns the pixels [1,3,H,W] of latents [1,c,h,w] that Encode or the
// sampler made: of z / scale + shift.
func (m *Models) Decode(ctx context.Context, latent *tensor.Tensor) (*tensor.Tensor, error) {
	z := latent.Clone()
	for i, v := range z.Data {
		z.Data[i] = v/m.latent.Scale + m.latent.Shift
	}
	return run(ctx, m.decoder, "pixels", map[string]*tensor.Tensor{"latent": z})
}

func run(ctx context.Context, session *ort.Session, output string, inputs map[string]*tensor.Tensor) (*tensor.Tensor, error) {
	out, err := session.Run(ctx, inputs)
	if err != nil {
		return nil, err
	}
	if !out[output].Finite() {
		return nil, fmt.Errorf("run %s: it computed values that are infinite or undefined", session.Contract().Role)
	}
	return out[output], nil
}
