package testkit

import "sync"

// The library is not unloaded between the tests of a binary: that would take
// longer than most of the tests. It is a global because the library is one.
var (
	keep    sync.Once
	errKeep error
)
