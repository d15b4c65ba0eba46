package bundle_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	"github.com/facestudio/facestudio/services/bundle"
	"github.com/facestudio/facestudio/services/fault"
	"github.com/facestudio/facestudio/services/testkit"
)

func TestOpenTiny(t *testing.T) {
	b := testkit.TinyBundle(t)
	data, err := os.ReadFile(filepath.Join(b.Dir(), "bundle.json"))
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(data)
	if want := hex.EncodeToString(sum[:]); b.Digest() != want || b.ID() != want[:12] {
		t.Errorf("digest %s, id %s, want %s", b.Digest(), b.ID(), want)
	}
	if !b.Has(bundle.PriorModel) || b.Has("nothing") {
		t.Error("Has is wrong about prior or nothing")
	}
	for _, f := range b.Manifest.Files {
		got, err := b.Bytes(f.Role, f.Name)
		if err != nil || int64(len(got)) != f.Bytes {
			t.Errorf("%s: %d bytes, %v", f.Path, len(got), err)
		}
		if _, contract, err := b.Graph(f.Role, f.Name); f.Role.IsGraph() && (err != nil || len(contract.Inputs) == 0) {
			t.Errorf("%s: contract %v, %v", f.Path, contract, err)
		}
	}
	if _, err := b.Bytes(bundle.ClipVision, "no such"); fault.From(err).Reason != faultv1.Reason_REASON_ROLE_MISSING {
		t.Errorf("got %v", err)
	}
}

// folder is a copy of the tiny bundle that a test damages.
type folder struct {
	t        *testing.T
	dir      string
	manifest map[string]any
}

func copyTiny(t *testing.T) *folder {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(testkit.TinyBundleDir(t))); err != nil {
		t.Fatal(err)
	}
	f := &folder{t: t, dir: dir}
	if err := json.Unmarshal(f.read("bundle.json"), &f.manifest); err != nil {
		t.Fatal(err)
	}
	return f
}

func (f *folder) read(name string) []byte {
	f.t.Helper()
	data, err := os.ReadFile(filepath.Join(f.dir, name))
	if err != nil {
		f.t.Fatal(err)
	}
	return data
}

func (f *folder) write(name string, data []byte) {
	f.t.Helper()
	if err := os.WriteFile(filepath.Join(f.dir, name), data, 0o600); err != nil {
		f.t.Fatal(err)
	}
}

func (f *folder) remove(name string) {
	f.t.Helper()
	if err := os.Remove(filepath.Join(f.dir, name)); err != nil {
		f.t.Fatal(err)
	}
}

// entry returns the manifest's entry of a file.
func (f *folder) entry(path string) map[string]any {
	f.t.Helper()
	for _, e := range f.manifest["files"].([]any) {
		if entry := e.(map[string]any); entry["path"] == path {
			return entry
		}
	}
	f.t.Fatalf("no %s in the manifest", path)
	return nil
}

// replace writes a file and its size and digest, as somebody would who wants
// to have it accepted.
func (f *folder) replace(path string, data []byte) {
	f.t.Helper()
	f.write(path, data)
	sum := sha256.Sum256(data)
	entry := f.entry(path)
	entry["sha256"], entry["bytes"] = hex.EncodeToString(sum[:]), len(data)
}

func (f *folder) object(key string) map[string]any { return f.manifest[key].(map[string]any) }

func (f *folder) open(o bundle.Options) error {
	f.t.Helper()
	data, err := json.Marshal(f.manifest)
	if err != nil {
		f.t.Fatal(err)
	}
	f.write("bundle.json", data)
	_, err = bundle.Open(f.dir, o)
	return err
}

