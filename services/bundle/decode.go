package bundle

import (
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
)

// decode reads bundle.json. It returns every key that is missing, unknown or
// of the wrong type; the manifest is only valid without any.
func decode(data []byte) (*Manifest, problems) {
	var found problems
	var tree any
	if err := json.Unmarshal(data, &tree); err != nil {
		found.add("", "is not JSON: %v", err)
		return nil, found
	}
	top, ok := tree.(map[string]any)
	if !ok {
		found.add("", "must be a JSON object")
		return nil, found
	}
	// Another format has other keys: say so before anything else.
	if format, ok := top["format"]; ok && format != float64(Format) {
		found.add("format", "is %v, this version reads format %d", format, Format)
		return nil, found
	}
	compare("", tree, reflect.TypeFor[Manifest](), &found)
	if len(found) > 0 {
		return nil, found
	}
	m := &Manifest{}
	if err := json.Unmarshal(data, m); err != nil {
		found.add("", "cannot be read: %v", err)
		return nil, found
	}
	return m, nil
}

// compare checks the JSON value at path against the Go type that it is to be
// read into.
func compare(path string, value any, want reflect.Type, found *problems) {
	switch want.Kind() {
	case reflect.Pointer:
		if value != nil {
			compare(path, value, want.Elem(), found)
		}
	case reflect.Struct:
		object, ok := value.(map[string]any)
		if !ok {
			found.add(path, "must be an object")
			return
		}
		known := map[string]bool{}
		compareFields(path, object, want, known, found)
		for _, key := range sortedKeys(object) {
			if !known[key] {
				found.add(join(path, key), "is not a key of format %d", Format)
			}
		}
	case reflect.Map:
		object, ok := value.(map[string]any)
		if !ok {
			found.add(path, "must be an object")
			return
		}
		for _, key := range sortedKeys(object) {
			compare(join(path, key), object[key], want.Elem(), found)
		}
	case reflect.Slice, reflect.Array:
		list, ok := value.([]any)
		switch {
		case !ok:
			found.add(path, "must be a list")
		case want.Kind() == reflect.Array && len(list) != want.Len():
			found.add(path, "must have %d elements, it has %d", want.Len(), len(list))
		default:
			for i, element := range list {
				compare(fmt.Sprintf("%s[%d]", path, i), element, want.Elem(), found)
			}
		}
	case reflect.String:
		if _, ok := value.(string); !ok {
			found.add(path, "must be a text")
		}
	case reflect.Bool:
		if _, ok := value.(bool); !ok {
			found.add(path, "must be true or false")
		}
	case reflect.Int, reflect.Int64:
		if n, ok := value.(float64); !ok || n != math.Trunc(n) || math.Abs(n) > 1<<53 {
			found.add(path, "must be a whole number")
		}
	default: // floats
		if n, ok := value.(float64); !ok || math.Abs(n) > math.MaxFloat32 {
			found.add(path, "must be a number")
		}
	}
}

func compareFields(path string, object map[string]any, want reflect.Type, known map[string]bool, found *problems) {
	for i := range want.NumField() {
		field := want.Field(i)
		if field.Anonymous {
			compareFields(path, object, field.Type, known, found)
			continue
		}
		key, options, _ := strings.Cut(field.Tag.Get("json"), ",")
		known[key] = true
		value, ok := object[key]
		switch {
		case ok:
			compare(join(path, key), value, field.Type, found)
		case options != "omitempty":
			found.add(join(path, key), "is missing")
		}
	}
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

func sortedKeys(object map[string]any) []string {
	keys := make([]string, 0, len(object))
	for key := range object {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}
