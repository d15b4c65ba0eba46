package config_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"

	"github.com/facestudio/facestudio/services/config"
)

// store is a section as a package would have it.
type store struct {
	URL   string
	Token config.Secret
	Slots int
	Wait  time.Duration
	Ratio float64
	Fast  bool
	Names []string
}

func (s *store) Register(set *config.Set) {
	set.String(&s.URL, "url", "mem://", "where")
	set.Secret(&s.Token, "token", "who")
	set.Int(&s.Slots, "slots", 2, "how many")
	set.Duration(&s.Wait, "wait", time.Second, "how long")
	set.Float(&s.Ratio, "ratio", 0.5, "how much")
	set.Bool(&s.Fast, "fast", false, "whether")
	set.Strings(&s.Names, "names", nil, "which")
}

func (s *store) Validate(p *config.Problems) {
	p.Check(s.Slots > 0, "slots", "%d is not positive: use at least 1", s.Slots)
	p.Check(s.URL != "", "url", "it is empty: name a store")
}

func lookup(env map[string]string) func(string) (string, bool) {
	return func(name string) (string, bool) {
		value, ok := env[name]
		return value, ok
	}
}

func load(t *testing.T, args []string, env map[string]string) (store, *config.Set, error) {
	t.Helper()
	var s store
	var file config.File
	set := config.NewSet("test", &file, &s)
	set.Flags().SetOutput(&bytes.Buffer{})
	err := set.Load(args, lookup(env))
	return s, set, err
}

func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "settings.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestPrecedence(t *testing.T) {
	file := write(t, "slots: 5\nwait: 3s\nnames: [a, b]\nfast: true\n")
	tests := []struct {
		name string
		args []string
		env  map[string]string
		want store
	}{
		{
			name: "defaults",
			want: store{URL: "mem://", Slots: 2, Wait: time.Second, Ratio: 0.5},
		},
		{
			name: "file before default",
			args: []string{"--config", file},
			want: store{URL: "mem://", Slots: 5, Wait: 3 * time.Second, Ratio: 0.5, Fast: true, Names: []string{"a", "b"}},
		},
		{
			name: "variable before file",
			env:  map[string]string{"FACESTUDIO_CONFIG": file, "FACESTUDIO_SLOTS": "6", "FACESTUDIO_NAMES": "c"},
			want: store{URL: "mem://", Slots: 6, Wait: 3 * time.Second, Ratio: 0.5, Fast: true, Names: []string{"c"}},
		},
		{
			name: "flag before variable",
			args: []string{"--slots=7", "--fast", "--ratio=0.25", "--names=x,y", "--names=z"},
			env:  map[string]string{"FACESTUDIO_SLOTS": "6"},
			want: store{URL: "mem://", Slots: 7, Wait: time.Second, Ratio: 0.25, Fast: true, Names: []string{"x", "y", "z"}},
		},
		{
			name: "an empty variable is none",
			env:  map[string]string{"FACESTUDIO_SLOTS": ""},
			want: store{URL: "mem://", Slots: 2, Wait: time.Second, Ratio: 0.5},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, _, err := load(t, test.args, test.env)
			if err != nil {
				t.Fatal(err)
			}
			if fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", test.want) {
				t.Errorf("got %+v, want %+v", got, test.want)
			}
		})
	}
}

func TestAllProblemsAtOnce(t *testing.T) {
	file := write(t, "slot: 3\nratio: lots\n")
	_, _, err := load(t,
		[]string{"--wait=soon", "--slots=-1", "--config", file},
		map[string]string{"FACESTUDIO_FAST": "perhaps"})
	invalid, ok := errors.AsType[*config.InvalidError](err)
	if !ok {
		t.Fatalf("got %v, want *config.InvalidError", err)
	}
	names := make([]string, 0, len(invalid.Problems))
	for _, p := range invalid.Problems {
		names = append(names, p.Setting)
	}
	slices.Sort(names)
	want := []string{"fast", "ratio", "slot", "slots", "wait"}
	if !slices.Equal(names, want) {
		t.Errorf("problems with %v, want %v:\n%v", names, want, err)
	}
	for _, text := range []string{"FACESTUDIO_FAST", "--wait", `"soon"`} {
		if !strings.Contains(err.Error(), text) {
			t.Errorf("the error does not say %s:\n%v", text, err)
		}
	}
}

func TestUnreadable(t *testing.T) {
	tests := []struct {
		name, setting string
		args          []string
	}{
		{"unknown flag", "flags", []string{"--sluts=3"}},
		{"argument", "arguments", []string{"serve"}},
		{"missing file", "config", []string{"--config=/nowhere/settings.yaml"}},
		{"no YAML", "config", []string{"--config", write(t, "a: [")}},
		{"nested", "slots", []string{"--config", write(t, "slots: {a: 1}")}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, _, err := load(t, test.args, nil)
			invalid, ok := errors.AsType[*config.InvalidError](err)
			if !ok || len(invalid.Problems) != 1 || invalid.Problems[0].Setting != test.setting {
				t.Errorf("got %v, want one problem with %s", err, test.setting)
			}
		})
	}
	if _, _, err := load(t, []string{"--help"}, nil); !errors.Is(err, pflag.ErrHelp) {
		t.Errorf("got %v, want help", err)
	}
}

func TestSecretsAreNotPrinted(t *testing.T) {
	got, set, err := load(t, []string{"--token=hunter2", "--url=nats://ada:hunter2@host:4222,nats://ada:hunter2@other:4222"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if string(got.Token) != "hunter2" {
		t.Fatalf("the token is %q", string(got.Token))
	}
	var log bytes.Buffer
	logger := slog.New(slog.NewTextHandler(&log, nil))
	logger.Info("settings", slog.Any("settings", set), slog.Any("token", got.Token))
	encoded, err := json.Marshal(got.Token)
	if err != nil {
		t.Fatal(err)
	}
	printed := log.String() + string(encoded) + fmt.Sprintf("%v %+v %#v %s", got.Token, got.Token, got.Token, got.Token)
	if strings.Contains(printed, "hunter2") {
		t.Errorf("a secret was printed: %s", printed)
	}
	if !strings.Contains(log.String(), "nats://ada:") {
		t.Errorf("the settings are not printed: %s", log.String())
	}
}
