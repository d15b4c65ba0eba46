// Package layout holds the test that keeps every line in its room: which
// module may import which, and which third-party packages belong to one
// package alone.
package layout
