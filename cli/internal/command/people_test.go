package command_test

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"
)

// couple makes a picture of two people side by side.
func couple(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "couple.png")
	if got := run(t.Context(), t, "sheet", "-o", path, face(t, "amara"), face(t, "erik")); got.code != 0 {
		t.Fatal(got.errs)
	}
	return path
}

func TestWrongPeople(t *testing.T) {
	ada, bob := face(t, "amara"), face(t, "erik")
	tests := []struct {
		name string
		args []string
		says string
	}{
		{"a face and a subject", []string{"--face", ada, "--subject", "bob=" + bob}, "--face is for one person"},
		{"a subject without a name", []string{"--subject", bob}, "name="},
		{"a subject without photos", []string{"--subject", "bob="}, "name="},
		{"enrolled and photos", []string{"--subject", "bob=" + bob, "--subject", "bob=subjects/bob"}, "another source"},
		{"photos and enrolled", []string{"--subject", "bob=subjects/bob", "--subject", "bob=" + bob}, "subjects/bob already"},
		{"a mix with a taken name", []string{"--subject", "bob=" + bob, "--mix", "bob=" + ada + ":1"}, "another name"},
		{"a mix without weights", []string{"--subject", "ada=" + ada, "--subject", "bob=" + bob, "--mix", "kid=ada,bob"}, "no weight"},
		{"a mix by words", []string{"--subject", "ada=" + ada, "--mix", "kid=ada:much"}, "much is no weight"},
		{"a mix of itself", []string{"--mix", "kid=kid:1"}, "of itself"},
		{"a mix of a mix", []string{"--mix", "kid=" + ada + ":1," + bob + ":1", "--mix", "kin=kid:1"}, "a mix itself"},
		{"a place of nobody", []string{"--subject", "ada=" + ada, "--at", "bob=1"}, "one of ada"},
		{"a named place of a face", []string{"--face", ada, "--at", "ada=1"}, "has no name"},
		{"three numbers", []string{"--subject", "ada=" + ada, "--at", "ada=1,2,3"}, "3 numbers"},
		{"two places", []string{"--subject", "ada=" + ada, "--at", "ada=1", "--at", "ada=0"}, "a place already"},
		{"alpha in words", []string{"--subject", "ada=" + ada, "--subject-alpha", "ada=high"}, "high is no number"},
		{"an unknown sampler", []string{"--face", ada, "--sampler", "magic"}, "euler-ancestral, euler, ddim, dpmpp-2m, unipc"},
		{"a size of one number", []string{"--face", ada, "--size", "128"}, "WIDTHxHEIGHT"},
		{"a size and more", []string{"--face", ada, "--size", "128x128x3"}, "WIDTHxHEIGHT"},
		{"a size and a width", []string{"--face", ada, "--size", "128x128", "--width", "64"}, "--width"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			args := append([]string{"generate", "--style", ada, "-o", filepath.Join(t.TempDir(), "a.png")}, test.args...)
			got := run(t.Context(), t, args...)
			if got.code != 2 || !strings.Contains(got.errs, test.says) {
				t.Errorf("exit code %d, want 2, and it must say %q:\n%s", got.code, test.says, got.errs)
			}
		})
	}
}

func TestAFaultNamesThePersonsFlag(t *testing.T) {
	ada, bob, style := face(t, "amara"), face(t, "erik"), couple(t)
	two := []string{"--subject", "ada=" + ada, "--subject", "bob=" + bob, "--style", style, "--size", "64x32", "--steps", "2"}
	tests := []struct {
		name         string
		args         []string
		field, cause string
	}{
		{"person 5 of 2", append(two, "--at", "bob=5"), "--at bob=5", "UNKNOWN_PERSON"},
		{"the same person twice", append(two, "--at", "ada=1", "--at", "bob=1"), "--at bob=1", "PERSON_TAKEN"},
		{"a mask of another size", append(two, "--at", "bob="+ada), "--at bob=" + ada, "INVALID_FIELD"},
		{"a photo with two faces", append(two[2:], "--subject", "cyn="+style), "--subject cyn=" + style, "SEVERAL_FACES_FOUND"},
		{"a weight of 0", append(two, "--mix", "kid=ada:0,bob:1"), "--mix kid", "INVALID_FIELD"},
		{"own alpha without a prompt", append(two, "--subject-alpha", "ada=0.5"), "--subject-alpha ada=0.5", "INVALID_FIELD"},
		{"ancestral with karras", append(two, "--karras"), "--karras", "INVALID_FIELD"},
		{"strength 0", append(two, "--strength", "0"), "--strength", "INVALID_FIELD"},
		{"a size beside the canvas", append(two[:6:6], "--size", "63x32"), "--size", "INVALID_FIELD"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := run(t.Context(), t, append([]string{"generate", "-o", filepath.Join(t.TempDir(), "a.png")}, test.args...)...)
			if got.code != 3 || !strings.Contains(got.errs, "field:  "+test.field+"\n") || !strings.Contains(got.errs, test.cause) {
				t.Errorf("exit code %d, want 3, %s at %s:\n%s", got.code, test.cause, test.field, got.errs)
			}
		})
	}
}

func TestGenerateSeveral(t *testing.T) {
	ada, bob, style := face(t, "amara"), face(t, "erik"), couple(t)
	out := filepath.Join(t.TempDir(), "two.png")
	args := []string{
		"generate", "--subject", "ada=" + ada, "--subject", "bob=" + bob, "--at", "ada=1", "--style", style,
		"--size", "64x32", "--sampler", "dpmpp-2m", "--karras", "--steps", "2", "--seed", "7", "-o", out,
	}
	got := run(t.Context(), t, args...)
	if got.code != 0 || !strings.Contains(got.errs, "from the left: person 0 is bob, person 1 is ada") || !strings.Contains(got.out, "64x32") {
		t.Fatalf("exit code %d: %s%s", got.code, got.errs, got.out)
	}
	got = run(t.Context(), t, "--json", "generate", "--subject", "ada="+ada, "--subject", "bob="+bob,
		"--mix", "kid=ada:1,bob:3", "--mix", "kin="+ada+":1,"+bob+":1", "--style", style, "--size", "64x32", "--steps", "2", "-o", out)
	if got.code != 0 {
		t.Fatal(got.errs)
	}
	var said struct {
		Generation struct {
			Subjects []struct {
				Name string
				Mix  []struct {
					Name   string
					Weight float64
				}
			}
			PhotoVerdicts []struct{ Photo string } `json:"photo_verdicts"`
		}
	}
	if err := json.Unmarshal([]byte(got.out), &said); err != nil {
		t.Fatalf("%v: %s", err, got.out)
	}
	subjects := said.Generation.Subjects
	if len(subjects) != 2 || subjects[0].Name != "kid" || subjects[0].Mix[1].Name != "bob" || subjects[0].Mix[1].Weight != 3 ||
		subjects[1].Name != "kin" || len(said.Generation.PhotoVerdicts) != 4 {
		t.Errorf("got %+v", said.Generation)
	}
}
