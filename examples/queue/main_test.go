package main_test

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestTheExample builds the program and runs it.
func TestTheExample(t *testing.T) {
	program := filepath.Join(t.TempDir(), "queue")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", program, ".").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	out, err := exec.CommandContext(t.Context(), program).CombinedOutput()
	if err != nil {
		t.Fatalf("run: %v\n%s", err, out)
	}
	for _, want := range []string{"was killed while it counted", "counted 4 words", "asked again, with no worker there: 4 words"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("it does not say %q:\n%s", want, out)
		}
	}
}
