package testkit

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/facestudio/facestudio/services/bundle"
)

// TinyBundle returns the tiny bundle of the repository: every role, random
// weights, runs in milliseconds. Its face detector is the real one.
func TinyBundle(tb testing.TB) *bundle.Bundle {
	tb.Helper()
	opened, err := bundle.Open(TinyBundleDir(tb), bundle.Options{Cache: ModelCache(tb)})
	if err != nil {
		tb.Fatal(err)
	}
	return opened
}

// TinyBundleDir returns the folder of the tiny bundle. Tests must not write to
// it.
func TinyBundleDir(tb testing.TB) string {
	tb.Helper()
	return filepath.Join(Root(tb), "models", "tiny")
}

// ModelCache returns the folder of the third-party models that
// scripts/setup-models.sh fetched.
func ModelCache(tb testing.TB) string {
	tb.Helper()
	return filepath.Join(Root(tb), ".cache", "models")
}

// ExampleFace returns a JPEG of 128x128 pixels of a person who does not exist,
// with one face.
func ExampleFace(tb testing.TB) []byte {
	tb.Helper()
	return ExampleFaces(tb)[0]
}

// ExampleFaces returns all the example pictures, by file name in order; each
// has one face, and no two are of one person.
func ExampleFaces(tb testing.TB) [][]byte {
	tb.Helper()
	paths, err := filepath.Glob(filepath.Join(Root(tb), "examples", "faces", "*.jpg"))
	if err != nil || len(paths) == 0 {
		tb.Fatalf("no pictures in examples/faces: %v", err)
	}
	pictures := make([][]byte, len(paths))
	for i, path := range paths {
		if pictures[i], err = os.ReadFile(path); err != nil {
			tb.Fatal(err)
		}
	}
	return pictures
}