func TestOpenRefuses(t *testing.T) {
	for name, test := range map[string]struct {
		damage func(*folder)
		field  string
		want   []string
	}{
		"missing file":       {func(f *folder) { f.remove("unet.onnx") }, "unet.onnx", []string{"is missing"}},
		"changed byte":       {func(f *folder) { flip(f, "vae_decoder.onnx") }, "vae_decoder.onnx", []string{"was changed", "restore the file"}},
		"shortened":          {func(f *folder) { f.write("unet.onnx", f.read("unet.onnx")[:100]) }, "unet.onnx", []string{"was changed: it has 100 bytes"}},
		"two wrong files":    {func(f *folder) { f.remove("unet.onnx"); flip(f, "prior.onnx") }, "prior.onnx", []string{"unet.onnx is missing", "prior.onnx was changed"}},
		"wrong shape":        {func(f *folder) { f.replace("vae_encoder.onnx", f.read("vae_decoder.onnx")) }, "vae_encoder.onnx", []string{"input pixels float [?,3,?,?] is missing", "vae_encoder"}},
		"not a graph":        {func(f *folder) { f.replace("unet.onnx", []byte("hello")) }, "unet.onnx", []string{"not an ONNX model"}},
		"pickle inside":      {func(f *folder) { f.replace("unet.onnx", []byte("\x80\x04\x95\x10")) }, "unet.onnx", []string{"not an ONNX model"}},
		"pickle by name":     {func(f *folder) { f.entry("unet.onnx")["path"] = "unet.pkl" }, "bundle.json", []string{"(unet.pkl) must be a .onnx file", "pickles"}},
		"external data":      {func(f *folder) { f.replace("unet.onnx", external(f.t)) }, "unet.onnx", []string{`tensor "w" has external data`}},
		"path outside":       {func(f *folder) { f.entry("unet.onnx")["path"] = "../unet.onnx" }, "bundle.json", []string{"(../unet.onnx) must be the name of a file in the bundle's folder"}},
		"absolute path":      {func(f *folder) { f.entry("unet.onnx")["path"] = "/etc/unet.onnx" }, "bundle.json", []string{"must be the name of a file"}},
		"path in a folder":   {func(f *folder) { f.entry("unet.onnx")["path"] = "a/unet.onnx" }, "bundle.json", []string{"must be the name of a file"}},
		"link":               {func(f *folder) { link(f, "unet.onnx") }, "unet.onnx", []string{"links and folders are refused"}},
		"unknown role":       {func(f *folder) { f.entry("unet.onnx")["role"] = "lora" }, "bundle.json", []string{`has the unknown role "lora"`, "has no file with role unet"}},
		"role twice":         {func(f *folder) { f.entry("vae_encoder.onnx")["role"] = "unet" }, "bundle.json", []string{"has 2 files with role unet", "no file with role vae_encoder"}},
		"file twice":         {func(f *folder) { f.entry("vae_encoder.onnx")["path"] = "unet.onnx" }, "bundle.json", []string{"is listed twice"}},
		"encoder of no name": {func(f *folder) { f.entry("clip_vision.vit_8.onnx")["name"] = "vit_9" }, "bundle.json", []string{"must have the name of one of image_encoders", "no file for the image encoder vit_8"}},
		"prior of no file":   {func(f *folder) { f.manifest["prior"] = nil }, "bundle.json", []string{"prior and a file with role prior"}},
		"another format":     {func(f *folder) { f.manifest["format"] = 2 }, "bundle.json", []string{"format is 2, this version reads format 1"}},
		"missing key":        {func(f *folder) { delete(f.object("latent"), "scale") }, "bundle.json", []string{"latent.scale is missing"}},
		"unknown key":        {func(f *folder) { f.manifest["lora"] = 1 }, "bundle.json", []string{"lora is not a key of format 1"}},
		"wrong type":         {func(f *folder) { f.object("canvas")["default"] = "128" }, "bundle.json", []string{"canvas.default must be a whole number"}},
		"short list":         {func(f *folder) { f.object("pixels")["mean"] = []int{0, 0} }, "bundle.json", []string{"pixels.mean must have 3 elements, it has 2"}},
		"all wrong at once": {func(f *folder) {
			f.manifest["name"], f.manifest["noise_version"] = "Bad Name", "dice"
			f.object("schedule")["beta_end"] = 2
			f.object("sampling")["steps"] = 0
			f.object("sampling")["corrections"] = 4
			f.object("style_face_mask")["fill"] = 300
		}, "bundle.json", []string{`name "Bad Name"`, `noise_version is "dice"`, "beta_end", "sampling.steps", "sampling.corrections must be 0..3", "style_face_mask.fill must be 0..255"}},
		"a similarity that cannot be": {func(f *folder) {
			f.object("face_encoder")["similarity"] = map[string]any{"strangers": map[string]any{"mean": 1, "deviation": 0}, "blend_share": 1.5}
		}, "bundle.json", []string{"similarity.strangers.mean must be a cosine", "strangers.deviation must be between", "blend_share must be between"}},
		"a similarity without its share": {func(f *folder) {
			f.object("face_encoder")["similarity"] = map[string]any{"strangers": map[string]any{"mean": 0.1, "deviation": 0.1}}
		}, "bundle.json", []string{"face_encoder.similarity.blend_share is missing"}},
		"a rescale that cannot be": {func(f *folder) { f.object("prior")["guidance_rescale"] = 1.5 }, "bundle.json", []string{"prior.guidance_rescale must be 0..1"}},
		"widths that disagree":     {func(f *folder) { f.object("embeddings")["image"] = 7 }, "bundle.json", []string{"embeddings.image is 7, the image encoders' dim add up to"}},
		"not JSON":                 {func(f *folder) { f.manifest = nil }, "bundle.json", []string{"must be a JSON object"}},
		"not fetched":              {func(f *folder) { f.entry("face_detector.onnx")["sha256"] = strings.Repeat("0", 64) }, "face_detector.onnx", []string{"was not fetched yet", "run scripts/setup-models.sh"}},
	} {
		t.Run(name, func(t *testing.T) {
			f := copyTiny(t)
			test.damage(f)
			err := f.open(bundle.Options{Cache: testkit.ModelCache(t)})
			if err == nil {
				t.Fatal("it was opened")
			}
			got := fault.From(err)
			if got.Reason != faultv1.Reason_REASON_BUNDLE_INVALID || got.Kind != fault.Precondition || got.Field != test.field {
				t.Errorf("reason %v, kind %v, field %q (want %q): %v", got.Reason, got.Kind, got.Field, test.field, err)
			}
			for _, part := range test.want {
				if !strings.Contains(got.Message, part) {
					t.Errorf("%q is not in %q", part, got.Message)
				}
			}
		})
	}
}

