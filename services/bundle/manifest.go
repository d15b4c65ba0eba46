package bundle

// Manifest is bundle.json in format 1. Every key must be there unless it says
// otherwise; unknown keys are refused.
type Manifest struct {
	// Format is the format of the file: 1.
	Format int `json:"format"`
	// Name is the bundle's name: lower-case letters, digits and hyphens.
	Name string `json:"name"`
	// Version is the version of the weights.
	Version string `json:"version"`
	// Licence is an SPDX identifier or "research-only".
	Licence string `json:"licence"`
	// CommercialUse says whether the bundle may be used commercially.
	CommercialUse bool `json:"commercial_use"`
	// Provenance tells how the weights came about.
	Provenance Provenance `json:"provenance"`
	// Canvas bounds the pictures that can be made.
	Canvas Canvas `json:"canvas"`
	// Latent describes the space of the VAE.
	Latent Latent `json:"latent"`
	// Pixels is how the VAE and the segmenter take pixels.
	Pixels Pixels `json:"pixels"`
	// Schedule is the noise schedule that the U-Net was trained on.
	Schedule Schedule `json:"schedule"`
	// Sampling has the defaults and limits of a request.
	Sampling Sampling `json:"sampling"`
	// NoiseVersion names the noise generator.
	NoiseVersion string `json:"noise_version"`
	// Guidance is the shape [T,C] of the guidance tokens.
	Guidance Guidance `json:"guidance"`
	// TextTokens is how many tokens of the text's hidden states stand first in
	// the context; 0 means none.
	TextTokens int `json:"text_tokens"`
	// Unconditional is what classifier-free guidance compares with:
	// "zero_embeddings" or "empty_prompt".
	Unconditional string `json:"unconditional"`
	// Embeddings has the widths of the embeddings.
	Embeddings Embeddings `json:"embeddings"`
	// ImageEncoders are the vision encoders, in the order in which their
	// outputs are concatenated.
	ImageEncoders []ImageEncoder `json:"image_encoders"`
	// Text describes the text encoder.
	Text Text `json:"text"`
	// FaceEncoder describes the face encoder and its alignment.
	FaceEncoder FaceEncoder `json:"face_encoder"`
	// Framing is how a photo is put on the canvas.
	Framing Framing `json:"framing"`
	// FaceDetector describes the face detector and how its outputs are read.
	FaceDetector FaceDetector `json:"face_detector"`
	// StyleFaceMask is how faces of a style picture are masked out.
	StyleFaceMask StyleFaceMask `json:"style_face_mask"`
	// Segmenter describes the person segmenter.
	Segmenter Segmenter `json:"segmenter"`
	// Prior describes the diffusion prior; nil when the bundle has none.
	Prior *Prior `json:"prior"`
	// BatchInvariant says for a role whether an element's result is the same
	// bits in every batch of two or more, on the CPU.
	BatchInvariant map[string]bool `json:"batch_invariant"`
	// BatchOneDiffers lists roles whose result in a batch of one differs in
	// the last bits from that in larger batches.
	BatchOneDiffers []string `json:"batch_one_differs"`
	// Files are all other files of the bundle.
	Files []File `json:"files"`
}

// Provenance tells how weights came about.
type Provenance struct {
	// Summary is one sentence.
	Summary string `json:"summary"`
	// Code names what made them.
	Code string `json:"code"`
	// ConfigSHA256 is the digest of the training configuration.
	ConfigSHA256 string `json:"config_sha256"`
	// TrainedOn lists data sets with their terms.
	TrainedOn []string `json:"trained_on"`
	// RandomWeights is true for bundles that only serve tests.
	RandomWeights bool `json:"random_weights"`
}

// Canvas bounds each side of a picture, in pixels.
type Canvas struct {
	Default    int `json:"default"`
	Min        int `json:"min"`
	Max        int `json:"max"`
	MultipleOf int `json:"multiple_of"`
}

// Latent describes latents: z = (vae_encoder(x) - Shift) * Scale, and back
// vae_decoder(z/Scale + Shift).
type Latent struct {
	// Channels is c in [B,c,h,w].
	Channels int `json:"channels"`
	// Factor is how many pixels a latent is wide.
	Factor int     `json:"factor"`
	Scale  float32 `json:"scale"`
	Shift  float32 `json:"shift"`
}

// Pixels is how a model takes RGB pixels v of 0..255: (v/255 - Mean) / Std for
// each channel.
type Pixels struct {
	Mean [3]float32 `json:"mean"`
	Std  [3]float32 `json:"std"`
}

// Spacing is how sampling steps are chosen from the training steps.
type Spacing struct {
	// TimestepSpacing is "trailing", "linspace" or "leading", as diffusers
	// calls them.
	TimestepSpacing string `json:"timestep_spacing"`
	// StepsOffset is added to the steps of "leading".
	StepsOffset int `json:"steps_offset"`
}

// Betas is a noise schedule.
type Betas struct {
	// TrainSteps is the number of training steps.
	TrainSteps int `json:"train_steps"`
	// BetaSchedule is "scaled_linear", "linear" or "squaredcos_cap_v2".
	BetaSchedule string `json:"beta_schedule"`
	// BetaStart is the first beta.
	BetaStart float64 `json:"beta_start"`
	// BetaEnd is the last beta.
	BetaEnd float64 `json:"beta_end"`
}

// Schedule is the U-Net's noise schedule.
type Schedule struct {
	Betas
	// Prediction is "v_prediction", "epsilon" or "sample".
	Prediction string `json:"prediction"`
	Spacing
}

// Sampling has defaults and limits of a request.
type Sampling struct {
	// Sampler is the default: "euler_ancestral", "euler", "ddim", "dpmpp_2m" or
	// "unipc".
	Sampler string `json:"sampler"`
	// Steps is the default number of steps.
	Steps int `json:"steps"`
	// GuidanceScale is the default scale of classifier-free guidance.
	GuidanceScale float32 `json:"guidance_scale"`
	// Corrections is the default number of corrections, 0..3: how often a picture
	// is made again with its face embeddings moved against what its faces lack.
	Corrections int `json:"corrections,omitempty"`
	// MaxSteps is the largest number of steps.
	MaxSteps int `json:"max_steps"`
	// MaxGuidanceScale is the largest scale.
	MaxGuidanceScale float32 `json:"max_guidance_scale"`
}

// Guidance is the shape of the guidance tokens [B,T,C].
type Guidance struct {
	// Tokens is T.
	Tokens int `json:"tokens"`
	// Width is C.
	Width int `json:"width"`
}

// Embeddings has the widths of the embeddings.
type Embeddings struct {
	// Image is the width of e_h, all image encoders together.
	Image int `json:"image"`
	// Text is the width of the text embedding.
	Text int `json:"text"`
	// Face is the width of e_f.
	Face int `json:"face"`
}

// ImageEncoder is one vision encoder: the file with role clip_vision and its
// name.
type ImageEncoder struct {
	// Name is the encoder's name.
	Name string `json:"name"`
	// Size is the side of the square that it takes, pixels.
	Size int `json:"size"`
	Pixels
	// Dim is the width of its embedding.
	Dim int `json:"dim"`
}

// Text describes the text encoder.
type Text struct {
	// MaxTokens is how many ids it takes, those that mark start and end among
	// them.
	MaxTokens int `json:"max_tokens"`
	// Tokenizer is the path of the file with role tokenizer.
	Tokenizer string `json:"tokenizer"`
	// Dim is the width of its embedding.
	Dim int `json:"dim"`
}
