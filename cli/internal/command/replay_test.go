package command_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/facestudio/facestudio/services/imaging"
	"github.com/facestudio/facestudio/services/provenance"
)

func readBytes(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestReplay(t *testing.T) {
	dir := t.TempDir()
	amara, erik, mei := face(t, "amara"), face(t, "erik"), face(t, "mei")
	// Two people on a canvas of their own, styled by a picture of two.
	two := filepath.Join(dir, "two.png")
	if got := run(t.Context(), t, "sheet", "--size", "128", "-o", two, face(t, "clara"), face(t, "marco")); got.code != 0 {
		t.Fatal(got.errs)
	}
	for name, c := range map[string]struct{ made, again []string }{
		"one.png":   {[]string{"--face", amara, "--style", erik}, []string{"--style", erik, "--face", amara}},
		"one.jpg":   {[]string{"--face", amara, "--style", erik}, []string{"--face", amara, "--style", erik}},
		"one.webp":  {[]string{"--face", amara, "--face", mei, "--prompt", `a "red" hat & <smile>`}, []string{"--subject", "x=" + mei + "," + amara}},
		"place.png": {[]string{"--face", amara, "--style", two, "--in-place"}, []string{"--face", amara, "--style", two}},
		"kept.jpeg": {[]string{"--face", amara, "--style", erik, "--background", "keep"}, []string{"--face", amara, "--style", erik}},
		"people.png": {
			[]string{"--subject", "ada=" + amara, "--subject", "eve=" + mei, "--style", two, "--size", "64x32"},
			[]string{"--face", mei, "--face", amara, "--style", two},
		},
	} {
		t.Run(name, func(t *testing.T) {
			out, again := filepath.Join(dir, name), filepath.Join(dir, "again-"+name)
			args := append([]string{"generate", "--seed", "7", "--steps", "2", "--count", "2", "-o", out}, c.made...)
			if got := run(t.Context(), t, args...); got.code != 0 {
				t.Fatalf("exit code %d: %s", got.code, got.errs)
			}
			ext := filepath.Ext(out)
			// The second of the seed's pictures.
			out = strings.TrimSuffix(out, ext) + "-1" + ext
			got := run(t.Context(), t, append([]string{"replay", out, "-o", again}, c.again...)...)
			if got.code != 0 || !strings.Contains(got.out, "the same") {
				t.Fatalf("exit code %d: %s%s", got.code, got.out, got.errs)
			}
			if !bytes.Equal(readBytes(t, out), readBytes(t, again)) {
				t.Error("it is said to be the same, and is not")
			}
			if record, err := provenance.Read(readBytes(t, out)); err != nil || record.Index != 1 {
				t.Errorf("record %+v, %v", record, err)
			}
		})
	}
}

func TestReplayNamesWhatDiffers(t *testing.T) {
	dir := t.TempDir()
	amara, erik, mei := face(t, "amara"), face(t, "erik"), face(t, "mei")
	out := filepath.Join(dir, "one.png")
	if got := run(t.Context(), t, "generate", "--face", amara, "--style", erik, "--seed", "7", "--steps", "2", "-o", out); got.code != 0 {
		t.Fatal(got.errs)
	}
	made := readBytes(t, out)
	write := func(name string, change func(*provenance.Record, *imaging.RGB)) string {
		t.Helper()
		record, err := provenance.Read(made)
		if err != nil {
			t.Fatal(err)
		}
		p, err := imaging.Decode(made, imaging.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		change(&record, p)
		data, err := imaging.EncodePNG(p, nil)
		if err == nil {
			data, err = provenance.Sign(data, record)
		}
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	bundle := write("bundle.png", func(r *provenance.Record, _ *imaging.RGB) { r.Bundle.Digest = strings.Repeat("a", 64) })
	noise := write("noise.png", func(r *provenance.Record, _ *imaging.RGB) { r.NoiseVersion = "other/9" })
	pixel := write("pixel.png", func(_ *provenance.Record, p *imaging.RGB) { p.Pix[0] += 100 })
	bare := filepath.Join(dir, "bare.png")
	if plain, err := imaging.WithoutXMP(made); err != nil || os.WriteFile(bare, plain, 0o600) != nil {
		t.Fatal(err)
	}
	files := []string{"--face", amara, "--style", erik}
	for name, c := range map[string]struct {
		args []string
		code int
		says []string
	}{
		"another bundle":   {append([]string{bundle}, files...), 1, []string{"BUNDLE_MISMATCH", "aaaaaaaaaaaa", "--bundle"}},
		"another noise":    {append([]string{noise}, files...), 1, []string{"noise version was other/9", "pixels are the same"}},
		"another pixel":    {append([]string{pixel}, files...), 1, []string{"1 of ", "pixels differ, by at most"}},
		"no record":        {append([]string{bare}, files...), 3, []string{"no record", bare}},
		"no picture":       {append([]string{"replay_test.go"}, files...), 3, []string{"no record", "replay_test.go"}},
		"missing style":    {[]string{out, "--face", amara}, 3, []string{"--style", "style"}},
		"another photo":    {[]string{out, "--face", mei, "--style", erik}, 3, []string{"--face " + mei, "subjects[0].photos[0]"}},
		"a photo too many": {append([]string{out, "--face", mei}, files...), 3, []string{"--face " + mei, "leave it out"}},
		"two pictures":     {append([]string{out, out}, files...), 2, []string{"one picture"}},
		"a format of none": {append([]string{out, "-o", "a.gif"}, files...), 2, []string{".webp"}},
	} {
		t.Run(name, func(t *testing.T) {
			got := run(t.Context(), t, append([]string{"replay"}, c.args...)...)
			if got.code != c.code {
				t.Errorf("exit code %d, want %d: %s", got.code, c.code, got.errs)
			}
			for _, says := range c.says {
				if !strings.Contains(got.errs, says) {
					t.Errorf("it does not say %q: %s", says, got.errs)
				}
			}
		})
	}
	got := run(t.Context(), t, append([]string{"--json", "replay", pixel}, files...)...)
	var said struct {
		Same        bool
		Differences []string
	}
	if err := json.Unmarshal([]byte(got.out), &said); err != nil || said.Same || len(said.Differences) != 1 || got.code != 1 {
		t.Errorf("exit code %d, %v: %s", got.code, err, got.out)
	}
}
