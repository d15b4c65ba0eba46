// Package version knows which version this build is.
package version

import "runtime/debug"

// Version is set by the linker: -X .../version.Version=v1.2.3.
var Version = ""

// String is the version of the build: the linker's, else the module's.
func String() string {
	if Version != "" {
		return Version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "devel"
}
