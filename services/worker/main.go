package worker

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"

	"github.com/spf13/pflag"

	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	"github.com/facestudio/facestudio/services/config"
	"github.com/facestudio/facestudio/services/fault"
)

// Exit codes of the processes.
const (
	// ExitOK is a clean end.
	ExitOK = 0
	// ExitFailed is any other failure.
	ExitFailed = 1
	// ExitConfig is a wrong setting or bundle.
	ExitConfig = 2
	// ExitUnavailable is something that could not be reached.
	ExitUnavailable = 5
)

// Main is a stage binary's main: it reads flags and environment, runs the
// stage until SIGTERM or SIGINT, and returns the exit code. A second signal
// ends the process at once.
func Main(name string, build Build) int {
	var c Config
	return Program(name, &c, func(ctx context.Context) error { return Run(ctx, name, c, build) })
}

// Program is Main for any process that is configured by a section: run gets a
// context that ends with the first signal.
func Program(name string, section config.Section, run func(context.Context) error) int {
	set := config.NewSet(name, section)
	if err := set.Load(os.Args[1:], os.LookupEnv); err != nil {
		if errors.Is(err, pflag.ErrHelp) {
			return ExitOK
		}
		fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
		return ExitConfig
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop)
	err := run(ctx)
	if err == nil || (ctx.Err() != nil && errors.Is(err, context.Canceled)) {
		return ExitOK
	}
	fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
	return ExitCode(err)
}

// ExitCode is the exit code that tells a supervisor what kind of failure ended
// a process: trying again helps only with ExitFailed and ExitUnavailable.
func ExitCode(err error) int {
	if err == nil {
		return ExitOK
	}
	if _, ok := errors.AsType[*config.InvalidError](err); ok {
		return ExitConfig
	}
	f, ok := errors.AsType[*fault.Fault](err)
	if !ok {
		return ExitFailed
	}
	switch f.Reason {
	case faultv1.Reason_REASON_BUNDLE_INVALID, faultv1.Reason_REASON_ROLE_MISSING, faultv1.Reason_REASON_CONFIG_INVALID:
		return ExitConfig
	}
	if f.Kind == fault.Unavailable {
		return ExitUnavailable
	}
	return ExitFailed
}

// StageName is the stage of a binary: "denoiser" of "denoiser-svc".
func StageName(binary string) string { return strings.TrimSuffix(binary, "-svc") }

// Version is the version of the build, for telemetry.
func Version() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "devel"
}
