// Package text turns prompts into the ids that the bundle's text encoder takes,
// by the word pieces of its tokenizer.json.
package text

import (
	"encoding/json"
	"fmt"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"

	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	"github.com/facestudio/facestudio/services/fault"
)

// format is the format of tokenizer.json that this version reads.
const format = 1

// Tokenizer splits texts into word pieces. It may be used by many goroutines.
type Tokenizer struct {
	spec spec
	ids  map[string]int64
	// longest is the length of the longest piece, in runes.
	longest                  int
	unknown, pad, start, end int64
	maxTokens                int
}

// spec is tokenizer.json.
type spec struct {
	Format       int      `json:"format"`
	Type         string   `json:"type"`
	Lowercase    bool     `json:"lowercase"`
	StripAccents bool     `json:"strip_accents"`
	Continuation string   `json:"continuation"`
	Unknown      string   `json:"unknown"`
	Pad          string   `json:"pad"`
	Start        string   `json:"start"`
	End          string   `json:"end"`
	MaxWordRunes int      `json:"max_word_runes"`
	Vocab        []string `json:"vocab"`
}

// New reads tokenizer.json. maxTokens is how many ids the text encoder takes,
// those that mark start and end among them. The fault of a file that cannot be
// used has reason BUNDLE_INVALID.
func New(data []byte, maxTokens int) (*Tokenizer, error) {
	t := &Tokenizer{maxTokens: maxTokens, ids: map[string]int64{}}
	if err := json.Unmarshal(data, &t.spec); err != nil {
		return nil, invalid("is not JSON of a tokenizer: %v", err)
	}
	if t.spec.Format != format || t.spec.Type != "wordpiece" {
		return nil, invalid("has format %d and type %q, this version reads format %d and wordpiece", t.spec.Format, t.spec.Type, format)
	}
	if t.spec.MaxWordRunes < 1 || maxTokens < 3 {
		return nil, invalid("max_word_runes must be at least 1, and text.max_tokens of bundle.json at least 3")
	}
	for id, piece := range t.spec.Vocab {
		if piece == "" {
			return nil, invalid("vocab[%d] is empty", id)
		}
		t.ids[piece] = int64(id) // of a piece that is there twice, the last counts, as in training
		t.longest = max(t.longest, len([]rune(piece)))
	}
	for name, special := range map[string]struct {
		piece string
		id    *int64
	}{
		"unknown": {t.spec.Unknown, &t.unknown}, "pad": {t.spec.Pad, &t.pad},
		"start": {t.spec.Start, &t.start}, "end": {t.spec.End, &t.end},
	} {
		id, ok := t.ids[special.piece]
		if !ok {
			return nil, invalid("%s is %q, which is not in vocab", name, special.piece)
		}
		*special.id = id
	}
	return t, nil
}

func invalid(message string, args ...any) error {
	return fault.New(fault.Precondition, faultv1.Reason_REASON_BUNDLE_INVALID, "tokenizer.json", message, args...)
}

// Encode returns the text's ids, padded to the number that the text encoder
// takes: start, one for each piece, end. A text with more pieces than fit is a
// PROMPT_TOO_LONG fault without a field.
func (t *Tokenizer) Encode(text string) ([]int64, error) {
	pieces := t.Pieces(text)
	if room := t.maxTokens - 2; len(pieces) > room {
		return nil, fault.New(fault.Invalid, faultv1.Reason_REASON_PROMPT_TOO_LONG, "",
			"the text has %d tokens, the text encoder takes %d: shorten it", len(pieces), room)
	}
	ids := make([]int64, 0, t.maxTokens)
	ids = append(ids, t.start)
	ids = append(ids, pieces...)
	ids = append(ids, t.end)
	for len(ids) < t.maxTokens {
		ids = append(ids, t.pad)
	}
	return ids, nil
}

// Pieces returns the ids of the text's word pieces alone, however many.
func (t *Tokenizer) Pieces(text string) []int64 {
	var ids []int64
	for _, word := range t.words(text) {
		ids = t.split(ids, word)
	}
	return ids
}

// words normalises the text and cuts it at white space and around every
// punctuation mark and symbol.
func (t *Tokenizer) words(text string) [][]rune {
	if t.spec.StripAccents {
		text = norm.NFD.String(text)
	}
	if t.spec.Lowercase {
		text = strings.ToLower(text)
	}
	var words [][]rune
	var word []rune
	flush := func() {
		if len(word) > 0 {
			words = append(words, word)
			word = nil
		}
	}
	for _, r := range text {
		switch {
		case unicode.IsSpace(r):
			flush()
		case unicode.In(r, unicode.Cc, unicode.Cf), t.spec.StripAccents && unicode.Is(unicode.Mn, r):
		case unicode.IsPunct(r) || unicode.IsSymbol(r):
			flush()
			words = append(words, []rune{r})
		default:
			word = append(word, r)
		}
	}
	flush()
	return words
}

// split appends the pieces of one word: at each place the longest that is
// known. A word with a place where none is known, or that is too long, is one
// unknown piece.
func (t *Tokenizer) split(ids []int64, word []rune) []int64 {
	if len(word) > t.spec.MaxWordRunes {
		return append(ids, t.unknown)
	}
	before := len(ids)
	prefix := ""
	for begin := 0; begin < len(word); {
		end := min(len(word), begin+t.longest)
		for ; end > begin; end-- {
			if id, ok := t.ids[prefix+string(word[begin:end])]; ok {
				ids = append(ids, id)
				break
			}
		}
		if end == begin {
			return append(ids[:before], t.unknown)
		}
		begin, prefix = end, t.spec.Continuation
	}
	return ids
}

// String says how large the vocabulary is.
func (t *Tokenizer) String() string {
	return fmt.Sprintf("wordpiece tokenizer of %d pieces", len(t.spec.Vocab))
}
