package api

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"google.golang.org/protobuf/types/known/durationpb"

	denoiserv1 "github.com/facestudio/facestudio/proto/gen/facestudio/denoiser/v1"
	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	gatewayv1 "github.com/facestudio/facestudio/proto/gen/facestudio/gateway/v1"
	"github.com/facestudio/facestudio/services/bundle"
	"github.com/facestudio/facestudio/services/diffusion"
	"github.com/facestudio/facestudio/services/fault"
)

// Limits of a request that no bundle changes; they stand in the proto.
const (
	maxPhotos      = 32
	maxPictures    = 8
	maxPrompt      = 2000
	maxName        = 63
	maxLabels      = 16
	maxSubjects    = 8
	minMix         = 2
	minTimeout     = time.Second
	maxTimeout     = 24 * time.Hour
	defaultTimeout = 10 * time.Minute
	defaultAlpha   = 0.5
)

var (
	tenantPattern    = regexp.MustCompile(`^[A-Za-z0-9_-]{1,63}$`)
	requestIDPattern = regexp.MustCompile(`^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`)
)

// validate checks everything that can be known without looking at the
// pictures, and tidies the prompt. Its faults name the field of the generation.
func validate(g *gatewayv1.Generation, m *bundle.Manifest) error {
	g.Prompt = strings.TrimSpace(g.GetPrompt())
	for _, check := range []func(*gatewayv1.Generation, *bundle.Manifest) error{
		checkSubjects, checkGuidance, checkInPlace, checkBackground, checkSampling, checkCanvas, checkRoom, checkTries, checkRest,
	} {
		if err := check(g, m); err != nil {
			return err
		}
	}
	return nil
}

func checkGuidance(g *gatewayv1.Generation, m *bundle.Manifest) error {
	style, text := g.GetStyle() != nil, g.GetPrompt() != ""
	if !style && !text {
		return fault.New(fault.Invalid, faultv1.Reason_REASON_NOTHING_TO_MAKE, "",
			"neither a style picture nor a prompt says what to make: give style, prompt, or both")
	}
	if n := utf8.RuneCountInString(g.GetPrompt()); n > maxPrompt {
		return fault.New(fault.Invalid, faultv1.Reason_REASON_PROMPT_TOO_LONG, "prompt",
			"the prompt has %d characters, at most %d are taken: shorten it", n, maxPrompt)
	}
	if text && m.Prior == nil {
		return fault.New(fault.Precondition, faultv1.Reason_REASON_ROLE_MISSING, "prompt",
			"bundle %s has no prior, so prompts cannot guide: give a style picture alone, or serve another bundle", m.Name)
	}
	if g.Alpha != nil {
		if err := checkAlpha("alpha", g.GetAlpha(), style, text); err != nil {
			return err
		}
	}
	for i, subject := range g.GetSubjects() {
		if subject.Alpha == nil {
			continue
		}
		if err := checkAlpha(fmt.Sprintf("subjects[%d].alpha", i), subject.GetAlpha(), style, text); err != nil {
			return err
		}
	}
	return nil
}

func checkAlpha(field string, alpha float32, style, text bool) error {
	switch {
	case !(alpha >= 0 && alpha <= 1):
		return fault.InvalidField(field, "%v is outside 0..1: 1 follows the style picture alone, 0 the prompt alone", alpha)
	case alpha > 0 && !style:
		return fault.InvalidField(field, "%v gives weight to a style picture, and there is none: give style, or leave alpha out", alpha)
	case alpha < 1 && !text:
		return fault.InvalidField(field, "%v gives weight to a prompt, and there is none: give prompt, or leave alpha out", alpha)
	}
	return nil
}

func checkBackground(g *gatewayv1.Generation, _ *bundle.Manifest) error {
	if _, ok := denoiserv1.Background_name[int32(g.GetBackground())]; !ok {
		return fault.InvalidField("background", "%d is no background: use BACKGROUND_RANDOM_IDENTITY, BACKGROUND_MEAN or BACKGROUND_KEEP", g.GetBackground())
	}
	if g.GetBackground() == denoiserv1.Background_BACKGROUND_KEEP && g.GetStyle() == nil {
		return fault.InvalidField("background", "there is no style picture whose background could be kept: give style, or another background")
	}
	return nil
}

