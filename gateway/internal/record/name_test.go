package record_test

import (
	"bytes"
	"crypto/rand"
	"slices"
	"testing"
	"time"

	"github.com/facestudio/facestudio/gateway/internal/record"
)

func TestIDsSortByTime(t *testing.T) {
	start := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	times := []time.Duration{0, time.Millisecond, time.Second, time.Hour, 10 * 365 * 24 * time.Hour}
	drawn := make([]string, 0, len(times))
	for _, after := range times {
		id, err := record.NewID(start.Add(after), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		drawn = append(drawn, id)
	}
	if !slices.IsSorted(drawn) {
		t.Errorf("ids are not in order: %v", drawn)
	}
	if _, ok := record.ParseName(record.Name(drawn[0])); !ok {
		t.Errorf("%s is no name", record.Name(drawn[0]))
	}
	if _, err := record.NewID(start, bytes.NewReader(nil)); err == nil {
		t.Error("an id was drawn without randomness")
	}
}

func TestRequestIDs(t *testing.T) {
	const request = "6F1ED1F5-0C4E-4B0B-9D4C-0A4C9D8E7F60"
	first := record.RequestID("acme", request)
	if _, ok := record.ParseName(record.Name(first)); !ok {
		t.Errorf("%s is no id", first)
	}
	if record.RequestID("acme", "6f1ed1f5-0c4e-4b0b-9d4c-0a4c9d8e7f60") != first {
		t.Error("case makes a difference")
	}
	if record.RequestID("other", request) == first {
		t.Error("tenants share ids")
	}
}

func TestNames(t *testing.T) {
	const id = "0123456789abcdefghijklmnop"
	for name, ok := range map[string]bool{
		"generations/" + id:       true,
		id:                        false,
		"generations/":            false,
		"generations/" + id + "/": false,
		"generations/ABC":         false,
		"generations/*":           false,
		"subjects/" + id:          false,
	} {
		if _, got := record.ParseName(name); got != ok {
			t.Errorf("%q is a name: %v", name, got)
		}
	}
	for name, ok := range map[string]bool{
		"generations/" + id + "/pictures/0":   true,
		"generations/" + id + "/pictures/12":  true,
		"generations/" + id + "/pictures/":    false,
		"generations/" + id + "/pictures/-1":  false,
		"generations/" + id + "/pictures/+1":  false,
		"generations/" + id + "/pictures/01":  false,
		"generations/" + id + "/pictures/1/2": false,
		"generations/" + id:                   false,
	} {
		if _, _, got := record.ParsePictureName(name); got != ok {
			t.Errorf("%q is a picture's name: %v", name, got)
		}
	}
}
