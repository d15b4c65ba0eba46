//go:build !cgo || !linux

package heap

// FewArenas does nothing here: only glibc has arenas that creep.
func FewArenas() {}
