package ort

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
)

// LibraryVariable is the environment variable that names the file of ONNX
// Runtime's shared library.
const LibraryVariable = "FACESTUDIO_ORT_LIBRARY"

// FindLibrary looks for ONNX Runtime's shared library and returns its path: in
// the environment variable FACESTUDIO_ORT_LIBRARY, then beside the executable
// and where scripts/setup-models.sh puts it (below the executable's parent
// folder or the working folder), then in the system's library folders. The
// error says where it looked and what to do.
func FindLibrary() (string, error) {
	name := "libonnxruntime.so"
	if runtime.GOOS == "darwin" {
		name = "libonnxruntime.dylib"
	}
	if path := os.Getenv(LibraryVariable); path != "" {
		if !isFile(path) {
			return "", fmt.Errorf("%s names %s, which is no file", LibraryVariable, path)
		}
		return path, nil
	}
	cached := filepath.Join(".cache", "onnxruntime", Version, "lib", name)
	var candidates []string
	if executable, err := os.Executable(); err == nil {
		if resolved, err := filepath.EvalSymlinks(executable); err == nil {
			executable = resolved
		}
		folder := filepath.Dir(executable)
		candidates = append(candidates,
			filepath.Join(folder, name),
			filepath.Join(folder, "..", "lib", name),
			filepath.Join(folder, "..", cached))
	}
	candidates = append(candidates, cached)
	for _, folder := range []string{"/usr/local/lib", "/usr/lib", "/opt/onnxruntime/lib", "/opt/homebrew/lib"} {
		candidates = append(candidates, filepath.Join(folder, name))
	}
	for _, path := range candidates {
		if isFile(path) {
			return filepath.Abs(path)
		}
	}
	return "", fmt.Errorf("ONNX Runtime %s was not found (looked at %q): run scripts/setup-models.sh, or set %s to its library", Version, candidates, LibraryVariable)
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}
