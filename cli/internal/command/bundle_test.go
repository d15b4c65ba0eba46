package command_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/facestudio/facestudio/services/testkit"
)

// copied is a copy of the tiny bundle that a test may break.
type copied struct {
	t   *testing.T
	dir string
}

func copyBundle(t *testing.T) copied {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(testkit.TinyBundleDir(t))); err != nil {
		t.Fatal(err)
	}
	return copied{t, dir}
}

func (c copied) read(name string) []byte {
	c.t.Helper()
	data, err := os.ReadFile(filepath.Join(c.dir, name))
	if err != nil {
		c.t.Fatal(err)
	}
	return data
}

func (c copied) write(name string, data []byte) {
	c.t.Helper()
	if err := os.WriteFile(filepath.Join(c.dir, name), data, 0o600); err != nil {
		c.t.Fatal(err)
	}
}

// edit changes the manifest's entry of a file.
func (c copied) edit(name string, change func(entry map[string]any)) {
	c.t.Helper()
	var manifest map[string]any
	if err := json.Unmarshal(c.read("bundle.json"), &manifest); err != nil {
		c.t.Fatal(err)
	}
	files, _ := manifest["files"].([]any)
	for _, f := range files {
		if entry, ok := f.(map[string]any); ok && entry["path"] == name {
			change(entry)
		}
	}
	data, err := json.Marshal(manifest)
	if err != nil {
		c.t.Fatal(err)
	}
	c.write("bundle.json", data)
}

// replace writes a file with its digest, so that only the graph itself is
// wrong.
func (c copied) replace(name string, data []byte) {
	c.t.Helper()
	c.write(name, data)
	sum := sha256.Sum256(data)
	c.edit(name, func(entry map[string]any) {
		entry["sha256"], entry["bytes"] = hex.EncodeToString(sum[:]), len(data)
	})
}

// external is an ONNX model's bytes with one more initializer whose data is in
// another file. Protocol buffers that follow each other are merged: this is
// ModelProto.graph (7) { initializer (5) { name (8) "w", data_type (2) FLOAT,
// external_data (13) { key (1) "location", value (2) "/etc/passwd" },
// data_location (14) EXTERNAL } }.
func external(model []byte) []byte {
	entry := "\x0a\x08location\x12\x0b/etc/passwd"
	tensor := "\x42\x01w\x10\x01\x6a" + string(rune(len(entry))) + entry + "\x70\x01"
	graph := "\x2a" + string(rune(len(tensor))) + tensor
	return append(append([]byte{}, model...), "\x3a"+string(rune(len(graph)))+graph...)
}

func TestVerify(t *testing.T) {
	tests := []struct {
		name string
		harm func(copied)
		file string
	}{
		{"whole", func(copied) {}, ""},
		{"missing file", func(c copied) { _ = os.Remove(filepath.Join(c.dir, "unet.onnx")) }, "unet.onnx"},
		{"changed byte", func(c copied) {
			data := c.read("unet.onnx")
			data[len(data)/2] ^= 1
			c.write("unet.onnx", data)
		}, "unet.onnx"},
		{"wrong shape", func(c copied) { c.replace("guidance.onnx", c.read("prior.onnx")) }, "guidance.onnx"},
		{"external data", func(c copied) { c.replace("prior.onnx", external(c.read("prior.onnx"))) }, "prior.onnx"},
		{"no graph", func(c copied) { c.replace("prior.onnx", []byte("hello")) }, "prior.onnx"},
		{"path that leaves the folder", func(c copied) {
			c.edit("prior.onnx", func(entry map[string]any) { entry["path"] = "../prior.onnx" })
		}, "prior.onnx"},
		{"link", func(c copied) {
			target := filepath.Join(c.t.TempDir(), "prior.onnx")
			_ = os.Rename(filepath.Join(c.dir, "prior.onnx"), target)
			_ = os.Symlink(target, filepath.Join(c.dir, "prior.onnx"))
		}, "prior.onnx"},
		{"unknown role", func(c copied) {
			c.edit("prior.onnx", func(entry map[string]any) { entry["role"] = "oracle" })
		}, "prior.onnx"},
		{"no manifest", func(c copied) { c.write("bundle.json", []byte("{")) }, "bundle.json"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c := copyBundle(t)
			test.harm(c)
			got := run(t.Context(), t, "bundle", "verify", c.dir)
			if test.file == "" {
				if got.code != 0 || !strings.Contains(got.out, "is whole") {
					t.Errorf("exit code %d: %s%s", got.code, got.out, got.errs)
				}
				return
			}
			if got.code != 2 || !strings.Contains(got.errs, test.file) || !strings.Contains(got.errs, "BUNDLE_INVALID") {
				t.Errorf("exit code %d, want 2 and %s:\n%s", got.code, test.file, got.errs)
			}
			up := run(t.Context(), t, "up", "--bundle", c.dir, "--data-dir", t.TempDir(), "--listen", "127.0.0.1:0")
			if up.code != 2 || !strings.Contains(up.errs, test.file) {
				t.Errorf("up ended with %d, want 2 and %s:\n%s", up.code, test.file, up.errs)
			}
		})
	}
}

func TestShow(t *testing.T) {
	got := run(t.Context(), t, "bundle", "show")
	if got.code != 0 || !strings.Contains(got.out, "unet.onnx") {
		t.Errorf("exit code %d: %s%s", got.code, got.out, got.errs)
	}
	got = run(t.Context(), t, "bundle", "show", "--json")
	var said struct{ Manifest struct{ Name string } }
	if err := json.Unmarshal([]byte(got.out), &said); err != nil || said.Manifest.Name == "" {
		t.Errorf("%v: %s", err, got.out)
	}
}
