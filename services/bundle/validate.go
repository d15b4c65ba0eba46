package bundle

import (
	"regexp"
	"slices"
	"strings"
)

var (
	namePattern   = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)
	digestPattern = regexp.MustCompile(`^[0-9a-f]{64}$`)
	fetchPattern  = regexp.MustCompile(`^npm:(@[a-z0-9._-]+/)?[a-z0-9._-]+@[0-9A-Za-z.+-]+#[^\s#]+$`)
)

const (
	maxExtent   = 1 << 16 // of any width or number of tokens; keeps sums and products small
	maxSide     = 8192    // of a picture, pixels
	maxFileSize = 1 << 35
)

// NoiseVersion is the noise generator that this version has.
const NoiseVersion = "philox4x32-10/1"

// validate returns all that is wrong with the values of a manifest.
func (m *Manifest) validate() problems {
	var p problems
	p.check(namePattern.MatchString(m.Name), "name", "%q must be lower-case letters, digits and single hyphens", m.Name)
	p.check(m.Version != "", "version", "must not be empty")
	p.check(m.Licence != "", "licence", "must be an SPDX identifier or research-only")
	p.check(digestPattern.MatchString(m.Provenance.ConfigSHA256), "provenance.config_sha256", "must be 64 lower-case hexadecimal digits")
	m.validatePictures(&p)
	m.validateMethod(&p)
	m.validateEmbeddings(&p)
	m.validateFaces(&p)
	m.validateFiles(&p)
	for role := range m.BatchInvariant {
		p.check(Role(role).IsGraph(), "batch_invariant."+role, "is no role of a graph")
	}
	for _, role := range m.BatchOneDiffers {
		p.check(Role(role).IsGraph(), "batch_one_differs", "has %q, which is no role of a graph", role)
	}
	slices.SortFunc(p, func(a, b problem) int { return strings.Compare(a.where, b.where) })
	return p
}

func (m *Manifest) validatePictures(p *problems) {
	c := m.Canvas
	p.extent("canvas.multiple_of", c.MultipleOf, maxSide)
	p.extent("latent.channels", m.Latent.Channels, 1024)
	p.extent("latent.factor", m.Latent.Factor, 256)
	if c.MultipleOf > 0 && m.Latent.Factor > 0 {
		p.check(c.MultipleOf%m.Latent.Factor == 0, "canvas.multiple_of", "must be a multiple of latent.factor, %d", m.Latent.Factor)
		for key, side := range map[string]int{"canvas.min": c.Min, "canvas.default": c.Default, "canvas.max": c.Max} {
			p.check(side > 0 && side <= maxSide && side%c.MultipleOf == 0, key, "must be a multiple of canvas.multiple_of, 1..%d", maxSide)
		}
	}
	p.check(c.Min <= c.Default && c.Default <= c.Max, "canvas", "must have min <= default <= max")
	p.check(m.Latent.Scale > 0, "latent.scale", "must be positive")
	p.pixels("pixels", m.Pixels)
	p.oneOf("segmenter.cue", m.Segmenter.Cue, "box_plane")
	p.extent("segmenter.multiple_of", m.Segmenter.MultipleOf, 256)
}

