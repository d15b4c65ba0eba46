package subject

import (
	"regexp"
	"strings"
)

const collection = "subjects/"

var idPattern = regexp.MustCompile(`^[0-9a-v]{26}$`)

// Name is the resource name of a subject.
func Name(id string) string { return collection + id }

// ParseName returns the id in a resource name; false when it is none.
func ParseName(name string) (id string, ok bool) {
	id, ok = strings.CutPrefix(name, collection)
	return id, ok && idPattern.MatchString(id)
}
