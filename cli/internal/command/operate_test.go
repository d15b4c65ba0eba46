package command_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"strings"
	"testing"
)

// upped is what `up --json` says.
type upped struct {
	Listen       string
	AdminKeyFile string `json:"admin_key_file"`
}

// startUp runs `facestudio up` until the test ends.
func startUp(t *testing.T, more ...string) upped {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	read, write := io.Pipe()
	var errs bytes.Buffer
	done := make(chan int, 1)
	go func() {
		done <- start(ctx, t, write, &errs, append([]string{"up", "--json", "--data-dir", t.TempDir(), "--listen", "127.0.0.1:0"}, more...)...)
		_ = write.Close()
	}()
	t.Cleanup(func() {
		stop()
		if code := <-done; code != 0 {
			t.Errorf("up ended with %d: %s", code, errs.String())
		}
	})
	var up upped
	if err := json.NewDecoder(read).Decode(&up); err != nil {
		t.Fatal(err)
	}
	go func() { _, _ = io.Copy(io.Discard, read) }()
	return up
}

func TestTheOperatorsCommands(t *testing.T) {
	listen := startUp(t).Listen
	// The stages take work a moment after the mesh says where it listens.
	for _, stage := range []string{"encoder", "prior", "segmenter", "denoiser"} {
		for !strings.Contains(run(t.Context(), t, "stage", "list", "--server", listen).out, stage) {
			if t.Context().Err() != nil {
				t.Fatalf("there is no %s", stage)
			}
		}
	}
	for _, c := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"stage", "pause", "denoiser", "--for", "5m"}, 0, "denoiser"},
		{[]string{"stage", "list"}, 0, "PAUSED UNTIL"},
		{[]string{"stage", "resume", "denoiser"}, 0, "denoiser"},
		{[]string{"stage", "list", "--json"}, 0, `"name": "encoder"`},
		{[]string{"seal", "rotate"}, 0, "data keys are wrapped anew"},
		{[]string{"audit", "list", "--since", "1h"}, 0, "rotate_keys"},
		{[]string{"audit", "list", "--json"}, 0, `"outcome": "OK"`},
		{[]string{"audit", "list", "--limit", "0"}, 2, "--limit"},
		{[]string{"stage", "pause", "nobody"}, 3, "UNKNOWN_STAGE"},
		{[]string{"stage", "pause", "denoiser", "--for", "-1s"}, 2, "--for"},
		{[]string{"dead", "list"}, 0, "REASON"},
		{[]string{"dead", "list", "--json"}, 0, `"dead_letters": []`},
		{[]string{"dead", "show", "7"}, 3, "UNKNOWN_DEAD_LETTER"},
		{[]string{"dead", "redrive", "7"}, 3, "UNKNOWN_DEAD_LETTER"},
		{[]string{"dead", "drop", "7"}, 3, "UNKNOWN_DEAD_LETTER"},
		{[]string{"dead", "drop", "all"}, 2, "dead list"},
	} {
		t.Run(strings.Join(c.args, " "), func(t *testing.T) {
			args := c.args
			if c.code != 2 {
				args = append(args, "--server", listen)
			}
			got := run(t.Context(), t, args...)
			if got.code != c.code || !strings.Contains(got.out+got.errs, c.says) {
				t.Errorf("exit code %d, want %d, and it must say %q:\n%s%s", got.code, c.code, c.says, got.out, got.errs)
			}
		})
	}
}
