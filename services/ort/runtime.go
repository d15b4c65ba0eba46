package ort

import (
	"errors"
	"fmt"
	"sync"
	"time"

	native "github.com/yalue/onnxruntime_go"
)

// Version is the ONNX Runtime that the project is built for and tested with.
// Another one is refused, since results must be the same everywhere.
const Version = "1.32.0"

// Runtime is the loaded ONNX Runtime library with its environment. It may be
// used by many goroutines.
type Runtime struct {
	path     string
	busy     busy
	observer observer
	plugins  plugins
}

// process is the one native environment of this process. It is a global
// because the library has only one.
var process struct {
	mu      sync.Mutex
	runtime *Runtime
	users   int
}

// Start loads ONNX Runtime and makes its environment. libraryPath is the
// shared library's file; when it is empty, the library is looked for as
// FindLibrary does. Called again while a Runtime is open, it returns the same
// one, or an error if another library is asked for. Every Start needs a Close.
func Start(libraryPath string) (*Runtime, error) {
	process.mu.Lock()
	defer process.mu.Unlock()
	if process.runtime != nil && (libraryPath == "" || libraryPath == process.runtime.path) {
		process.users++
		return process.runtime, nil
	}
	if process.runtime != nil {
		return nil, fmt.Errorf("start ONNX Runtime from %s: this process already runs the one of %s", libraryPath, process.runtime.path)
	}
	if libraryPath == "" {
		found, err := FindLibrary()
		if err != nil {
			return nil, err
		}
		libraryPath = found
	}
	native.SetSharedLibraryPath(libraryPath)
	if err := native.InitializeEnvironment(native.WithLogLevelError()); err != nil {
		return nil, fmt.Errorf("load ONNX Runtime: %w (run scripts/setup-models.sh, or set %s to the library of ONNX Runtime %s)", err, LibraryVariable, Version)
	}
	if got := native.GetVersion(); got != Version {
		return nil, errors.Join(
			fmt.Errorf("%s is ONNX Runtime %s, but %s is needed: run scripts/setup-models.sh, or set %s to the library of that version", libraryPath, got, Version, LibraryVariable),
			native.DestroyEnvironment())
	}
	if err := native.DisableTelemetry(); err != nil {
		return nil, errors.Join(fmt.Errorf("switch off the telemetry of ONNX Runtime: %w", err), native.DestroyEnvironment())
	}
	process.runtime, process.users = &Runtime{path: libraryPath}, 1
	return process.runtime, nil
}

// Path is the file of the loaded library.
func (r *Runtime) Path() string { return r.path }

// Busy is the time for which at least one session of this process was inside
// a run since Start: the union of the runs' intervals.
func (r *Runtime) Busy() time.Duration { return r.busy.total() }

// Run is what an observer learns about one run of a session.
type Run struct {
	// Role is the role of the session's contract.
	Role string
	// Begin is when the native call began.
	Begin time.Time
	// Duration is how long it took.
	Duration time.Duration
	// Err is what the run failed with; nil when it did not.
	Err error
}

// Observe calls f after every run of every session from now on, on the
// goroutine that ran it; f must be quick. There is one observer; nil takes it
// away.
func (r *Runtime) Observe(f func(Run)) { r.observer.set(f) }

// Close lets go of the library; the last Close of a process unloads it. All
// sessions that were loaded must be closed before.
func (r *Runtime) Close() error {
	process.mu.Lock()
	defer process.mu.Unlock()
	if process.runtime != r {
		return errors.New("close ONNX Runtime: it is closed already")
	}
	if process.users--; process.users > 0 {
		return nil
	}
	process.runtime = nil
	if err := errors.Join(r.plugins.unregister(), native.DestroyEnvironment()); err != nil {
		return fmt.Errorf("close ONNX Runtime: %w", err)
	}
	return nil
}