func checkSampling(g *gatewayv1.Generation, m *bundle.Manifest) error {
	limits := m.Sampling
	if g.Steps != nil && (g.GetSteps() < 1 || int(g.GetSteps()) > limits.MaxSteps) {
		return fault.InvalidField("steps", "%d is outside 1..%d: leave it out for %d", g.GetSteps(), limits.MaxSteps, limits.Steps)
	}
	if scale := g.GetGuidanceScale(); g.GuidanceScale != nil && !(scale >= 1 && scale <= limits.MaxGuidanceScale) {
		return fault.InvalidField("guidance_scale", "%v is outside 1..%v: leave it out for %v", scale, limits.MaxGuidanceScale, limits.GuidanceScale)
	}
	if err := checkSampler(g, m); err != nil {
		return err
	}
	if err := checkStrength(g, m); err != nil {
		return err
	}
	if n := g.GetPictureCount(); g.PictureCount != nil && (n < 1 || n > maxPictures) {
		return fault.InvalidField("picture_count", "%d is outside 1..%d: ask again for more", n, maxPictures)
	}
	if n := g.GetCorrections(); n < 0 || n > bundle.MaxCorrections {
		return fault.InvalidField("corrections", "%d is outside 0..%d: leave it out for %d", n, bundle.MaxCorrections, limits.Corrections)
	}
	if n := g.GetPreviewEvery(); n < 0 || int(n) > limits.MaxSteps {
		return fault.InvalidField("preview_every", "%d is outside 0..%d: 0 sends no previews", n, limits.MaxSteps)
	}
	return nil
}

// methods are the samplers by their names in the API.
var methods = map[denoiserv1.Sampler]diffusion.Method{
	denoiserv1.Sampler_SAMPLER_EULER_ANCESTRAL: diffusion.EulerAncestral,
	denoiserv1.Sampler_SAMPLER_EULER:           diffusion.Euler,
	denoiserv1.Sampler_SAMPLER_DDIM:            diffusion.DDIM,
	denoiserv1.Sampler_SAMPLER_DPMPP_2M:        diffusion.DPMPP2M,
	denoiserv1.Sampler_SAMPLER_UNIPC:           diffusion.UniPC,
}

func checkSampler(g *gatewayv1.Generation, m *bundle.Manifest) error {
	method, ok := methods[g.GetSampler()]
	switch {
	case g.GetSampler() == denoiserv1.Sampler_SAMPLER_UNSPECIFIED:
		method = diffusion.Method(m.Sampling.Sampler)
	case !ok:
		return fault.InvalidField("sampler", "%d is no sampler: leave it out for the bundle's default", g.GetSampler())
	}
	if g.GetKarrasSigmas() && !method.HasKarras() {
		return fault.InvalidField("karras_sigmas", "sampler %s does not have them: use SAMPLER_EULER, SAMPLER_DPMPP_2M or SAMPLER_UNIPC, or leave them out", method)
	}
	return nil
}

// checkStrength wants a style picture to start from and at least one step.
func checkStrength(g *gatewayv1.Generation, m *bundle.Manifest) error {
	if g.Strength == nil {
		return nil
	}
	strength, steps := g.GetStrength(), int(g.GetSteps())
	if g.Steps == nil {
		steps = m.Sampling.Steps
	}
	switch {
	case !(strength > 0 && strength <= 1):
		return fault.InvalidField("strength", "%v is outside 0..1, 0 itself left out, which would be the style picture as it is: leave it out to start from noise alone", strength)
	case g.GetStyle() == nil:
		return fault.InvalidField("strength", "there is no style picture to start from: give style, or leave strength out")
	case diffusion.FirstStep(steps, strength) == steps:
		return fault.InvalidField("strength", "%v of %d steps is not one step: raise strength or steps", strength, steps)
	}
	return nil
}

