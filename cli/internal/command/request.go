package command

import (
	"cmp"
	"fmt"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/types/known/durationpb"

	denoiserv1 "github.com/facestudio/facestudio/proto/gen/facestudio/denoiser/v1"
	gatewayv1 "github.com/facestudio/facestudio/proto/gen/facestudio/gateway/v1"
	mediav1 "github.com/facestudio/facestudio/proto/gen/facestudio/media/v1"
)

// wish is what the flags of generate say.
type wish struct {
	people
	choice
	style, prompt string
	alpha         float32
	seed          uint64
	steps, count  int32
	guidance      float32
	width, height int32
	size          string
	background    string
	sampler       string
	karras        bool
	strength      float32
	inPlace       bool
	refine        bool
	corrections   int32
	timeout       time.Duration
	previewEvery  int32
	labels        map[string]string
	webhook       string
}

var backgrounds = map[string]denoiserv1.Background{
	"random": denoiserv1.Background_BACKGROUND_RANDOM_IDENTITY,
	"mean":   denoiserv1.Background_BACKGROUND_MEAN,
	"keep":   denoiserv1.Background_BACKGROUND_KEEP,
}

var samplers = map[string]denoiserv1.Sampler{
	"euler-ancestral": denoiserv1.Sampler_SAMPLER_EULER_ANCESTRAL,
	"euler":           denoiserv1.Sampler_SAMPLER_EULER,
	"ddim":            denoiserv1.Sampler_SAMPLER_DDIM,
	"dpmpp-2m":        denoiserv1.Sampler_SAMPLER_DPMPP_2M,
	"unipc":           denoiserv1.Sampler_SAMPLER_UNIPC,
}

func samplerNames() []string {
	return slices.SortedFunc(maps.Keys(samplers), func(a, b string) int { return cmp.Compare(samplers[a], samplers[b]) })
}

func (w *wish) register(cmd *cobra.Command) {
	f := cmd.Flags()
	f.SortFlags = false
	w.people.register(f)
	f.StringVar(&w.style, "style", "", "picture that says what the result looks like but for the face")
	f.StringVar(&w.prompt, "prompt", "", "what the result should show, in words")
	f.Float32Var(&w.alpha, "alpha", 0, "weight of the style against the prompt, 0..1 (default: 1 with only a style, 0 with only a prompt, 0.5 with both)")
	f.Uint64Var(&w.seed, "seed", 0, "seed of all noise; the same seed makes the same picture (default: drawn, and told)")
	f.Int32Var(&w.steps, "steps", 0, "sampling steps, 1..100 (default: the bundle's)")
	f.Float32Var(&w.guidance, "guidance", 0, "classifier-free guidance scale, from 1 to the limit of the bundle (default: the bundle's)")
	f.Int32Var(&w.count, "count", 0, "number of pictures, 1..8 (default: 1)")
	f.Int32Var(&w.width, "width", 0, "width, pixels (default: the bundle's)")
	f.Int32Var(&w.height, "height", 0, "height, pixels (default: the bundle's)")
	f.StringVar(&w.size, "size", "", "width and height at once, for example 256x128; several people need a wide picture")
	f.StringVar(&w.background, "background", "", "what guides the pixels that belong to nobody: random, mean or keep (keep leaves the style's)")
	f.StringVar(&w.sampler, "sampler", "", "how noise becomes the picture: "+strings.Join(samplerNames(), ", ")+" (default: the bundle's)")
	f.BoolVar(&w.karras, "karras", false, "space the noise levels as Karras et al. 2022; for euler, dpmpp-2m and unipc")
	f.Float32Var(&w.strength, "strength", 0, "start from the style picture, noised to this share of the steps, above 0 to 1 (default: start from noise alone)")
	f.BoolVar(&w.inPlace, "in-place", false, "put the people into the style picture itself, a photo of any size: their heads are made anew, every other pixel stays")
	f.BoolVar(&w.refine, "refine", false, "make every head anew in the finished picture, alone and upright (default: with several people, --at, or another size than the bundle's own; --refine=false leaves it out)")
	f.Int32Var(&w.corrections, "corrections", 0, "make it again so many times, 0..3, with the faces' embeddings moved against what the faces lack, while they get more similar (default: the bundle's, 0 with a prompt)")
	w.choice.register(f)
	f.DurationVar(&w.timeout, "timeout", 0, "how long it may take (default: 10m)")
	f.StringToStringVar(&w.labels, "label", nil, "key=value that helps to find it again")
	f.Lookup("label").DefValue = ""
	f.StringVar(&w.webhook, "webhook", "", "https URL that is told when the generation has ended; with --server")
}

