package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
)

// problem is the response to every call that fails; the overlay defines it.
var problem = map[string]any{"$ref": "#/components/responses/Problem"}

// assemble makes one document of the parts, adds to their schemas, lays the
// overlay over it, and gives every operation the answer to a failure.
func assemble(parts [][]byte, schemas, overlay map[string]any) ([]byte, error) {
	all := map[string]any{}
	for _, part := range parts {
		var document map[string]any
		if err := json.Unmarshal(part, &document); err != nil {
			return nil, fmt.Errorf("read a generated document: %w", err)
		}
		delete(document, "info") // of a file; the overlay has that of the whole
		if err := join(all, document, ""); err != nil {
			return nil, err
		}
	}
	lay(all, overlay)
	components, _ := all["components"].(map[string]any)
	known, _ := components["schemas"].(map[string]any)
	for name, schema := range schemas {
		if to, ok := known[name].(map[string]any); ok {
			lay(to, schema.(map[string]any))
		}
	}
	paths, _ := all["paths"].(map[string]any)
	if err := flatten(paths); err != nil {
		return nil, err
	}
	tellIDs(paths)
	for _, path := range paths {
		operations, _ := path.(map[string]any)
		for _, operation := range operations {
			if o, ok := operation.(map[string]any); ok {
				lay(o, map[string]any{"responses": map[string]any{"default": problem}})
			}
		}
	}
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(all); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// dotted is a part of a path that is a field of a field.
var dotted = regexp.MustCompile(`\{[^{}]*\.([^{}.]+)\}`)

// flatten calls the parts of paths by their last words: "{subject.name}" is
// "{name}". OpenAPI takes paths for the same that differ in such names alone, and
// wants them to be one.
func flatten(paths map[string]any) error {
	for _, path := range slices.Sorted(maps.Keys(paths)) {
		flat := dotted.ReplaceAllString(path, "{$1}")
		operations, ok := paths[path].(map[string]any)
		if flat == path || !ok {
			continue
		}
		for _, operation := range operations {
			o, _ := operation.(map[string]any)
			parameters, _ := o["parameters"].([]any)
			for _, parameter := range parameters {
				if p, ok := parameter.(map[string]any); ok && p["in"] == "path" {
					p["name"] = dotted.ReplaceAllString(fmt.Sprintf("{%v}", p["name"]), "$1")
				}
			}
		}
		delete(paths, path)
		if err := join(paths, map[string]any{flat: operations}, "/paths"); err != nil {
			return err
		}
	}
	return nil
}

// resource is the form of a name in the description of a field that has one.
var resource = regexp.MustCompile(`"([a-z]+)/\{[a-z0-9]+\}"`)

// tellIDs describes the parts of paths that are the last part of a name: a field
// that has the name describes the whole.
func tellIDs(paths map[string]any) {
	for _, path := range paths {
		operations, _ := path.(map[string]any)
		for _, operation := range operations {
			o, _ := operation.(map[string]any)
			parameters, _ := o["parameters"].([]any)
			for _, parameter := range parameters {
				p, _ := parameter.(map[string]any)
				text, _ := p["description"].(string)
				if of := resource.FindStringSubmatch(text); of != nil && p["in"] == "path" {
					p["description"] = fmt.Sprintf("The id: what follows `%s/` in the name.", of[1])
				}
			}
		}
	}
}

// join adds a document to another; where both say something they must agree, but
// for lists, which are put together.
func join(to, from map[string]any, at string) error {
	for key, value := range from {
		old, ok := to[key]
		if !ok {
			to[key] = value
			continue
		}
		if a, ok := old.(map[string]any); ok {
			if b, ok := value.(map[string]any); ok {
				if err := join(a, b, at+"/"+key); err != nil {
					return err
				}
				continue
			}
		}
		if a, ok := old.([]any); ok && key == "tags" {
			if b, ok := value.([]any); ok {
				to[key] = append(a, b...)
				continue
			}
		}
		if !reflect.DeepEqual(old, value) {
			return fmt.Errorf("two files disagree about %s/%s", at, key)
		}
	}
	return nil
}

// lay puts one document over another: what it says counts. A null removes.
func lay(to, over map[string]any) {
	for key, value := range over {
		below, isMap := to[key].(map[string]any)
		above, isToo := value.(map[string]any)
		switch {
		case value == nil:
			delete(to, key)
		case isMap && isToo:
			lay(below, above)
		default:
			to[key] = value
		}
	}
}