func TestOpenTellsTheSimilarityOfFaces(t *testing.T) {
	f := copyTiny(t)
	f.object("face_encoder")["similarity"] = map[string]any{"strangers": map[string]any{"mean": -0.01, "deviation": 0.07}, "blend_share": 0.35}
	o := bundle.Options{Cache: testkit.ModelCache(t)}
	if err := f.open(o); err != nil {
		t.Fatal(err)
	}
	opened, err := bundle.Open(f.dir, o)
	if err != nil {
		t.Fatal(err)
	}
	want := bundle.Similarity{Strangers: bundle.Spread{Mean: -0.01, Deviation: 0.07}, BlendShare: 0.35}
	if got := opened.Manifest.FaceEncoder.Similarity; got == nil || *got != want {
		t.Errorf("the similarity is %v", got)
	}
	if testkit.TinyBundle(t).Manifest.FaceEncoder.Similarity != nil {
		t.Error("the tiny bundle tells a similarity, of random weights")
	}
}

func TestOpenRequiresCommercial(t *testing.T) {
	f := copyTiny(t)
	o := bundle.Options{Cache: testkit.ModelCache(t), RequireCommercial: true}
	if err := f.open(o); err == nil || !strings.Contains(err.Error(), "commercial_use is false") {
		t.Errorf("got %v", err)
	}
	f.manifest["commercial_use"] = true
	if err := f.open(o); err != nil {
		t.Error(err)
	}
}

func TestBytesVerifiesAgain(t *testing.T) {
	f := copyTiny(t)
	b, err := bundle.Open(f.dir, bundle.Options{Cache: testkit.ModelCache(t)})
	if err != nil {
		t.Fatal(err)
	}
	flip(f, "unet.onnx")
	if _, err := b.Bytes(bundle.UNet, ""); fault.From(err).Reason != faultv1.Reason_REASON_BUNDLE_INVALID {
		t.Errorf("got %v", err)
	}
}

func TestOpenNoFolder(t *testing.T) {
	_, err := bundle.Open(filepath.Join(t.TempDir(), "nothing"), bundle.Options{})
	if f := fault.From(err); err == nil || f.Field != "bundle.json" || !strings.Contains(f.Message, "is missing") {
		t.Errorf("got %v", err)
	}
}

func flip(f *folder, name string) {
	data := bytes.Clone(f.read(name))
	data[len(data)/2] ^= 1
	f.write(name, data)
}

// link moves a file out of the folder and leaves a link to it.
func link(f *folder, name string) {
	f.t.Helper()
	target := filepath.Join(f.t.TempDir(), name)
	if err := os.Rename(filepath.Join(f.dir, name), target); err != nil {
		f.t.Fatal(err)
	}
	if err := os.Symlink(target, filepath.Join(f.dir, name)); err != nil {
		f.t.Fatal(err)
	}
}

func external(t *testing.T) []byte {
	t.Helper()
	data, err := os.ReadFile("../ort/testdata/external.onnx")
	if err != nil {
		t.Fatal(err)
	}
	return data
}