func (m *Manifest) validateMethod(p *problems) {
	p.betas("schedule", m.Schedule.Betas)
	p.spacing("schedule", m.Schedule.Spacing, m.Schedule.TrainSteps)
	p.oneOf("schedule.prediction", m.Schedule.Prediction, "v_prediction", "epsilon", "sample")
	s := m.Sampling
	p.oneOf("sampling.sampler", s.Sampler, "euler_ancestral", "euler", "ddim", "dpmpp_2m", "unipc")
	p.check(s.MaxSteps > 0 && s.MaxSteps <= m.Schedule.TrainSteps, "sampling.max_steps", "must be 1..schedule.train_steps")
	p.check(s.Steps > 0 && s.Steps <= s.MaxSteps, "sampling.steps", "must be 1..max_steps")
	p.check(s.MaxGuidanceScale >= 1, "sampling.max_guidance_scale", "must be at least 1")
	p.check(s.GuidanceScale > 0 && s.GuidanceScale <= s.MaxGuidanceScale, "sampling.guidance_scale", "must be above 0, at most max_guidance_scale")
	p.check(s.Corrections >= 0 && s.Corrections <= MaxCorrections, "sampling.corrections", "must be 0..3")
	p.oneOf("noise_version", m.NoiseVersion, NoiseVersion)
	p.oneOf("unconditional", m.Unconditional, "zero_embeddings", "empty_prompt")
	p.extent("guidance.tokens", m.Guidance.Tokens, maxExtent)
	p.extent("guidance.width", m.Guidance.Width, maxExtent)
	p.check(m.TextTokens >= 0 && m.TextTokens <= m.Guidance.Tokens, "text_tokens", "must be 0..guidance.tokens")
	if m.Prior != nil {
		p.betas("prior.schedule", m.Prior.Schedule.Betas)
		p.spacing("prior.schedule", m.Prior.Schedule.Spacing, m.Prior.Schedule.TrainSteps)
		p.oneOf("prior.prediction", m.Prior.Prediction, "x0")
		p.oneOf("prior.sampler", m.Prior.Sampler, "ddim")
		p.check(m.Prior.Steps > 0 && m.Prior.Steps <= m.Prior.Schedule.TrainSteps, "prior.steps", "must be 1..prior.schedule.train_steps")
		p.check(m.Prior.GuidanceScale > 0, "prior.guidance_scale", "must be positive")
		p.check(m.Prior.GuidanceRescale >= 0 && m.Prior.GuidanceRescale <= 1, "prior.guidance_rescale", "must be 0..1")
	}
}

func (m *Manifest) validateEmbeddings(p *problems) {
	p.extent("embeddings.image", m.Embeddings.Image, maxExtent)
	sum := 0
	names := map[string]bool{}
	for _, e := range m.ImageEncoders {
		key := "image_encoders." + e.Name
		p.check(e.Name != "" && !names[e.Name], "image_encoders", "must have names, each once")
		names[e.Name] = true
		p.extent(key+".size", e.Size, maxSide)
		p.extent(key+".dim", e.Dim, maxExtent)
		p.pixels(key, e.Pixels)
		sum += e.Dim
	}
	p.check(len(names) == 0 || sum == m.Embeddings.Image, "embeddings.image", "is %d, the image encoders' dim add up to %d", m.Embeddings.Image, sum)
	p.extent("text.max_tokens", m.Text.MaxTokens, maxExtent)
	p.check(m.Text.MaxTokens >= 3, "text.max_tokens", "must be at least 3: start, one piece, end")
	p.extent("embeddings.text", m.Embeddings.Text, maxExtent)
	p.check(m.Text.Dim == m.Embeddings.Text, "text.dim", "must be embeddings.text, %d", m.Embeddings.Text)
	p.extent("embeddings.face", m.Embeddings.Face, maxExtent)
	p.check(m.FaceEncoder.Dim == m.Embeddings.Face, "face_encoder.dim", "must be embeddings.face, %d", m.Embeddings.Face)
}

func (p *problems) extent(where string, n, limit int) {
	p.check(n > 0 && n <= limit, where, "must be 1..%d, it is %d", limit, n)
}

func (p *problems) oneOf(where, got string, known ...string) {
	p.check(slices.Contains(known, got), where, "is %q, known: %s", got, strings.Join(known, ", "))
}

func (p *problems) pixels(where string, n Pixels) {
	for _, std := range n.Std {
		p.check(std > 0, where+".std", "must be positive")
	}
}

func (p *problems) betas(where string, b Betas) {
	p.extent(where+".train_steps", b.TrainSteps, 100_000)
	p.oneOf(where+".beta_schedule", b.BetaSchedule, "scaled_linear", "linear", "squaredcos_cap_v2")
	p.check(b.BetaStart > 0 && b.BetaStart <= b.BetaEnd && b.BetaEnd < 1, where+".beta_start", "and beta_end must be 0 < beta_start <= beta_end < 1")
}

func (p *problems) spacing(where string, s Spacing, trainSteps int) {
	p.oneOf(where+".timestep_spacing", s.TimestepSpacing, "trailing", "linspace", "leading")
	p.check(s.StepsOffset >= 0 && s.StepsOffset < trainSteps, where+".steps_offset", "must be 0..train_steps-1")
}