func checkCanvas(g *gatewayv1.Generation, m *bundle.Manifest) error {
	side := func(field string, set bool, n int32) error {
		c := m.Canvas
		if set && (int(n) < c.Min || int(n) > c.Max || int(n)%c.MultipleOf != 0) {
			return fault.InvalidField(field, "%d pixels are not possible with bundle %s: use a multiple of %d in %d..%d, or leave it out for %d",
				n, m.Name, c.MultipleOf, c.Min, c.Max, c.Default)
		}
		return nil
	}
	if err := side("width", g.Width != nil, g.GetWidth()); err != nil {
		return err
	}
	return side("height", g.Height != nil, g.GetHeight())
}

func checkRest(g *gatewayv1.Generation, _ *bundle.Manifest) error {
	if t := g.GetTimeout(); t != nil {
		if d := t.AsDuration(); t.CheckValid() != nil || d < minTimeout || d > maxTimeout {
			return fault.InvalidField("timeout", "it is outside %v..%v: leave it out for %v", minTimeout, maxTimeout, defaultTimeout)
		}
	}
	return checkLabels(g.GetLabels())
}

// checkLabels checks the free text that helps callers to find things again.
func checkLabels(labels map[string]string) error {
	if n := len(labels); n > maxLabels {
		return fault.InvalidField("labels", "there are %d labels, at most %d are kept: leave some out", n, maxLabels)
	}
	for _, key := range slices.Sorted(maps.Keys(labels)) {
		if n := utf8.RuneCountInString(key); n < 1 || n > maxName {
			return fault.InvalidField("labels", "the key %.80q has %d characters: use 1 to %d", key, n, maxName)
		}
		if n := utf8.RuneCountInString(labels[key]); n > maxName {
			return fault.InvalidField(fmt.Sprintf("labels[%q]", key), "the value has %d characters: use at most %d", n, maxName)
		}
	}
	return nil
}

// fillDefaults sets what the caller left out, but for the seed.
func fillDefaults(g *gatewayv1.Generation, m *bundle.Manifest) {
	setDefault(&g.Alpha, defaultAlphaOf(g))
	setDefault(&g.Steps, int32(m.Sampling.Steps))
	setDefault(&g.GuidanceScale, m.Sampling.GuidanceScale)
	setDefault(&g.PictureCount, 1)
	setDefault(&g.Corrections, defaultCorrections(g, int32(m.Sampling.Corrections)))
	setDefault(&g.Width, int32(m.Canvas.Default))
	setDefault(&g.Height, int32(m.Canvas.Default))
	if g.GetBackground() == denoiserv1.Background_BACKGROUND_UNSPECIFIED {
		g.Background = denoiserv1.Background_BACKGROUND_RANDOM_IDENTITY
		if g.GetInPlace() {
			g.Background = denoiserv1.Background_BACKGROUND_KEEP
		}
	}
	setDefault(&g.RefineFaces, defaultRefine(g, int32(m.Canvas.Default)))
	fillTries(g)
	if g.GetTimeout() == nil {
		g.Timeout = durationpb.New(defaultTimeout)
	}
}

func defaultAlphaOf(g *gatewayv1.Generation) float32 {
	switch {
	case g.GetPrompt() == "":
		return 1
	case g.GetStyle() == nil:
		return 0
	default:
		return defaultAlpha
	}
}

// defaultCorrections is none where words guide the picture: a correction brings
// back the face of the photo, without the beard or the glasses that they ask for.
func defaultCorrections(g *gatewayv1.Generation, bundles int32) int32 {
	worded := func(s *gatewayv1.GenerationSubject) bool { return s.Alpha != nil && s.GetAlpha() < 1 }
	if g.GetPrompt() != "" && (g.GetAlpha() < 1 || slices.ContainsFunc(g.GetSubjects(), worded)) {
		return 0
	}
	return bundles
}

// defaultRefine tells whether heads are refined unless the caller says: where a
// picture is no portrait, as people stand beside each other or away from the
// middle, or the canvas is another than that of the bundle's portraits.
func defaultRefine(g *gatewayv1.Generation, side int32) bool {
	subjects := g.GetSubjects()
	portrait := len(subjects) == 1 && subjects[0].GetAt() == nil && g.GetWidth() == side && g.GetHeight() == side
	return !portrait && !g.GetInPlace() && g.Strength == nil
}

func setDefault[T any](field **T, value T) {
	if *field == nil {
		*field = &value
	}
}
