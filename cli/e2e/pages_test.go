package e2e_test

import (
	"bytes"
	"encoding/json"
	"image"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/facestudio/facestudio/services/testkit"
)

// TestTheCommandsOfThePages runs every command of docs/people.md as a reader
// would, in one mesh with the tiny bundle, whose pictures are a quarter as wide.
func TestTheCommandsOfThePages(t *testing.T) {
	root, dir := testkit.Root(t), t.TempDir()
	for name, to := range map[string]string{"bin": binaries(t), "examples": filepath.Join(root, "examples")} {
		if err := os.Symlink(to, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "out"), 0o700); err != nil {
		t.Fatal(err)
	}
	couple, err := os.ReadFile(filepath.Join(root, "examples", "couple.jpg"))
	if err != nil {
		t.Fatal(err)
	}
	size := decoded(t, couple).Bounds().Size()
	mask := maskOf(size.X, size.Y, image.Rect(0, 0, size.X/2, size.Y))
	if err := os.WriteFile(filepath.Join(dir, "out", "mask.png"), mask, 0o600); err != nil {
		t.Fatal(err)
	}
	up := launch(t, "facestudio", upArgs(t, filepath.Join(dir, "mesh"))...)
	// enrolled is the name that the page leaves open.
	enrolled := func() string {
		t.Helper()
		text, err := facestudio(t, "subjects", "list", "--json", "--server", up.listen)
		var said struct{ Subjects []struct{ Name string } }
		if err == nil {
			err = json.Unmarshal([]byte(text), &said)
		}
		if err != nil || len(said.Subjects) != 1 {
			t.Fatalf("%v: %s", err, text)
		}
		return said.Subjects[0].Name
	}
	smaller := strings.NewReplacer("256x128", "64x32", "128x256", "32x64", "0,0,128,128", "0,0,32,32", "128,0,128,128", "32,0,32,32")
	lines := commandsOf(t, filepath.Join(root, "docs", "people.md"))
	if len(lines) < 20 {
		t.Fatalf("the page has %d commands", len(lines))
	}
	for _, line := range lines {
		line := smaller.Replace(line)
		if strings.Contains(line, "subjects/NAME") {
			line = strings.ReplaceAll(line, "subjects/NAME", enrolled())
		}
		cmd := exec.CommandContext(t.Context(), "bash", "-c", line)
		cmd.Dir, cmd.Env = dir, append(os.Environ(), "FACESTUDIO_SERVER="+up.listen)
		var said bytes.Buffer
		cmd.Stdout, cmd.Stderr = &said, &said
		if err := cmd.Run(); err != nil {
			t.Errorf("%s: %v\n%s", line, err, said.String())
		}
		_, after, wrote := strings.Cut(line, " -o ")
		if file := filepath.Join(dir, after); wrote && !strings.Contains(line, "--count") {
			if _, err := os.Stat(file); err != nil {
				t.Errorf("%s: %v", line, err)
			}
		}
	}
}

// commandsOf returns the lines of a page's shell blocks.
func commandsOf(t *testing.T, page string) (lines []string) {
	t.Helper()
	data, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	inside := false
	for line := range strings.Lines(string(data)) {
		line = strings.TrimSpace(line)
		switch {
		case line == "```sh":
			inside = true
		case line == "```":
			inside = false
		case inside && line != "":
			lines = append(lines, line)
		}
	}
	return lines
}
