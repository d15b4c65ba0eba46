package config

import (
	"fmt"
	"slices"
	"strings"
)

// Problem is one wrong setting.
type Problem struct {
	// Setting is the name, for example "nats-url".
	Setting string
	// Message says what is wrong and the way out.
	Message string
}

// Problems gathers what is wrong. The zero value is ready to use.
type Problems struct {
	list []Problem
}

// Add notes a problem with a setting.
func (p *Problems) Add(setting, format string, args ...any) {
	p.list = append(p.list, Problem{setting, fmt.Sprintf(format, args...)})
}

// Check notes a problem unless ok holds.
func (p *Problems) Check(ok bool, setting, format string, args ...any) {
	if !ok {
		p.Add(setting, format, args...)
	}
}

// Err is nil when there is no problem, else an *InvalidError.
func (p *Problems) Err() error {
	if len(p.list) == 0 {
		return nil
	}
	return &InvalidError{Problems: slices.Clone(p.list)}
}

// InvalidError is the error of a configuration with one or more wrong settings.
type InvalidError struct {
	// Problems in the order they were found; at least one.
	Problems []Problem
}

// Error lists all problems, one a line.
func (e *InvalidError) Error() string {
	if len(e.Problems) == 1 {
		return "setting " + e.Problems[0].line()
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%d settings are wrong:", len(e.Problems))
	for _, p := range e.Problems {
		b.WriteString("\n  " + p.line())
	}
	return b.String()
}

func (p Problem) line() string { return p.Setting + ": " + p.Message }
