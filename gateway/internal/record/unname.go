package record

import (
	"context"
	"errors"
	"fmt"

	gatewayv1 "github.com/facestudio/facestudio/proto/gen/facestudio/gateway/v1"
	"github.com/facestudio/facestudio/services/jobqueue"
)

// Deleted stands in a generation for a subject that was deleted since.
const Deleted = "subjects/deleted"

// Unname makes a tenant's generations that have ended not name a subject any
// more: where they did, they name Deleted, and what the caller called it there is
// gone, with the prompt and the labels, which may tell of the person. Before that,
// first is called for each, and for those under way; it may change the pictures of
// one that has ended. Unname returns which those are, and which that name it are
// under way, or changed just then. They expire when they would have.
func (s *Store) Unname(ctx context.Context, tenant, subject string,
	first func(jobqueue.RecordKey, *gatewayv1.Generation) error,
) (ended, underWay []jobqueue.RecordKey, err error) {
	entries, err := s.records.List(ctx, tenant)
	if err != nil {
		return nil, nil, fmt.Errorf("list generations: %w", err)
	}
	for _, entry := range entries {
		g, err := Decode(entry.Record.GetValue())
		if err != nil {
			return ended, underWay, err
		}
		if !unname(g, subject) {
			continue
		}
		if err := first(entry.Key, g); err != nil {
			return ended, underWay, err
		}
		if !entry.Record.GetTerminal() {
			underWay = append(underWay, entry.Key)
			continue
		}
		value, err := Encode(g)
		if err != nil {
			return ended, underWay, err
		}
		switch err := s.records.Rewrite(ctx, entry, value); {
		case err == nil:
			ended = append(ended, entry.Key)
		case errors.Is(err, jobqueue.ErrStale):
			underWay = append(underWay, entry.Key)
		case !errors.Is(err, jobqueue.ErrNotFound):
			return ended, underWay, fmt.Errorf("rewrite generation: %w", err)
		}
	}
	return ended, underWay, nil
}

// unname tells whether the generation named the subject.
func unname(g *gatewayv1.Generation, subject string) bool {
	labels, named := map[string]bool{}, false
	forget := func(name *string, label *string) {
		if *name != subject {
			return
		}
		named = true
		labels[*label] = true
		*name, *label = Deleted, ""
	}
	for _, s := range g.GetSubjects() {
		forget(&s.Subject, &s.Name)
		for _, part := range s.GetMix() {
			forget(&part.Subject, &part.Name)
		}
	}
	if !named {
		return false
	}
	g.Prompt, g.Labels = "", nil
	if g.GetFault() != nil {
		g.Fault.Message = "it ended with a fault about a person who was deleted since"
	}
	for _, picture := range g.GetPictures() {
		for _, face := range picture.GetFaces() {
			if labels[face.GetSubject()] {
				face.Subject = ""
			}
		}
		quiet(picture.GetWarnings())
		for _, try := range picture.GetTries() {
			quiet(try.GetWarnings())
		}
	}
	return true
}

// quiet takes the sentences out of warnings, which may have names; their kinds
// and indices stay.
func quiet(warnings []*gatewayv1.Warning) {
	for _, w := range warnings {
		w.Message = ""
	}
}
