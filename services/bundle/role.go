package bundle

// Role is what a file is for.
type Role string

// The roles.
const (
	// ClipVision embeds pictures; a bundle may have several.
	ClipVision Role = "clip_vision"
	// ClipText embeds texts.
	ClipText Role = "clip_text"
	// PriorModel turns text embeddings into image embeddings; optional.
	PriorModel Role = "prior"
	// FaceDetectorModel finds faces.
	FaceDetectorModel Role = "face_detector"
	// FaceEncoderModel embeds faces.
	FaceEncoderModel Role = "face_encoder"
	// PersonSegmenter finds the pixels of a person.
	PersonSegmenter Role = "person_segmenter"
	// GuidanceModel turns embeddings into guidance tokens.
	GuidanceModel Role = "guidance"
	// UNet predicts noise.
	UNet Role = "unet"
	// VAEEncoder turns pictures into latents.
	VAEEncoder Role = "vae_encoder"
	// VAEDecoder turns latents into pictures.
	VAEDecoder Role = "vae_decoder"
	// Tokenizer is the text encoder's vocabulary.
	Tokenizer Role = "tokenizer"
	// Card is the model card.
	Card Role = "card"
)

// rule is what holds for the files of a role.
type rule struct {
	min, max  int // how many files there are
	extension string
}

var rules = map[Role]rule{
	ClipVision:        {0, 16, ".onnx"},
	ClipText:          {1, 1, ".onnx"},
	PriorModel:        {0, 1, ".onnx"},
	FaceDetectorModel: {1, 1, ".onnx"},
	FaceEncoderModel:  {1, 1, ".onnx"},
	PersonSegmenter:   {1, 1, ".onnx"},
	GuidanceModel:     {1, 1, ".onnx"},
	UNet:              {1, 1, ".onnx"},
	VAEEncoder:        {1, 1, ".onnx"},
	VAEDecoder:        {1, 1, ".onnx"},
	Tokenizer:         {1, 1, ".json"},
	Card:              {1, 1, ".md"},
}

// IsGraph reports whether files of the role are ONNX graphs.
func (r Role) IsGraph() bool { return rules[r].extension == ".onnx" }
