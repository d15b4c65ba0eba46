package jobqueue

import (
	"errors"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

func TestEars(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		want ear
	}{
		"as written":      {ear{"QX7", 12}.String(), ear{"QX7", 12}},
		"none":            {"", ear{}},
		"no number":       {"QX7", ear{}},
		"number 0":        {"QX7.0", ear{}},
		"no number at 2":  {"QX7.x", ear{}},
		"everybody":       {">.1", ear{}},
		"another subject": {"a.b.1", ear{}},
		"a line break":    {"a\r\nb.1", ear{}},
	} {
		t.Run(name, func(t *testing.T) {
			if got, ok := parseEar(c.text); got != c.want || ok != (c.want != ear{}) {
				t.Errorf("got %v, %v", got, ok)
			}
		})
	}
}

func TestHearing(t *testing.T) {
	now := time.Unix(1_000_000, 0)
	for name, c := range map[string]struct {
		hearing hearing
		want    bool
	}{
		"never told":                  {hearing{}, false},
		"told":                        {hearing{told: true}, true},
		"never told, one was missing": {hearing{missed: now.Add(-time.Hour)}, false},
		"one was missing just now":    {hearing{told: true, missed: now.Add(-time.Second)}, false},
		"one was missing long ago":    {hearing{told: true, missed: now.Add(-doubt)}, true},
	} {
		t.Run(name, func(t *testing.T) {
			if got := c.hearing.relies(now); got != c.want {
				t.Errorf("got %v", got)
			}
		})
	}
}

func TestStreamsAnswers(t *testing.T) {
	for name, c := range map[string]struct {
		answer string
		want   uint64
		code   jetstream.ErrorCode
		bad    bool
	}{
		"stored":           {answer: `{"stream":"WORK","seq":17}`, want: 17},
		"with a space":     {answer: `{"stream":"WORK", "seq":20}`, want: 20},
		"in other words":   {answer: `{"seq": 18, "stream": "WORK", "duplicate": true}`, want: 18},
		"of a domain":      {answer: `{"stream":"WORK","domain":"hub","seq":19}`, want: 19},
		"refused":          {answer: `{"error":{"code":400,"err_code":10071,"description":"wrong last sequence: 4"},"stream":"KV_results","seq":0}`, code: 10071},
		"a number too big": {answer: `{"stream":"WORK","seq":99999999999999999999}`, bad: true},
		"no number":        {answer: `{"stream":"WORK"}`, bad: true},
		"nothing":          {answer: ``, bad: true},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := readStored([]byte(c.answer))
			api, _ := errors.AsType[*jetstream.APIError](err)
			if got != c.want || (err != nil) != (c.bad || c.code != 0) || c.code != 0 && (api == nil || api.ErrorCode != c.code) {
				t.Errorf("got %d, %v", got, err)
			}
		})
	}
}
