package layout_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const prefix = "github.com/facestudio/facestudio/"

// allowed says which of our modules each module may import. Services never
// import each other.
var allowed = map[string][]string{
	"proto":         {},
	"services":      {"proto"},
	"encoder-svc":   {"proto", "services"},
	"prior-svc":     {"proto", "services"},
	"segmenter-svc": {"proto", "services"},
	"denoiser-svc":  {"proto", "services"},
	"gateway":       {"proto", "services"},
	"cli": {
		"proto", "services", "encoder-svc", "prior-svc", "segmenter-svc",
		"denoiser-svc", "gateway",
	},
	"examples": {"proto", "services"},
	// The services once more, with drivers that only who asks for them links.
	"cloud": {"proto", "services", "encoder-svc", "prior-svc", "segmenter-svc", "denoiser-svc", "gateway"},
}

// rooms says which packages of others are imported in one place only.
var rooms = map[string][]string{
	"github.com/yalue/onnxruntime_go":        {"services/ort"},
	"github.com/nats-io/nats.go/jetstream":   {"services/jobqueue", "cli/e2e"},
	"github.com/nats-io/nats-server/v2":      {"services/jobqueue", "cli/e2e"},
	"gocloud.dev/blob":                       {"services/blob", "cloud"},
	"gocloud.dev/secrets":                    {"services/seal", "cloud"},
	"golang.org/x/crypto":                    {"services/seal"},
	"google.golang.org/genproto/googleapis/": {"services/fault", "proto/client", "gateway/internal/filter"},
}

type imported struct{ file, path string }

func imports(t *testing.T, module string) []imported {
	t.Helper()
	root := filepath.Join("..", "..")
	var out []imported
	err := filepath.WalkDir(filepath.Join(root, module), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(path) != ".go" {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		for _, spec := range file.Imports {
			name, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			out = append(out, imported{filepath.ToSlash(rel), name})
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(out) == 0 {
		t.Fatalf("module %s has no imports: was it moved?", module)
	}
	return out
}

func TestImportsPointInOneDirection(t *testing.T) {
	for module, may := range allowed {
		t.Run(module, func(t *testing.T) {
			for _, i := range imports(t, module) {
				rest, ours := strings.CutPrefix(i.path, prefix)
				if !ours {
					continue
				}
				target, _, _ := strings.Cut(rest, "/")
				if target != module && !slices.Contains(may, target) {
					t.Errorf("%s imports %s: %s may import only %v of our modules", i.file, i.path, module, may)
				}
			}
		})
	}
}

func TestThirdPartyPackagesStayInTheirRoom(t *testing.T) {
	for module := range allowed {
		for _, i := range imports(t, module) {
			if strings.Contains(i.file, "/gen/") {
				continue
			}
			for path, homes := range rooms {
				inRoom := slices.ContainsFunc(homes, func(home string) bool { return strings.HasPrefix(i.file, home+"/") })
				if strings.HasPrefix(i.path, path) && !inRoom {
					t.Errorf("%s imports %s, which belongs to %v alone", i.file, i.path, homes)
				}
			}
		}
	}
}
