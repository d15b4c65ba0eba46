package audit

import (
	"context"
	"slices"
	"strings"

	"google.golang.org/grpc"

	adminv1 "github.com/facestudio/facestudio/proto/gen/facestudio/admin/v1"
	gatewayv1 "github.com/facestudio/facestudio/proto/gen/facestudio/gateway/v1"
)

// Record returns a registrar that registers services with to, those of their
// calls noted that are about people and keys, when they have ended.
func (l *Log) Record(to grpc.ServiceRegistrar) grpc.ServiceRegistrar { return recorded{l, to} }

type recorded struct {
	log *Log
	to  grpc.ServiceRegistrar
}

// RegisterService implements grpc.ServiceRegistrar.
func (r recorded) RegisterService(desc *grpc.ServiceDesc, impl any) {
	noted := *desc
	noted.Methods = slices.Clone(desc.Methods)
	for i := range noted.Methods {
		handle := noted.Methods[i].Handler
		noted.Methods[i].Handler = func(srv any, ctx context.Context, decode func(any) error, before grpc.UnaryServerInterceptor) (any, error) {
			return handle(srv, ctx, decode, r.log.within(before))
		}
	}
	r.to.RegisterService(&noted, impl)
}

// within is the interceptor that notes a call inside another one, nil for none.
func (l *Log) within(before grpc.UnaryServerInterceptor) grpc.UnaryServerInterceptor {
	return func(ctx context.Context, req any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
		noted := func(ctx context.Context, req any) (any, error) {
			out, err := handler(ctx, req)
			l.called(ctx, req, out, err)
			return out, err
		}
		if before == nil {
			return noted(ctx, req)
		}
		return before(ctx, req, info, noted)
	}
}

// called notes a call that has ended, if it is to be noted.
func (l *Log) called(ctx context.Context, req, out any, err error) {
	switch req := req.(type) {
	case *gatewayv1.CreateSubjectRequest:
		if req.GetValidateOnly() {
			return
		}
		subject, _ := out.(*gatewayv1.Subject)
		l.Note(ctx, &adminv1.AuditEntry{Action: adminv1.AuditAction_AUDIT_ACTION_ENROL, Subject: subject.GetName()}, err)
	case *gatewayv1.UpdateSubjectRequest:
		l.Note(ctx, &adminv1.AuditEntry{Action: adminv1.AuditAction_AUDIT_ACTION_UPDATE, Subject: name(req.GetSubject().GetName())}, err)
	case *gatewayv1.DeleteSubjectRequest:
		l.Note(ctx, &adminv1.AuditEntry{Action: adminv1.AuditAction_AUDIT_ACTION_DELETE, Subject: name(req.GetName())}, err)
	case *gatewayv1.CreateGenerationRequest:
		g, _ := out.(*gatewayv1.Generation)
		for _, subject := range named(req.GetGeneration()) {
			l.Note(ctx, &adminv1.AuditEntry{
				Action: adminv1.AuditAction_AUDIT_ACTION_USE, Subject: name(subject), Generation: g.GetName(),
			}, err)
		}
	case *adminv1.CreateKeyRequest:
		key, _ := out.(*adminv1.CreateKeyResponse)
		l.NoteMesh(ctx, &adminv1.AuditEntry{Action: adminv1.AuditAction_AUDIT_ACTION_CREATE_KEY, Key: key.GetKey().GetId()}, err)
	case *adminv1.RevokeKeyRequest:
		// What was asked for may be a whole key, by mistake.
		key, _ := out.(*adminv1.RevokeKeyResponse)
		l.NoteMesh(ctx, &adminv1.AuditEntry{Action: adminv1.AuditAction_AUDIT_ACTION_REVOKE_KEY, Key: key.GetKey().GetId()}, err)
	case *adminv1.RotateKeysRequest:
		l.NoteMesh(ctx, &adminv1.AuditEntry{Action: adminv1.AuditAction_AUDIT_ACTION_ROTATE_KEYS}, err)
	}
}

// maxName bounds what a caller wrote where a name belongs, bytes.
const maxName = 128

// name is cut between letters: entries are stored as UTF-8 alone.
func name(text string) string { return strings.ToValidUTF8(text[:min(len(text), maxName)], "") }

// maxNamed is how many names of a request are noted: as many people as a
// generation shows, with their mixes.
const maxNamed = 64

// named are the enrolled people that a request names, each once.
func named(g *gatewayv1.Generation) []string {
	var names []string
	add := func(name string) {
		if name != "" && !slices.Contains(names, name) && len(names) < maxNamed {
			names = append(names, name)
		}
	}
	for _, subject := range g.GetSubjects() {
		add(subject.GetSubject())
		for _, part := range subject.GetMix() {
			add(part.GetSubject())
		}
	}
	return names
}
