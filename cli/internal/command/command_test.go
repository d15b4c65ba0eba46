package command_test

import (
	"bytes"
	"context"
	"encoding/json"
	"image/png"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/facestudio/facestudio/cli/internal/command"
	"github.com/facestudio/facestudio/services/testkit"
)

// result is what a command left.
type result struct {
	code      int
	out, errs string
}

// run runs a command with the tiny bundle and nothing of the environment.
func run(ctx context.Context, t *testing.T, args ...string) result {
	t.Helper()
	var out, errs bytes.Buffer
	code := start(ctx, t, &out, &errs, args...)
	return result{code, out.String(), errs.String()}
}

func start(ctx context.Context, t *testing.T, out, errs io.Writer, args ...string) int {
	t.Helper()
	env := map[string]string{
		"FACESTUDIO_BUNDLE":       testkit.TinyBundleDir(t),
		"FACESTUDIO_BUNDLE_CACHE": testkit.ModelCache(t),
		"FACESTUDIO_ORT_LIBRARY":  testkit.Library(t),
		"FACESTUDIO_THREADS":      "1",
	}
	return command.Run(ctx, args, out, errs, func(name string) (string, bool) {
		value, ok := env[name]
		return value, ok
	})
}

func face(t *testing.T, name string) string {
	t.Helper()
	return filepath.Join(testkit.Root(t), "examples", "faces", name+".jpg")
}

func TestWrongUse(t *testing.T) {
	dir := t.TempDir()
	ada := face(t, "amara")
	tests := []struct {
		name string
		args []string
		code int
		says string
	}{
		{"unknown command", []string{"paint"}, 2, "paint"},
		{"unknown flag", []string{"generate", "--fase", ada}, 2, "--fase"},
		{"arguments", []string{"generate", ada}, 2, "flags only"},
		{"no face", []string{"generate", "--style", ada}, 2, "--face"},
		{"no number", []string{"generate", "--face", ada, "--alpha", "lots"}, 2, "alpha"},
		{"unknown background", []string{"generate", "--face", ada, "--style", ada, "--background", "blue"}, 2, "random, mean or keep"},
		{"no format of ours", []string{"generate", "--face", ada, "--style", ada, "-o", filepath.Join(dir, "a.gif")}, 2, ".webp"},
		{"no folder", []string{"generate", "--face", ada, "--style", ada, "-o", filepath.Join(dir, "no", "a.png")}, 2, "no folder"},
		{"no bundle", []string{"generate", "--face", ada, "--style", ada, "--bundle", dir, "-o", filepath.Join(dir, "a.png")}, 2, "bundle.json"},
		{"wrong settings", []string{"up", "--threads", "-1", "--slots", "0"}, 2, "threads"},
		{"open to the network", []string{"up", "--listen", "0.0.0.0:7433"}, 2, "--insecure-listen"},
		{"missing photo", []string{"generate", "--face", filepath.Join(dir, "no.jpg"), "--style", ada, "-o", filepath.Join(dir, "a.png")}, 3, "no.jpg"},
		{"folder as photo", []string{"generate", "--face", dir, "--style", ada, "-o", filepath.Join(dir, "a.png")}, 3, "no file"},
		{"nobody serves", []string{"generations", "list", "--server", "127.0.0.1:1"}, 5, "facestudio up"},
		{"two generations", []string{"generations", "get", "a", "b"}, 2, "one generation"},
		{"sheet of nothing", []string{"sheet"}, 2, "label=file"},
		{"sheet of no picture", []string{"sheet", "-o", filepath.Join(dir, "s.png"), "a=command_test.go"}, 3, "command_test.go"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := run(t.Context(), t, test.args...)
			if got.code != test.code || !strings.Contains(got.errs, test.says) {
				t.Errorf("exit code %d, want %d, and it must say %q:\n%s", got.code, test.code, test.says, got.errs)
			}
			if got.out != "" {
				t.Errorf("it printed %q", got.out)
			}
		})
	}
}

func TestErrorsAsJSON(t *testing.T) {
	got := run(t.Context(), t, "--json", "generate", "--face", "no.jpg", "--style", "no.jpg", "-o", filepath.Join(t.TempDir(), "a.png"))
	var said struct {
		Error struct {
			Reason, Field, Message string
			ExitCode               int `json:"exit_code"`
		}
	}
	if err := json.Unmarshal([]byte(got.errs), &said); err != nil {
		t.Fatalf("%v: %s", err, got.errs)
	}
	if said.Error.Reason != "INVALID_FIELD" || said.Error.Field != "--face no.jpg" || said.Error.ExitCode != 3 || got.code != 3 {
		t.Errorf("got %+v, exit code %d", said.Error, got.code)
	}
}

