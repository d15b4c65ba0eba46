package config

import (
	"log/slog"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/pflag"
)

// Prefix starts the name of every environment variable.
const Prefix = "FACESTUDIO_"

// Section is the configuration of one package.
type Section interface {
	// Register binds the section's fields, with their defaults, to settings.
	Register(s *Set)
	// Validate adds what is wrong with the values to the problems.
	Validate(p *Problems)
}

// Set is all settings of a program. It is not safe for concurrent use.
type Set struct {
	flags    *pflag.FlagSet
	sections []Section
	secret   map[string]bool
	origin   map[string]string
}

// NewSet registers the sections' settings under a program's name.
func NewSet(name string, sections ...Section) *Set {
	s := &Set{
		flags:  pflag.NewFlagSet(name, pflag.ContinueOnError),
		secret: map[string]bool{},
		origin: map[string]string{},
	}
	s.flags.SortFlags = false
	s.Add(sections...)
	return s
}

// Add registers further sections.
func (s *Set) Add(sections ...Section) {
	for _, section := range sections {
		section.Register(s)
		s.sections = append(s.sections, section)
	}
}

// Flags has a flag for every setting. Parsing them only notes what was given;
// Resolve sets the fields.
func (s *Set) Flags() *pflag.FlagSet { return s.flags }

// Variable is the environment variable of a setting.
func Variable(name string) string {
	return Prefix + strings.ToUpper(strings.ReplaceAll(name, "-", "_"))
}

// String registers a setting of text.
func (s *Set) String(to *string, name, value, usage string) {
	s.add(name, usage, func(f *pflag.FlagSet) { f.StringVar(to, name, value, usage) })
}

// Strings registers a setting of several comma-separated texts.
func (s *Set) Strings(to *[]string, name string, value []string, usage string) {
	s.add(name, usage, func(f *pflag.FlagSet) { f.StringSliceVar(to, name, value, usage) })
}

// Secret registers a setting whose value is never printed.
func (s *Set) Secret(to *Secret, name, usage string) {
	s.secret[name] = true
	s.add(name, usage, func(f *pflag.FlagSet) { f.StringVar((*string)(to), name, "", usage) })
}

// Int registers a whole number.
func (s *Set) Int(to *int, name string, value int, usage string) {
	s.add(name, usage, func(f *pflag.FlagSet) { f.IntVar(to, name, value, usage) })
}

// Float registers a number.
func (s *Set) Float(to *float64, name string, value float64, usage string) {
	s.add(name, usage, func(f *pflag.FlagSet) { f.Float64Var(to, name, value, usage) })
}

// Bool registers a switch.
func (s *Set) Bool(to *bool, name string, value bool, usage string) {
	s.add(name, usage, func(f *pflag.FlagSet) { f.BoolVar(to, name, value, usage) })
}

// Duration registers a length of time such as "30s".
func (s *Set) Duration(to *time.Duration, name string, value time.Duration, usage string) {
	s.add(name, usage, func(f *pflag.FlagSet) { f.DurationVar(to, name, value, usage) })
}

// add registers a flag that keeps its text until Resolve, so that one wrong
// value does not hide the others.
func (s *Set) add(name, usage string, register func(*pflag.FlagSet)) {
	scratch := pflag.NewFlagSet(name, pflag.ContinueOnError)
	register(scratch)
	typed := scratch.Lookup(name)
	flag := s.flags.VarPF(&late{typed: typed.Value}, name, "", usage+" ["+Variable(name)+"]")
	flag.NoOptDefVal = typed.NoOptDefVal
	if flag.DefValue == "[]" {
		flag.DefValue = "" // help shows no default
	}
}

// LogValue lists the settings that differ from their defaults, with secrets
// and passwords in URLs left out.
func (s *Set) LogValue() slog.Value {
	var attrs []slog.Attr
	s.flags.VisitAll(func(f *pflag.Flag) {
		if _, given := s.origin[f.Name]; !given {
			return
		}
		attrs = append(attrs, slog.String(f.Name, s.shown(f.Name, f.Value.String())))
	})
	return slog.GroupValue(attrs...)
}

// shown is a setting's value as it may be printed.
func (s *Set) shown(name, value string) string {
	if s.secret[name] {
		return redacted
	}
	return RedactURL(value)
}

// RedactURL replaces the passwords in one or more comma-separated URLs; other
// text stays as it is.
func RedactURL(value string) string {
	parts := strings.Split(value, ",")
	for i, part := range parts {
		if u, err := url.Parse(part); err == nil && u.User != nil {
			parts[i] = u.Redacted()
		}
	}
	return strings.Join(parts, ",")
}

// late is a flag's value that remembers the texts it was given and hands them
// on when it is resolved.
type late struct {
	typed pflag.Value
	given []string
}

func (l *late) String() string {
	if l.typed == nil {
		return ""
	}
	return l.typed.String()
}

func (l *late) Set(text string) error {
	l.given = append(l.given, text)
	return nil
}

func (l *late) Type() string { return l.typed.Type() }

var _ slog.LogValuer = (*Set)(nil)
