package e2e_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	healthv1 "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/facestudio/facestudio/services/rpc"
	"github.com/facestudio/facestudio/services/testkit"
	"github.com/facestudio/facestudio/services/testkit/scratch"
)

// upArgs run the mesh in one process in a folder.
func upArgs(t *testing.T, dir string) []string {
	t.Helper()
	return []string{
		"up", "--listen", "127.0.0.1:0", "--data-dir", dir, "--threads", "1",
		"--bundle", testkit.TinyBundleDir(t), "--bundle-cache", testkit.ModelCache(t), "--ort-library", testkit.Library(t),
	}
}

// facestudio runs the command to its end.
func facestudio(t *testing.T, args ...string) (string, error) {
	t.Helper()
	var out, errs bytes.Buffer
	cmd := exec.CommandContext(t.Context(), filepath.Join(binaries(t), "facestudio"), args...)
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	if err != nil {
		t.Logf("facestudio %v: %s", args, errs.String())
	}
	return out.String(), err
}

func TestUpServesTheCommand(t *testing.T) {
	dir := scratch.Dir(t)
	up := launch(t, "facestudio", upArgs(t, dir)...)
	conn, err := rpc.Dial(up.listen, rpc.DialSettings{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	answer, err := healthv1.NewHealthClient(conn).Check(t.Context(), &healthv1.HealthCheckRequest{})
	if err != nil || answer.GetStatus() != healthv1.HealthCheckResponse_SERVING {
		t.Errorf("health is %v, %v", answer.GetStatus(), err)
	}

	face := filepath.Join(testkit.Root(t), "examples", "faces", "amara.jpg")
	remote, local := filepath.Join(dir, "remote.png"), filepath.Join(dir, "local.png")
	generate := func(more ...string) {
		t.Helper()
		args := []string{"generate", "--face", face, "--style", face, "--seed", "3", "--steps", "3"}
		if _, err := facestudio(t, append(args, more...)...); err != nil {
			t.Fatal(err)
		}
	}
	generate("--server", up.listen, "-o", remote)
	generate("-o", local, "--threads", "1",
		"--bundle", testkit.TinyBundleDir(t), "--bundle-cache", testkit.ModelCache(t), "--ort-library", testkit.Library(t))
	first, err := os.ReadFile(remote)
	if err != nil {
		t.Fatal(err)
	}
	second, err := os.ReadFile(local)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(first, second) {
		t.Error("the command makes another picture than the mesh it talks to")
	}

	listed, err := facestudio(t, "generations", "list", "--json", "--server", up.listen)
	if err != nil {
		t.Fatal(err)
	}
	var said struct {
		Generations []struct{ Name, State string }
	}
	if err := json.Unmarshal([]byte(listed), &said); err != nil || len(said.Generations) != 1 || said.Generations[0].State != "STATE_SUCCEEDED" {
		t.Fatalf("%v: %s", err, listed)
	}
	for _, verb := range []string{"get", "watch", "cancel"} {
		if _, err := facestudio(t, "generations", verb, said.Generations[0].Name, "--server", up.listen); err != nil {
			t.Errorf("generations %s: %v", verb, err)
		}
	}
	if code := up.stop(t); code != 0 {
		t.Errorf("up ended with %d:\n%s", code, up.output())
	}
}

func TestAWrongStartEndsWithTwo(t *testing.T) {
	taken, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	broken := t.TempDir()
	if err := os.CopyFS(broken, os.DirFS(testkit.TinyBundleDir(t))); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(broken, "unet.onnx")); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name, says string
		args       []string
		code       int
	}{
		{"several settings at once", "2 settings are wrong", []string{"--threads=-1", "--provider=gpu"}, 2},
		{"broken bundle", "unet.onnx", []string{"--bundle", broken}, 2},
		{"taken address", "listen", []string{"--listen", taken.Addr().String()}, 2},
		{"no NATS", "nats-url", []string{"--nats-url", "nats://127.0.0.1:1", "--nats-wait", "50ms"}, 5},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			args := append([]string{
				"--blob-url", "file://" + t.TempDir(), "--seal-key-file", filepath.Join(t.TempDir(), "keys"), "--listen", "127.0.0.1:0",
				"--bundle", testkit.TinyBundleDir(t), "--bundle-cache", testkit.ModelCache(t), "--ort-library", testkit.Library(t),
			}, test.args...)
			out, err := exec.CommandContext(t.Context(), filepath.Join(binaries(t), "denoiser-svc"), args...).CombinedOutput()
			code := 0
			if exit, ok := errors.AsType[*exec.ExitError](err); ok {
				code = exit.ExitCode()
			}
			if code != test.code || !bytes.Contains(out, []byte(test.says)) {
				t.Errorf("exit code %d, want %d, and it must say %q:\n%s", code, test.code, test.says, out)
			}
		})
	}
}