func TestGenerate(t *testing.T) {
	dir := t.TempDir()
	one := filepath.Join(dir, "one.png")
	args := []string{"generate", "--face", face(t, "amara"), "--style", face(t, "erik"), "--seed", "7", "--steps", "3"}
	got := run(t.Context(), t, append(args, "-o", one)...)
	if got.code != 0 {
		t.Fatalf("exit code %d: %s", got.code, got.errs)
	}
	if !strings.HasPrefix(got.out, one) || !strings.Contains(got.out, "seed 7") {
		t.Errorf("it printed %q", got.out)
	}
	// Progress is for those who are there in time: of so few steps it may be missed.
	for tries := 1; !strings.Contains(got.errs, "painting, step "); tries++ {
		if got = run(t.Context(), t, append(args, "--steps", "100", "--count", "4", "-o", filepath.Join(dir, "long.png"))...); got.code != 0 || tries == 10 {
			t.Fatalf("exit code %d, no progress in %q", got.code, got.errs)
		}
	}

	got = run(t.Context(), t, append(args, "--json", "--count", "2", "-o", filepath.Join(dir, "two.png"))...)
	if got.code != 0 {
		t.Fatalf("exit code %d: %s", got.code, got.errs)
	}
	var said struct {
		Files      []string
		Generation struct{ State, Seed string }
	}
	if err := json.Unmarshal([]byte(got.out), &said); err != nil {
		t.Fatalf("%v: %s", err, got.out)
	}
	if len(said.Files) != 2 || said.Generation.State != "STATE_SUCCEEDED" || said.Generation.Seed != "7" || got.errs != "" {
		t.Errorf("got %+v, %q", said, got.errs)
	}
	first, err := os.ReadFile(one)
	if err != nil {
		t.Fatal(err)
	}
	again, err := os.ReadFile(said.Files[0])
	if err != nil {
		t.Fatal(err)
	}
	if _, err := png.Decode(bytes.NewReader(first)); err != nil {
		t.Errorf("the result is no PNG: %v", err)
	}
	if !bytes.Equal(first, again) {
		t.Error("the same seed makes another picture")
	}
}

func TestAFaultNamesTheFlag(t *testing.T) {
	sheet := filepath.Join(t.TempDir(), "two.png")
	if got := run(t.Context(), t, "sheet", "-o", sheet, face(t, "amara"), face(t, "erik")); got.code != 0 {
		t.Fatal(got.errs)
	}
	out := filepath.Join(t.TempDir(), "a.png")
	tests := []struct {
		name         string
		args         []string
		field, cause string
	}{
		{"alpha", []string{"--face", face(t, "amara"), "--style", face(t, "erik"), "--alpha", "1.5"}, "--alpha", "INVALID_FIELD"},
		{"two faces", []string{"--face", sheet, "--style", face(t, "erik")}, "--face " + sheet, "SEVERAL_FACES_FOUND"},
		{"no picture", []string{"--face", face(t, "amara"), "--style", "command_test.go"}, "--style command_test.go", "UNSUPPORTED_IMAGE"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := run(t.Context(), t, append([]string{"generate", "-o", out}, test.args...)...)
			if got.code != 3 || !strings.Contains(got.errs, "field:  "+test.field+"\n") || !strings.Contains(got.errs, test.cause) {
				t.Errorf("exit code %d, want 3, %s at %s:\n%s", got.code, test.cause, test.field, got.errs)
			}
		})
	}
}

// trigger calls a function when a text is written.
type trigger struct {
	bytes.Buffer
	text string
	call func()
}

func (w *trigger) Write(p []byte) (int, error) {
	if bytes.Contains(p, []byte(w.text)) {
		w.call()
	}
	return w.Buffer.Write(p)
}

func TestAnInterruptCancels(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	errs := &trigger{text: "painting", call: cancel}
	out := filepath.Join(t.TempDir(), "a.png")
	code := start(ctx, t, io.Discard, errs,
		"generate", "--face", face(t, "amara"), "--style", face(t, "erik"), "--steps", "100", "--count", "8", "-o", out)
	if code != 4 || !strings.Contains(errs.String(), "CANCELLED") {
		t.Errorf("exit code %d, want 4:\n%s", code, errs.String())
	}
	if _, err := os.Stat(out); err == nil {
		t.Error("there is a result")
	}
}

func TestVersionAndCompletion(t *testing.T) {
	if got := run(t.Context(), t, "version"); got.code != 0 || strings.TrimSpace(got.out) == "" {
		t.Errorf("version: %+v", got)
	}
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		if got := run(t.Context(), t, "completion", shell); got.code != 0 || !strings.Contains(got.out, "facestudio") {
			t.Errorf("completion %s: exit code %d", shell, got.code)
		}
	}
}

func TestDoctor(t *testing.T) {
	got := run(t.Context(), t, "doctor", "--json", "--data-dir", t.TempDir(), "--listen", "127.0.0.1:0")
	var said struct {
		Healthy  bool
		Findings []struct{ Check, Status, Detail string }
	}
	if err := json.Unmarshal([]byte(got.out), &said); err != nil {
		t.Fatalf("%v: %s %s", err, got.out, got.errs)
	}
	seen := map[string]string{}
	for _, f := range said.Findings {
		seen[f.Check] = f.Status
	}
	for _, check := range []string{"onnx runtime", "provider", "gpu", "bundle", "embedded nats", "disk", "address"} {
		if _, ok := seen[check]; !ok {
			t.Errorf("nothing about %s", check)
		}
	}
	if !said.Healthy || got.code != 0 {
		t.Errorf("exit code %d: %+v", got.code, said)
	}
	sick := run(t.Context(), t, "doctor", "--data-dir", t.TempDir(), "--bundle", t.TempDir(), "--nats-url", "nats://127.0.0.1:1")
	if sick.code != 1 || !strings.Contains(sick.out, "fail  bundle") || !strings.Contains(sick.out, "fail  nats") {
		t.Errorf("exit code %d, want 1:\n%s", sick.code, sick.out)
	}
}
