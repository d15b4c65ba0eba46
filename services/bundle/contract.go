package bundle

import "github.com/facestudio/facestudio/services/onnx"

// Contract is what the graph of a role must take and give, by the manifest's
// sizes. name tells files of role clip_vision apart and is ignored for others.
// It is false for a role that is no graph, and for an image encoder that the
// manifest does not have.
func Contract(role Role, name string, m *Manifest) (onnx.Contract, bool) {
	const free = int(onnx.Dynamic)
	var (
		latent  = f32("latent", free, m.Latent.Channels, free, free)
		pixels  = f32("pixels", free, 3, free, free)
		inputs  []onnx.Value
		outputs []onnx.Value
	)
	switch role {
	case ClipVision:
		encoder, ok := m.ImageEncoder(name)
		if !ok {
			return onnx.Contract{}, false
		}
		inputs = values(f32("pixels", free, 3, encoder.Size, encoder.Size))
		outputs = values(f32("embed", free, encoder.Dim))
	case ClipText:
		inputs = values(onnx.Value{Name: "ids", Type: onnx.Int64, Shape: []int64{onnx.Dynamic, int64(m.Text.MaxTokens)}})
		outputs = values(f32("embed", free, m.Text.Dim))
	case PriorModel:
		inputs = values(f32("x", free, m.Embeddings.Image), f32("timestep", free), f32("text", free, m.Embeddings.Text))
		outputs = values(f32("x0", free, m.Embeddings.Image))
	case FaceDetectorModel:
		inputs, outputs = m.FaceDetector.contract()
	case FaceEncoderModel:
		inputs = values(f32("pixels", free, 3, m.FaceEncoder.Size, m.FaceEncoder.Size))
		outputs = values(f32("embed", free, m.FaceEncoder.Dim))
	case PersonSegmenter:
		inputs, outputs = values(f32("pixels", free, 4, free, free)), values(f32("mask", free, 1, free, free))
	case GuidanceModel:
		inputs = values(f32("image_embed", free, m.Embeddings.Image), f32("face_embed", free, m.Embeddings.Face))
		outputs = values(f32("tokens", free, m.Guidance.Tokens, m.Guidance.Width))
	case UNet:
		inputs = values(latent, f32("timestep", free),
			f32("context", free, free, m.Guidance.Tokens, m.Guidance.Width), f32("mask", free, free, free, free))
		outputs = values(f32("prediction", free, m.Latent.Channels, free, free))
	case VAEEncoder:
		inputs, outputs = values(pixels), values(latent)
	case VAEDecoder:
		inputs, outputs = values(latent), values(pixels)
	default:
		return onnx.Contract{}, false
	}
	title := string(role)
	if role == ClipVision {
		title += "." + name
	}
	return onnx.Contract{Role: title, Inputs: inputs, Outputs: outputs}, true
}

// ImageEncoder returns the image encoder of that name.
func (m *Manifest) ImageEncoder(name string) (ImageEncoder, bool) {
	for _, e := range m.ImageEncoders {
		if e.Name == name {
			return e, true
		}
	}
	return ImageEncoder{}, false
}

func (d *FaceDetector) contract() (inputs, outputs []onnx.Value) {
	side := d.Input.Size
	inputs = values(f32(d.Input.Name, 1, side, side, 3))
	if d.Input.Layout == "nchw" {
		inputs = values(f32(d.Input.Name, 1, 3, side, side))
	}
	for i, grid := range d.Grids {
		outputs = append(outputs,
			f32(d.Outputs.Scores[i], 1, grid.Anchors(), 1),
			f32(d.Outputs.Boxes[i], 1, grid.Anchors(), 4+2*len(d.Points)))
	}
	return inputs, outputs
}

func values(v ...onnx.Value) []onnx.Value { return v }

func f32(name string, shape ...int) onnx.Value {
	v := onnx.Value{Name: name, Type: onnx.Float32, Shape: make([]int64, len(shape))}
	for i, extent := range shape {
		v.Shape[i] = int64(extent)
	}
	return v
}
