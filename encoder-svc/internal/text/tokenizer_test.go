package text_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/facestudio/facestudio/encoder-svc/internal/text"
	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	"github.com/facestudio/facestudio/services/fault"
	"github.com/facestudio/facestudio/services/testkit"
)

// golden is services/bundle/testdata/tokens-*.json, written by
// training/facestudio_training/golden from an independent implementation.
type golden struct {
	Bundle string
	Length int
	Cases  []struct {
		Text string
		IDs  []int64
	}
}

func TestGolden(t *testing.T) {
	root := testkit.Root(t)
	paths, err := filepath.Glob(filepath.Join(root, "services", "bundle", "testdata", "tokens-*.json"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no golden files: %v", err)
	}
	for _, path := range paths {
		var want golden
		read(t, path, &want)
		t.Run(want.Bundle, func(t *testing.T) {
			data, err := os.ReadFile(filepath.Join(root, "models", want.Bundle, "tokenizer.json"))
			if err != nil {
				t.Fatal(err)
			}
			tokenizer, err := text.New(data, want.Length)
			if err != nil {
				t.Fatal(err)
			}
			for _, test := range want.Cases {
				pieces := tokenizer.Pieces(test.Text)
				got, err := tokenizer.Encode(test.Text)
				if len(pieces) > want.Length-2 {
					// The golden file cuts what is too long; here it is refused.
					if fault.From(err).Reason != faultv1.Reason_REASON_PROMPT_TOO_LONG {
						t.Errorf("%q: got %v", test.Text, err)
					}
					got = slices.Concat(test.IDs[:1], pieces[:want.Length-2], test.IDs[want.Length-1:])
				} else if err != nil {
					t.Fatal(err)
				}
				if !slices.Equal(got, test.IDs) {
					t.Errorf("%q:\n got %v\nwant %v", test.Text, got, test.IDs)
				}
			}
		})
	}
}

func TestNewRefuses(t *testing.T) {
	valid := `{"format":1,"type":"wordpiece","continuation":"##","unknown":"u","pad":"p","start":"s","end":"e","max_word_runes":9,"vocab":["u","p","s","e"]}`
	if _, err := text.New([]byte(valid), 4); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		old, new, want string
	}{
		"not JSON":        {"{", "[", "is not JSON"},
		"another format":  {`"format":1`, `"format":2`, "has format 2"},
		"another type":    {"wordpiece", "bpe", `type "bpe"`},
		"empty piece":     {`"s","e"]`, `"s","","e"]`, "vocab[3] is empty"},
		"no unknown":      {`"unknown":"u"`, `"unknown":"x"`, `unknown is "x", which is not in vocab`},
		"no room for any": {`"max_word_runes":9`, `"max_word_runes":0`, "max_word_runes must be at least 1"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := text.New([]byte(strings.Replace(valid, test.old, test.new, 1)), 4)
			if fault.From(err).Reason != faultv1.Reason_REASON_BUNDLE_INVALID || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}

func read(t *testing.T, path string, into any) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, into); err != nil {
		t.Fatal(err)
	}
}
