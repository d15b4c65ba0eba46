package bundle

import (
	"fmt"
	"strings"

	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	"github.com/facestudio/facestudio/services/fault"
)

// problems are sentences about what is wrong, each led by a file or key.
type problems []problem

type problem struct{ where, what string }

func (p *problems) add(where, format string, args ...any) {
	*p = append(*p, problem{where, fmt.Sprintf(format, args...)})
}

// check adds a problem unless ok.
func (p *problems) check(ok bool, where, format string, args ...any) {
	if !ok {
		p.add(where, format, args...)
	}
}

// fault makes one fault of all problems with a file; nil when there are none.
// Without a file, the problems are led by files, and the first one's counts.
func (p problems) fault(file string) error {
	if len(p) == 0 {
		return nil
	}
	sentences := make([]string, len(p))
	for i, problem := range p {
		sentences[i] = strings.TrimSpace(problem.where + " " + problem.what)
	}
	if file == "" {
		file = p[0].where
	}
	return invalid(file, "%s", strings.Join(sentences, "; "))
}

// invalid is the fault of a wrong file of a bundle.
func invalid(file, format string, args ...any) *fault.Fault {
	return fault.New(fault.Precondition, faultv1.Reason_REASON_BUNDLE_INVALID, file, format, args...)
}

// roleMissing is the fault of asking for a model that a bundle does not have.
func roleMissing(message string) error {
	return fault.New(fault.Precondition, faultv1.Reason_REASON_ROLE_MISSING, "", "%s", message)
}
