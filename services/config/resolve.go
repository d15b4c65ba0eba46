package config

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/pflag"
	"go.yaml.in/yaml/v3"
)

// Load parses the arguments and resolves the set. The error is pflag.ErrHelp
// when help was asked for, else an *InvalidError.
func (s *Set) Load(args []string, lookup func(string) (string, bool)) error {
	if err := s.flags.Parse(args); err != nil {
		if errors.Is(err, pflag.ErrHelp) {
			return pflag.ErrHelp
		}
		var p Problems
		p.Add("flags", "%v: --help lists them all", err)
		return p.Err()
	}
	if extra := s.flags.Args(); len(extra) > 0 {
		var p Problems
		p.Add("arguments", "%q is not expected: every setting is a flag, --help lists them", extra[0])
		return p.Err()
	}
	return s.Resolve(lookup)
}

// Resolve sets every field from the parsed flags, the environment that lookup
// reads (os.LookupEnv) and the file named by the setting "config", if there is
// one, and validates the sections. The error is an *InvalidError with all problems.
func (s *Set) Resolve(lookup func(string) (string, bool)) error {
	var p Problems
	file := s.file(lookup, &p)
	s.flags.VisitAll(func(f *pflag.Flag) {
		if flag, ok := f.Value.(*late); ok {
			s.resolve(f.Name, flag, lookup, file, &p)
		}
	})
	for name := range file {
		if f := s.flags.Lookup(name); f == nil {
			p.Add(name, "the file has a setting of an unknown name: --help lists them all")
		}
	}
	for _, section := range s.sections {
		section.Validate(&p)
	}
	return p.Err()
}

func (s *Set) resolve(name string, f *late, lookup func(string) (string, bool), file map[string]string, p *Problems) {
	texts, origin := f.given, "flag --"+name
	if len(texts) == 0 {
		if text, ok := lookup(Variable(name)); ok && text != "" {
			texts, origin = []string{text}, "variable "+Variable(name)
		} else if text, ok := file[name]; ok {
			texts, origin = []string{text}, "the file"
		}
	}
	for _, text := range texts {
		s.origin[name] = origin
		if err := f.typed.Set(text); err != nil {
			p.Add(name, "%s says %q, which is no %s", origin, s.shown(name, text), f.typed.Type())
		}
	}
}

// file reads the configuration file, if one is named.
func (s *Set) file(lookup func(string) (string, bool), p *Problems) map[string]string {
	flag := s.flags.Lookup(FileSetting)
	if flag == nil {
		return nil
	}
	var path string
	if l, ok := flag.Value.(*late); ok && len(l.given) > 0 {
		path = l.given[len(l.given)-1]
	} else if v, ok := lookup(Variable(FileSetting)); ok {
		path = v
	}
	if path == "" {
		return nil
	}
	text, err := os.ReadFile(path)
	if err != nil {
		p.Add(FileSetting, "%v: name a readable YAML file", err)
		return nil
	}
	var raw map[string]any
	if err := yaml.Unmarshal(text, &raw); err != nil {
		p.Add(FileSetting, "%s is no YAML of settings and values: %v", path, err)
		return nil
	}
	out := make(map[string]string, len(raw))
	for name, value := range raw {
		switch v := value.(type) {
		case []any:
			parts := make([]string, len(v))
			for i := range v {
				parts[i] = fmt.Sprint(v[i])
			}
			out[name] = strings.Join(parts, ",")
		case map[string]any, nil:
			p.Add(name, "%s gives no plain value: write %s: value", path, name)
		default:
			out[name] = fmt.Sprint(v)
		}
	}
	return out
}

// FileSetting is the setting that names the configuration file.
const FileSetting = "config"

// File is the section of the configuration file itself.
type File struct {
	// Path of a YAML file of settings, "nats-url: nats://host:4222" a line.
	// Empty: none.
	Path string
}

// Register implements Section.
func (f *File) Register(s *Set) {
	s.String(&f.Path, FileSetting, "", "YAML file of settings")
}

// Validate implements Section; the file is checked while it is read.
func (f *File) Validate(*Problems) {}
