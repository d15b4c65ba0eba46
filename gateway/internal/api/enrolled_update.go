package api

import (
	"context"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	gatewayv1 "github.com/facestudio/facestudio/proto/gen/facestudio/gateway/v1"
	"github.com/facestudio/facestudio/services/fault"
)

// changeable are the fields of a subject that can be changed.
var changeable = []string{"display_name", "labels", "expire_time", "consent"}

// UpdateSubject implements SubjectService.
func (s *Subjects) UpdateSubject(ctx context.Context, req *gatewayv1.UpdateSubjectRequest) (*gatewayv1.Subject, error) {
	wanted := req.GetSubject()
	key, err := subjectKey(ctx, wanted.GetName())
	if err != nil {
		return nil, at(err, "subject.name")
	}
	fields, err := updated(req)
	if err != nil {
		return nil, err
	}
	wanted = proto.CloneOf(wanted)
	if err := checkAbout(wanted); err != nil {
		return nil, ofSubject(err)
	}
	_, may, err := s.set.allow(ctx)
	if err != nil {
		return nil, err
	}
	if may.RequireConsent && slices.Contains(fields, "consent") && strings.TrimSpace(wanted.GetConsent()) == "" {
		return nil, ofSubject(noConsent())
	}
	if slices.Contains(fields, "expire_time") {
		if err := checkExpiry(wanted, s.set.Now()); err != nil {
			return nil, ofSubject(err)
		}
	}
	changed, err := s.set.People.Update(ctx, key, wanted.GetEtag(), func(have *gatewayv1.Subject) error {
		to, from := have.ProtoReflect(), wanted.ProtoReflect()
		for _, name := range fields {
			field := to.Descriptor().Fields().ByName(protoreflect.Name(name))
			if from.Has(field) {
				to.Set(field, from.Get(field))
			} else {
				to.Clear(field)
			}
		}
		return nil
	})
	if fault.From(err) != nil && fault.From(err).Field == "etag" {
		return nil, ofSubject(err)
	}
	return changed, err
}

// updated are the fields that an update sets.
func updated(req *gatewayv1.UpdateSubjectRequest) ([]string, error) {
	paths := req.GetUpdateMask().GetPaths()
	if len(paths) == 1 && paths[0] == "*" {
		return changeable, nil
	}
	fields := req.GetSubject().ProtoReflect().Descriptor().Fields()
	if len(paths) == 0 {
		for _, name := range changeable {
			if req.GetSubject().ProtoReflect().Has(fields.ByName(protoreflect.Name(name))) {
				paths = append(paths, name)
			}
		}
		if len(paths) == 0 {
			return nil, fault.InvalidField("update_mask", "nothing is to be changed: set one of %s, or name what is to be cleared", strings.Join(changeable, ", "))
		}
		return paths, nil
	}
	var out []string
	for _, path := range paths {
		switch {
		case slices.Contains(changeable, path):
			out = append(out, path)
		case path == "name" || path == "etag":
			// Says which subject is meant; over REST the mask follows from the body.
		default:
			return nil, fault.InvalidField("update_mask", "%.80q cannot be changed: only %s can", path, strings.Join(changeable, ", "))
		}
	}
	if len(out) == 0 {
		return nil, fault.InvalidField("update_mask", "nothing is to be changed: name one of %s", strings.Join(changeable, ", "))
	}
	return out, nil
}

// ofSubject makes a fault about a field of the subject one about the request.
func ofSubject(err error) error {
	if f := fault.From(err); f.Field != "" {
		return f.At("subject")
	}
	return err
}
