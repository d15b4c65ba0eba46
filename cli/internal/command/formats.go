package command

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	gatewayv1 "github.com/facestudio/facestudio/proto/gen/facestudio/gateway/v1"
)

// formats are those that results have, by the ending of their files.
var formats = map[string]gatewayv1.OutputFormat{
	".png":  gatewayv1.OutputFormat_OUTPUT_FORMAT_PNG,
	".jpg":  gatewayv1.OutputFormat_OUTPUT_FORMAT_JPEG,
	".jpeg": gatewayv1.OutputFormat_OUTPUT_FORMAT_JPEG,
	".webp": gatewayv1.OutputFormat_OUTPUT_FORMAT_WEBP,
}

// formatOf is the format that the name of a result's file asks for.
func formatOf(path string) (gatewayv1.OutputFormat, error) {
	format, ok := formats[strings.ToLower(filepath.Ext(path))]
	if !ok {
		return 0, usage("--output %s: pictures are PNG, JPEG or WebP, name the file .png, .jpg or .webp", path)
	}
	return format, checkFolder(path)
}

// checkOutput finds a place that a PNG cannot be written to before any work is
// done.
func checkOutput(path string) error {
	if ext := filepath.Ext(path); ext != ".png" {
		return usage("--output %s: it is PNG, name the file .png", path)
	}
	return checkFolder(path)
}

func checkFolder(path string) error {
	dir := filepath.Dir(path)
	info, err := os.Stat(dir)
	if err != nil || !info.IsDir() {
		return usage("--output %s: there is no folder %s, make it first", path, dir)
	}
	return nil
}

// checkFits refuses a file whose name says another format than a generation's
// pictures have.
func checkFits(path string, g *gatewayv1.Generation) error {
	asked, err := formatOf(path)
	has := g.GetOutputFormat()
	if has == gatewayv1.OutputFormat_OUTPUT_FORMAT_UNSPECIFIED {
		has = gatewayv1.OutputFormat_OUTPUT_FORMAT_PNG
	}
	if err != nil || asked == has {
		return err
	}
	for _, ending := range slices.Sorted(maps.Keys(formats)) {
		if formats[ending] == has {
			return usage("--output %s: the pictures of %s are %s, name the file %s",
				path, g.GetName(), strings.TrimPrefix(has.String(), "OUTPUT_FORMAT_"), ending)
		}
	}
	return nil
}

// choice is what flags say about which of several tries is kept.
type choice struct {
	bestOf, maxTries, firstIndex int32
	minSimilarity                float32
}

func (c *choice) register(f *pflag.FlagSet) {
	f.Int32Var(&c.bestOf, "best-of", 0, "make so many for each picture and keep the one whose faces are most similar, 1..8 (default: 1)")
	f.Float32Var(&c.minSimilarity, "min-similarity", 0, "try again while a face is less similar than this, -1..1 (default: no new try)")
	f.Int32Var(&c.maxTries, "max-tries", 0, "new tries at most for each picture, 1..8, with --min-similarity (default: 3)")
	f.Int32Var(&c.firstIndex, "first-index", 0, "index of the seed's picture to begin with; picture i of a seed is always the same")
}

// set puts what was given into a request.
func (c *choice) set(cmd *cobra.Command, g *gatewayv1.Generation) {
	given := cmd.Flags().Changed
	if given("best-of") {
		g.BestOf = &c.bestOf
	}
	if given("min-similarity") {
		g.MinSimilarity = &c.minSimilarity
	}
	if given("max-tries") {
		g.MaxTries = &c.maxTries
	}
	g.FirstIndex = c.firstIndex
}

// flag is the flag that a request field came from.
func (c *choice) flag(field string) (string, bool) {
	switch field {
	case "best_of", "min_similarity", "max_tries", "first_index":
		return "--" + strings.ReplaceAll(field, "_", "-"), true
	case "output_format":
		return "--output", true
	}
	return "", false
}
