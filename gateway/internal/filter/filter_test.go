package filter_test

import (
	"strings"
	"testing"
	"time"

	"github.com/facestudio/facestudio/gateway/internal/filter"
	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	gatewayv1 "github.com/facestudio/facestudio/proto/gen/facestudio/gateway/v1"
	"github.com/facestudio/facestudio/services/fault"
)

var language = filter.MustLanguage(gatewayv1.State(0).Type())

var entry = filter.Entry{
	CreateTime: time.Date(2026, 1, 2, 15, 4, 5, 0, time.UTC),
	Labels:     map[string]string{"team": "blue", "a key": "x", "empty": ""},
	State:      "STATE_FAILED",
}

func TestFilters(t *testing.T) {
	tests := map[string]bool{
		"":                                     true,
		" ":                                    true,
		`state = STATE_FAILED`:                 true,
		`state != STATE_FAILED`:                false,
		`state = STATE_SUCCEEDED`:              false,
		`STATE_FAILED = state`:                 true,
		`labels.team = "blue"`:                 true,
		`labels.team = "red"`:                  false,
		`labels.team != "red"`:                 true,
		`labels."a key" = "x"`:                 true,
		`labels.empty = ""`:                    true,
		`labels.none = ""`:                     false,
		`labels.none != "red"`:                 false,
		`NOT labels.none = "red"`:              true,
		`labels:team`:                          true,
		`labels:"a key"`:                       true,
		`labels:none`:                          false,
		`NOT labels:none`:                      true,
		`-labels:none`:                         true,
		`labels.team = labels.team`:            true,
		`create_time = "2026-01-02T15:04:05Z"`: true,
		`create_time > "2026-01-02T15:04:05Z"`: false,
		`create_time >= "2026-01-02T16:04:05+01:00"`:                                              true,
		`create_time < timestamp("2026-01-03T00:00:00Z")`:                                         true,
		`create_time != "2026-01-02T15:04:05Z"`:                                                   false,
		`state = STATE_FAILED AND labels.team = "blue"`:                                           true,
		`state = STATE_QUEUED OR state = STATE_FAILED`:                                            true,
		`(state = STATE_QUEUED OR labels:team) AND NOT labels.team = "red"`:                       true,
		`state = STATE_QUEUED OR state = STATE_FAILED AND labels.team = "red"`:                    false,
		`state = STATE_FAILED AND create_time >= "2026-01-02T15:04:05Z" AND labels.team = "blue"`: true,
		strings.Repeat("(", 20) + `labels:team` + strings.Repeat(")", 20):                         true,
	}
	for text, want := range tests {
		t.Run(text, func(t *testing.T) {
			f, err := language.Parse(text)
			if err != nil {
				t.Fatal(err)
			}
			if got := f.Passes(entry); got != want {
				t.Errorf("passes: %t, want %t", got, want)
			}
		})
	}
}

func TestBadFilters(t *testing.T) {
	for _, text := range []string{
		"state", "blue", `"blue"`, "1", "true", "prompt = x", `state = "STATE_FAILED"`, "state = FAILED", "state = STATE_ODD",
		`state < STATE_FAILED`, `create_time > "yesterday"`, `create_time > labels.team`, "create_time > 5", "labels", "labels = 1", `labels.team < "x"`,
		`labels.team`, `labels.team.sub = "x"`, `team = "blue"`, `labels.team = `, `= "x"`, "AND", "NOT", "a b", "(", ")", "()", `f("x")`,
		`timestamp("x") < create_time`, `state = STATE_FAILED state = STATE_QUEUED`, "\x00", "\xff",
		strings.Repeat("(", 21) + `labels:team` + strings.Repeat(")", 21), strings.Repeat("x", 1001),
	} {
		t.Run(text, func(t *testing.T) {
			_, err := language.Parse(text)
			if f := fault.From(err); f == nil || f.Reason != faultv1.Reason_REASON_INVALID_FIELD || f.Field != "filter" {
				t.Errorf("got %v", err)
			}
		})
	}
	if _, err := filter.MustLanguage(nil).Parse("state = STATE_FAILED"); err == nil {
		t.Error("there is a state where there are none")
	}
}

// FuzzParse looks for filters that break the parser or the evaluation.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{`state = STATE_FAILED AND labels.a = "b"`, `-(labels:a OR create_time<"2026-01-02T15:04:05Z")`, "a(a(a(a(", `timestamp("")`, "NOT NOT x", "'"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		parsed, err := language.Parse(text)
		if err == nil {
			parsed.Passes(entry)
			return
		}
		if got := fault.From(err); got.Reason != faultv1.Reason_REASON_INVALID_FIELD || got.Field != "filter" {
			t.Errorf("got %v", err)
		}
	})
}
