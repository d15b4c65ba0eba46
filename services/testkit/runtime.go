// Package testkit gives tests the real things they run on: ONNX Runtime, the
// tiny bundle, and pictures of people who do not exist. It finds them in the
// repository that the test's source is in; what scripts/setup-models.sh fetches
// must be there, and a test without it fails, saying so.
package testkit

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/facestudio/facestudio/services/ort"
)

// Runtime returns ONNX Runtime, which is loaded once for a test binary and
// closed with its test.
func Runtime(tb testing.TB) *ort.Runtime {
	tb.Helper()
	library := Library(tb)
	keep.Do(func() { _, errKeep = ort.Start(library) })
	if errKeep != nil {
		tb.Fatal(errKeep)
	}
	started, err := ort.Start(library)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := started.Close(); err != nil {
			tb.Errorf("close ONNX Runtime: %v", err)
		}
	})
	return started
}

// Library returns the path of ONNX Runtime's shared library: the one that the
// environment names, or the one that scripts/setup-models.sh fetched.
func Library(tb testing.TB) string {
	tb.Helper()
	if path := os.Getenv(ort.LibraryVariable); path != "" {
		return path
	}
	name := "libonnxruntime.so"
	if runtime.GOOS == "darwin" {
		name = "libonnxruntime.dylib"
	}
	path := filepath.Join(Root(tb), ".cache", "onnxruntime", ort.Version, "lib", name)
	if _, err := os.Stat(path); err != nil {
		tb.Fatalf("%v: run scripts/setup-models.sh", err)
	}
	return path
}

// Root returns the top folder of the repository.
func Root(tb testing.TB) string {
	tb.Helper()
	_, file, _, ok := runtime.Caller(0)
	if !ok {
		tb.Fatal("the source of testkit cannot be found: build the tests without -trimpath")
	}
	return filepath.Join(filepath.Dir(file), "..", "..")
}
