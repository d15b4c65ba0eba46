package command_test

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestStylesAndPictures(t *testing.T) {
	up := startUp(t)
	ask := func(args ...string) result {
		t.Helper()
		return run(t.Context(), t, append(args, "--server", up.Listen)...)
	}
	uploaded := ask("pictures", "upload", face(t, "elena"))
	picture := strings.TrimSpace(uploaded.out)
	if uploaded.code != 0 || !strings.HasPrefix(picture, "pictures/") {
		t.Fatalf("got %+v", uploaded)
	}
	made := ask("styles", "create", picture, "--name", "Poster", "--label", "set=posters", "--json")
	var style struct {
		Name   string
		Labels map[string]string
	}
	if err := json.Unmarshal([]byte(made.out), &style); err != nil || !strings.HasPrefix(style.Name, "styles/") || style.Labels["set"] != "posters" {
		t.Fatalf("%v: %+v", err, made)
	}
	for _, c := range []struct {
		name string
		args []string
		code int
		says string
	}{
		{"a picture", []string{"pictures", "show", picture}, 0, "image/jpeg"},
		{"a picture by its digest", []string{"pictures", "show", strings.TrimPrefix(picture, "pictures/"), "--json"}, 0, `"expire_time"`},
		{"no picture", []string{"pictures", "upload", t.TempDir()}, 3, "no file"},
		{"an unknown picture", []string{"pictures", "show", strings.Repeat("0", 64)}, 3, "UNKNOWN_PICTURE"},
		{"from a file", []string{"styles", "create", face(t, "marco")}, 0, "SHA-256"},
		{"no file", []string{"styles", "create", "no.jpg"}, 3, "no.jpg"},
		{"list", []string{"styles", "list"}, 0, "Poster"},
		{"list some", []string{"styles", "list", "--filter", `labels.set = "posters"`, "--json"}, 0, style.Name},
		{"list none", []string{"styles", "list", "--limit", "0"}, 2, "--limit"},
		{"a wrong filter", []string{"styles", "list", "--filter", "name"}, 3, "INVALID_FIELD"},
		{"show", []string{"styles", "show", strings.TrimPrefix(style.Name, "styles/")}, 0, "set=posters"},
		{"who is in a file", []string{"pictures", "people", "../../../examples/couple.jpg"}, 0, "\n1  "},
		{"who is in a style", []string{"pictures", "people", style.Name, "--json"}, 0, `"width": 128`},
		{"who is in no picture", []string{"pictures", "people", "styles_test.go"}, 3, "UNSUPPORTED_IMAGE"},
		{"delete the picture", []string{"pictures", "delete", picture}, 0, "is deleted"},
		{"show it still", []string{"styles", "show", style.Name, "--json"}, 0, "Poster"},
		{"delete", []string{"styles", "delete", style.Name, "--json"}, 0, style.Name},
		{"show no more", []string{"styles", "show", style.Name}, 3, "UNKNOWN_STYLE"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := ask(c.args...)
			if got.code != c.code || !strings.Contains(got.out+got.errs, c.says) {
				t.Errorf("got %+v", got)
			}
		})
	}
}
