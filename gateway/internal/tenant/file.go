package tenant

import (
	"cmp"
	"fmt"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/facestudio/facestudio/services/config"
)

// maxFile bounds the tenants file, bytes.
const maxFile = 16 << 20

var namePattern = regexp.MustCompile(`^[A-Za-z0-9_-]{1,63}$`)

// File is the content of a tenants file. It is not changed once it is read.
type File struct {
	// defaults are what a tenant has that is not named.
	defaults Limits
	// tenants are those that are named, with the defaults for what they do not say.
	tenants map[string]Limits
}

// Of is what a tenant may do.
func (f *File) Of(tenant string) Limits {
	if l, ok := f.tenants[tenant]; ok {
		return l
	}
	return f.defaults
}

// Read reads a tenants file. The error is a *config.InvalidError with everything
// that is wrong, by the names in the file.
func Read(path string) (*File, error) {
	data, err := load(path)
	if err != nil {
		return nil, err
	}
	return parse(data)
}

func load(path string) ([]byte, error) {
	var p config.Problems
	info, err := os.Stat(path)
	switch {
	case err != nil:
		p.Add(fileSetting, "%v: name a readable YAML file", err)
	case info.Size() > maxFile:
		p.Add(fileSetting, "%s has %d bytes, at most %d are read", path, info.Size(), maxFile)
	default:
		data, err := os.ReadFile(path)
		if err == nil {
			return data, nil
		}
		p.Add(fileSetting, "%v: name a readable YAML file", err)
	}
	return nil, p.Err()
}

// fileSetting is the setting that names the file.
const fileSetting = "tenants-file"

func parse(data []byte) (*File, error) {
	var p config.Problems
	var top struct {
		Defaults yaml.Node            `yaml:"defaults"`
		Tenants  map[string]yaml.Node `yaml:"tenants"`
	}
	var root yaml.Node
	if err := yaml.Unmarshal(data, &root); err != nil {
		p.Add(fileSetting, "it is no YAML: %v", err)
		return nil, p.Err()
	}
	f := &File{defaults: Default(), tenants: map[string]Limits{}}
	if len(root.Content) > 0 {
		fill(&p, "", root.Content[0], reflect.ValueOf(&top).Elem())
	}
	fill(&p, "defaults", &top.Defaults, reflect.ValueOf(&f.defaults).Elem())
	f.defaults.validate("defaults", &p)
	if p.Err() != nil {
		// What is wrong with the defaults is told once.
		f.defaults = Default()
	}
	names := make([]string, 0, len(top.Tenants))
	for name := range top.Tenants {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		at, limits, node := "tenants."+name, f.defaults, top.Tenants[name]
		p.Check(namePattern.MatchString(name), at, "a tenant has 1 to 63 letters, digits, underscores and hyphens")
		fill(&p, at, &node, reflect.ValueOf(&limits).Elem())
		limits.validate(at, &p)
		f.tenants[name] = limits
	}
	if err := p.Err(); err != nil {
		return nil, err
	}
	return f, nil
}

// fill sets the fields of a struct that a mapping names; the others stay. It is
// by hand so that one wrong value does not hide the others, and each is told by
// its name.
func fill(p *config.Problems, at string, node *yaml.Node, to reflect.Value) {
	if node.Kind == yaml.AliasNode {
		node = node.Alias
	}
	if node.Kind == 0 || node.Tag == "!!null" {
		return
	}
	if node.Kind != yaml.MappingNode {
		p.Add(cmp.Or(at, fileSetting), "line %d is no mapping: write name: value", node.Line)
		return
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(node.Content); i += 2 {
		name, value := node.Content[i].Value, node.Content[i+1]
		path := strings.TrimPrefix(at+"."+name, ".")
		field, ok := fieldOf(to, name)
		switch {
		case !ok:
			p.Add(path, "line %d has an unknown name: use %s", value.Line, strings.Join(namesOf(to), ", "))
		case seen[name]:
			p.Add(path, "line %d gives it a second time: give it once", value.Line)
		case field.Kind() == reflect.Struct && field.Type() != reflect.TypeFor[yaml.Node]():
			fill(p, path, value, field)
		default:
			if err := value.Decode(field.Addr().Interface()); err != nil {
				// The value may be a secret.
				p.Add(path, "line %d gives no value of its kind, %s", value.Line, kindWord(field.Kind()))
			}
		}
		seen[name] = true
	}
}

func kindWord(k reflect.Kind) string {
	switch k {
	case reflect.Slice:
		return "a list"
	case reflect.Bool:
		return "true or false"
	case reflect.String:
		return "a text"
	case reflect.Float64:
		return "a number"
	case reflect.Map:
		return "a mapping of names"
	default:
		return "a whole number"
	}
}

func fieldOf(v reflect.Value, name string) (reflect.Value, bool) {
	for i := range v.NumField() {
		if v.Type().Field(i).Tag.Get("yaml") == name {
			return v.Field(i), true
		}
	}
	return reflect.Value{}, false
}

func namesOf(v reflect.Value) []string {
	names := make([]string, v.NumField())
	for i := range names {
		names[i] = v.Type().Field(i).Tag.Get("yaml")
	}
	return names
}

// String says how many tenants there are, for logs.
func (f *File) String() string { return fmt.Sprintf("%d tenants", len(f.tenants)) }
