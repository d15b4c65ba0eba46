package tenant_test

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"

	"github.com/facestudio/facestudio/gateway/internal/tenant"
	"github.com/facestudio/facestudio/services/config"
)

func write(t *testing.T, path, text string) string {
	t.Helper()
	if path == "" {
		path = filepath.Join(t.TempDir(), "tenants.yaml")
	}
	// Replaced at once, as those who write such files do.
	if err := os.WriteFile(path+".new", []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestATenantHasTheDefaultsForWhatItDoesNotSay(t *testing.T) {
	f, err := tenant.Read(write(t, "", `
defaults:
  requests-per-second: 2.5
  in-flight: 10
  watches: 20
  classes: [batch]
tenants:
  acme:
    weight: 3
    in-flight: 0
    watches: 0
    classes: [interactive, batch]
  blank:
`))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]tenant.Limits{
		"acme":     {Weight: 3, RequestsPerSecond: 2.5, Classes: []string{"interactive", "batch"}},
		"blank":    {Weight: 1, InFlight: 10, Watches: 20, RequestsPerSecond: 2.5, Classes: []string{"batch"}},
		"stranger": {Weight: 1, InFlight: 10, Watches: 20, RequestsPerSecond: 2.5, Classes: []string{"batch"}},
	} {
		if got := f.Of(name); !reflect.DeepEqual(got, want) {
			t.Errorf("%s has %+v, want %+v", name, got, want)
		}
	}
	if rate, burst := f.Of("acme").Rate(); rate != 2.5 || burst != 3 {
		t.Errorf("rate %v, burst %d", rate, burst)
	}
	empty, err := tenant.Read(write(t, "", ""))
	if err != nil || !reflect.DeepEqual(empty.Of("acme"), tenant.Default()) {
		t.Errorf("an empty file gives %+v, %v", empty, err)
	}
}

func TestAllThatIsWrongIsToldAtOnce(t *testing.T) {
	tests := []struct {
		name, text string
		want       []string
	}{
		{"values", "defaults: {weight: 0, in-flight: -1, upload-bytes: 99999999}\ntenants:\n  acme: {burst: 3, classes: [soon], weight: .inf}\n  blank: {pictures-per-day: many, upload-pixels: -1, watches: -1}\n",
			[]string{"defaults.weight", "defaults.in-flight", "defaults.upload-bytes", "tenants.acme.weight", "tenants.acme.burst", "tenants.acme.classes",
				"tenants.blank.pictures-per-day", "tenants.blank.upload-pixels", "tenants.blank.watches"}},
		{"names", "default: {}\ntenants:\n  'a b': {}\n  acme: {wieght: 3}\n", []string{"default", "tenants.a b", "tenants.acme.wieght"}},
		{"twice", "defaults: {weight: 3, weight: 4}\n", []string{"defaults.weight"}},
		{"a list", "tenants: {acme: [1]}\n", []string{"tenants.acme"}},
		{"no mapping", "- acme\n", []string{"tenants-file"}},
		{"no YAML", "a: [", []string{"tenants-file"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := tenant.Read(write(t, "", test.text))
			invalid, ok := errors.AsType[*config.InvalidError](err)
			if !ok {
				t.Fatalf("got %v", err)
			}
			var got []string
			for _, p := range invalid.Problems {
				got = append(got, p.Setting)
			}
			slices.Sort(got)
			slices.Sort(test.want)
			if !slices.Equal(got, test.want) {
				t.Errorf("told %q, want %q:\n%v", got, test.want, err)
			}
		})
	}
	if _, err := tenant.Read("/nowhere/tenants.yaml"); err == nil {
		t.Error("a file that is not there was read")
	}
}

func TestClasses(t *testing.T) {
	both, batch := tenant.Limits{}, tenant.Limits{Classes: []string{"batch"}}
	tests := []struct {
		name, asked, want string
		limits            tenant.Limits
		ok                bool
	}{
		{"none named", "", "interactive", both, true},
		{"any named", "batch", "batch", both, true},
		{"none named, one allowed", "", "batch", batch, true},
		{"another than allowed", "interactive", "interactive", batch, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got, ok := test.limits.Class(test.asked); got != test.want || ok != test.ok {
				t.Errorf("got %s, %v", got, ok)
			}
		})
	}
}
