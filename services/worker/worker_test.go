package worker_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/facestudio/facestudio/services/config"
	"github.com/facestudio/facestudio/services/testkit"
	"github.com/facestudio/facestudio/services/worker"
)

func none(string) (string, bool) { return "", false }

// configured is a Config for the tiny bundle with the arguments added.
func configured(t *testing.T, args ...string) (worker.Config, error) {
	t.Helper()
	var c worker.Config
	args = append([]string{
		"--bundle", testkit.TinyBundleDir(t), "--bundle-cache", testkit.ModelCache(t),
		"--ort-library", testkit.Library(t), "--blob-url", "file://" + t.TempDir(), "--seal-key-file", filepath.Join(t.TempDir(), "keys"), "--log-level=error",
	}, args...)
	err := config.NewSet("test-svc", &c).Load(args, none)
	return c, err
}

func TestValidate(t *testing.T) {
	empty := t.TempDir()
	tests := []struct {
		name string
		args []string
		want string
	}{
		{"fine", nil, ""},
		{"several servers", []string{"--nats-url=nats://a:4222,nats://b:4222"}, ""},
		{"no server", []string{"--nats-url=here"}, "nats-url"},
		{"missing credentials", []string{"--nats-creds=/nowhere"}, "nats-creds"},
		{"missing authority", []string{"--nats-ca=/nowhere"}, "nats-ca"},
		{"certificate without key", []string{"--nats-cert=worker_test.go"}, "nats-cert"},
		{"two replicas", []string{"--nats-replicas=2"}, "nats-replicas"},
		{"no wait", []string{"--nats-wait=0s"}, "nats-wait"},
		{"blob folder without a scheme", []string{"--blob-url=/tmp"}, "blob-url"},
		{"no keys", []string{"--seal-key-file="}, "seal-key-file"},
		{"keys twice", []string{"--seal-keys=base64key://"}, "seal-key-file"},
		{"no bundle in the folder", []string{"--bundle", empty}, "bundle"},
		{"unknown provider", []string{"--provider=gpu"}, "provider"},
		{"library for a provider that is built in", []string{"--provider-library", testkit.Library(t)}, "provider-library"},
		{"plugin library missing", []string{"--provider=MyEP", "--provider-library=/nowhere"}, "provider-library"},
		{"option without a value", []string{"--provider-options=device"}, "provider-options"},
		{"library missing", []string{"--ort-library=/nowhere"}, "ort-library"},
		{"negative threads", []string{"--threads=-1"}, "threads"},
		{"no slots", []string{"--slots=0"}, "slots"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := configured(t, test.args...)
			if test.want == "" {
				if err != nil {
					t.Errorf("got %v", err)
				}
				return
			}
			invalid, ok := errors.AsType[*config.InvalidError](err)
			if !ok || len(invalid.Problems) != 1 || invalid.Problems[0].Setting != test.want {
				t.Errorf("got %v, want one problem with %s", err, test.want)
			}
		})
	}
}

// copyBundle copies the tiny bundle to a folder of the test's own.
func copyBundle(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(testkit.TinyBundleDir(t))); err != nil {
		t.Fatal(err)
	}
	return dir
}

func build(context.Context, worker.Env) (worker.Stage, error) {
	return nil, errors.New("built although the start is wrong")
}

func TestAWrongStartNamesWhatIsWrong(t *testing.T) {
	changed := copyBundle(t)
	path := filepath.Join(changed, "unet.onnx")
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	data[len(data)/2] ^= 1
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	missing := copyBundle(t)
	if err := os.Remove(filepath.Join(missing, "vae_decoder.onnx")); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name, names string
		args        []string
		code        int
	}{
		{"changed byte", "unet.onnx", []string{"--bundle", changed}, worker.ExitConfig},
		{"missing file", "vae_decoder.onnx", []string{"--bundle", missing}, worker.ExitConfig},
		{"no NATS", "nats-url", []string{"--nats-url=nats://127.0.0.1:1", "--nats-wait=50ms"}, worker.ExitUnavailable},
		{"address of another machine", "listen", []string{"--listen=192.0.2.1:7433", "--insecure-listen"}, worker.ExitConfig},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c, err := configured(t, test.args...)
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			err = worker.Run(ctx, "test-svc", c, build)
			if err == nil || !strings.Contains(err.Error(), test.names) {
				t.Errorf("got %v, want an error that names %s", err, test.names)
			}
			if code := worker.ExitCode(err); code != test.code {
				t.Errorf("exit code %d, want %d: %v", code, test.code, err)
			}
		})
	}
}

func TestExitCode(t *testing.T) {
	var p config.Problems
	p.Add("threads", "-1 is outside 0..1024")
	tests := map[error]int{
		nil:                          worker.ExitOK,
		errors.New("anything"):       worker.ExitFailed,
		fmt.Errorf("a: %w", p.Err()): worker.ExitConfig,
	}
	for err, want := range tests {
		if got := worker.ExitCode(err); got != want {
			t.Errorf("%v: got %d, want %d", err, got, want)
		}
	}
}