// generation reads the files and builds the request. Flags that were not given
// stay unset, so that the server's defaults hold.
func (w *wish) generation(cmd *cobra.Command) (*gatewayv1.Generation, error) {
	given := cmd.Flags().Changed
	g := &gatewayv1.Generation{Prompt: w.prompt, Labels: w.labels, PreviewEvery: w.previewEvery, InPlace: w.inPlace, KarrasSigmas: w.karras, WebhookUrl: w.webhook}
	var err error
	if g.Subjects, err = w.subjects(); err != nil {
		return nil, err
	}
	if w.style != "" {
		style, err := readPhoto(w.style, "--style "+w.style)
		if err != nil {
			return nil, err
		}
		g.Style = style
	}
	if given("background") {
		background, ok := backgrounds[strings.ToLower(w.background)]
		if !ok {
			return nil, usage("--background %s is unknown: use random, mean or keep", w.background)
		}
		g.Background = background
	}
	if given("sampler") {
		sampler, ok := samplers[strings.ToLower(w.sampler)]
		if !ok {
			return nil, usage("--sampler %s is unknown: use %s", w.sampler, strings.Join(samplerNames(), ", "))
		}
		g.Sampler = sampler
	}
	if given("size") {
		if given("width") || given("height") {
			return nil, usage("--size %s: it is width and height, leave --width and --height out", w.size)
		}
		var rest string
		if n, _ := fmt.Sscanf(w.size, "%dx%d%s", &w.width, &w.height, &rest); n != 2 {
			return nil, usage("--size %s: write WIDTHxHEIGHT, for example 256x128", w.size)
		}
		g.Width, g.Height = &w.width, &w.height
	}
	w.set(cmd, g)
	for name, set := range map[string]func(){
		"alpha":       func() { g.Alpha = &w.alpha },
		"seed":        func() { g.Seed = &w.seed },
		"steps":       func() { g.Steps = &w.steps },
		"guidance":    func() { g.GuidanceScale = &w.guidance },
		"count":       func() { g.PictureCount = &w.count },
		"width":       func() { g.Width = &w.width },
		"height":      func() { g.Height = &w.height },
		"strength":    func() { g.Strength = &w.strength },
		"refine":      func() { g.RefineFaces = &w.refine },
		"corrections": func() { g.Corrections = &w.corrections },
		"timeout":     func() { g.Timeout = durationpb.New(w.timeout) },
	} {
		if given(name) {
			set()
		}
	}
	return g, nil
}

// stored is a picture that the mesh has, by its name there.
var stored = regexp.MustCompile(`^(pictures/[0-9a-f]{64}|styles/[0-9a-v]{26})$`)

func readPhoto(path, field string) (*mediav1.Picture, error) {
	if stored.MatchString(path) {
		return &mediav1.Picture{Source: &mediav1.Picture_Name{Name: path}}, nil
	}
	data, err := readFile(path, field)
	if err != nil {
		return nil, err
	}
	return &mediav1.Picture{Source: &mediav1.Picture_Data{Data: data}}, nil
}

// flag is the flag, with its file, that a request field came from; the field
// itself when it came from none.
func (w *wish) flag(field string) string {
	field = strings.TrimPrefix(field, "generation.")
	if flag, ok := w.people.flag(field); ok {
		return flag
	}
	if flag, ok := w.choice.flag(field); ok {
		return flag
	}
	switch field {
	case "style":
		return "--style " + w.style
	case "guidance_scale":
		return "--guidance"
	case "picture_count":
		return "--count"
	case "webhook_url":
		return "--webhook"
	case "labels":
		return "--label"
	case "in_place":
		return "--in-place"
	case "refine_faces":
		return "--refine"
	case "karras_sigmas":
		return "--karras"
	case "width", "height":
		if w.size != "" {
			return "--size"
		}
		return "--" + field
	case "prompt", "alpha", "seed", "steps", "background", "sampler", "strength", "corrections", "timeout":
		return "--" + field
	}
	return field
}

// outputs are the files that the pictures go to: the path itself for one,
// numbered ones for several.
func outputs(path string, count int) []string {
	if count <= 1 {
		return []string{path}
	}
	extension := filepath.Ext(path)
	out := make([]string, count)
	for i := range out {
		out[i] = fmt.Sprintf("%s-%d%s", strings.TrimSuffix(path, extension), i, extension)
	}
	return out
}
