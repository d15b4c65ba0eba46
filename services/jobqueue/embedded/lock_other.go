//go:build !unix

package embedded

import "os"

// lockFile has no lock to hold here: two servers in one directory are not
// noticed.
func lockFile(name string) (*os.File, error) {
	return os.OpenFile(name, os.O_CREATE|os.O_RDWR, 0o600)
}
