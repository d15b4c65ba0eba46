// Package filter reads filters of lists, a part of AIP-160's language, and says
// what passes them. https://google.aip.dev/160
package filter

import (
	"fmt"
	"strings"
	"time"

	"go.einride.tech/aip/filtering"
	expr "google.golang.org/genproto/googleapis/api/expr/v1alpha1"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/facestudio/facestudio/services/fault"
)

const (
	// MaxLength bounds a filter, characters.
	MaxLength = 1000
	// maxDepth bounds how deep parentheses stand in each other: the parser
	// recurses.
	maxDepth = 20
)

// Names of what can be compared.
const (
	createTime = "create_time"
	labels     = "labels"
	state      = "state"
)

// Entry is what a filter looks at.
type Entry struct {
	// CreateTime is when it was created.
	CreateTime time.Time
	// Labels are the caller's.
	Labels map[string]string
	// State is the name of an enum's value; empty where there are no states.
	State string
}

// Filter says what passes. The zero value lets everything pass.
type Filter struct{ passes func(Entry) bool }

// Passes tells whether an entry passes.
func (f Filter) Passes(e Entry) bool { return f.passes == nil || f.passes(e) }

// Language is what filters of one list may say. It may be used by many
// goroutines.
type Language struct {
	declared *filtering.Declarations
	names    string
}

// MustLanguage returns the language of a list whose entries have labels and a
// creation time and, unless the enum is nil, a state. It panics when a value of
// the enum is called like one of these.
func MustLanguage(states protoreflect.EnumType) *Language {
	text, moment := filtering.TypeString, filtering.TypeTimestamp
	options := []filtering.DeclarationOption{
		filtering.DeclareIdent(createTime, moment),
		filtering.DeclareIdent(labels, filtering.TypeMap(text, text)),
		filtering.DeclareFunction(filtering.FunctionTimestamp,
			filtering.NewFunctionOverload(filtering.FunctionOverloadTimestampString, moment, text)),
		filtering.DeclareFunction(filtering.FunctionHas,
			filtering.NewFunctionOverload(filtering.FunctionOverloadHasMapStringString, filtering.TypeBool, filtering.TypeMap(text, text), text)),
		filtering.DeclareFunction(filtering.FunctionAnd, overload("AND_bool", filtering.TypeBool)),
		filtering.DeclareFunction(filtering.FunctionOr, overload("OR_bool", filtering.TypeBool)),
		filtering.DeclareFunction(filtering.FunctionNot,
			filtering.NewFunctionOverload(filtering.FunctionOverloadNotBool, filtering.TypeBool, filtering.TypeBool)),
	}
	for name := range comparisons {
		options = append(options, filtering.DeclareFunction(name,
			filtering.NewFunctionOverload(name+"_timestamp", filtering.TypeBool, moment, moment),
			// The checker knows this name, and then checks the text.
			filtering.NewFunctionOverload(name+"_timestamp_string", filtering.TypeBool, moment, text)))
	}
	for _, name := range []string{filtering.FunctionEquals, filtering.FunctionNotEquals} {
		options = append(options, filtering.DeclareFunction(name, overload(name+"_string", text)))
	}
	l := &Language{names: createTime + " and " + labels}
	if states != nil {
		options = append(options, filtering.DeclareEnumIdent(state, states))
		l.names = state + ", " + l.names
	}
	var err error
	if l.declared, err = filtering.NewDeclarations(options...); err != nil {
		panic(fmt.Errorf("declare the language of filters: %w", err))
	}
	return l
}

func overload(id string, of *expr.Type) *expr.Decl_FunctionDecl_Overload {
	return filtering.NewFunctionOverload(id, filtering.TypeBool, of, of)
}

// Parse reads a filter; an empty one lets everything pass. It fails with
// INVALID_FIELD of field "filter".
func (l *Language) Parse(text string) (Filter, error) {
	if strings.TrimSpace(text) == "" {
		return Filter{}, nil
	}
	if n := len(text); n > MaxLength {
		return Filter{}, fault.InvalidField("filter", "it has %d bytes, at most %d are read: shorten it", n, MaxLength)
	}
	if strings.Count(text, "(") > maxDepth {
		return Filter{}, fault.InvalidField("filter", "it has more than %d parentheses: leave some out", maxDepth)
	}
	parsed, err := filtering.ParseFilterString(text, l.declared)
	if err != nil {
		return Filter{}, l.bad(err)
	}
	passes, err := condition(parsed.CheckedExpr.GetExpr())
	if err != nil {
		return Filter{}, l.bad(err)
	}
	return Filter{passes}, nil
}

func (l *Language) bad(err error) error {
	f := fault.InvalidField("filter", `it cannot be read: compare %s, for example create_time > "2026-01-02T15:04:05Z" AND labels.team = "blue"`, l.names)
	f.Err = err
	return f
}
