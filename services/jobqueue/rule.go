package jobqueue

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	jobqueuev1 "github.com/facestudio/facestudio/proto/gen/facestudio/jobqueue/v1"
	"github.com/facestudio/facestudio/services/fault"
)

// rule is what the contract says about a method's calls.
type rule struct {
	// method is the full gRPC name, "/package.Service/Method".
	method string
	stage  string
	// content is nil when calls are owned.
	content *jobqueuev1.ContentKey
}

// lookupRule finds the rule of a method in the descriptors that the program is
// linked with. Only methods that can travel through the queue have one.
func lookupRule(method string) (rule, error) {
	service, name, ok := strings.Cut(strings.TrimPrefix(method, "/"), "/")
	if !ok {
		return rule{}, fmt.Errorf("method %q has no service", method)
	}
	found, err := protoregistry.GlobalFiles.FindDescriptorByName(protoreflect.FullName(service))
	if err != nil {
		return rule{}, fmt.Errorf("find service %s: %w", service, err)
	}
	descriptor, ok := found.(protoreflect.ServiceDescriptor)
	if !ok {
		return rule{}, fmt.Errorf("%s is no service", service)
	}
	m := descriptor.Methods().ByName(protoreflect.Name(name))
	if m == nil {
		return rule{}, fmt.Errorf("service %s has no method %s", service, name)
	}
	key, ok := proto.GetExtension(m.Options(), jobqueuev1.E_KeyRule).(*jobqueuev1.KeyRule)
	if !ok || key.GetKind() == nil {
		return rule{}, fmt.Errorf("method %s has no key_rule", method)
	}
	if m.IsStreamingClient() {
		return rule{}, fmt.Errorf("method %s streams requests", method)
	}
	stage := stageOf(service)
	if !validToken(stage) {
		return rule{}, fmt.Errorf("service %s has no stage in its name", service)
	}
	return rule{method: method, stage: stage, content: key.GetContent()}, nil
}

// owned says whether calls belong to their owner alone.
func (r rule) owned() bool { return r.content == nil }

// key returns the subject-safe name of a call: "o" and a hash of owner and
// method, or "c" and an HMAC of what determines the result.
func (r rule) key(secret []byte, call Call, bundle string, request proto.Message) (string, error) {
	if r.owned() {
		if call.Owner == "" {
			return "", fault.InvalidField("owner", "method %s is owned work; set jobqueue.Call.Owner", r.method)
		}
		h := sha256.New()
		c := canonical{h}
		for _, part := range []string{call.Tenant, bundle, r.method, call.Owner} {
			c.bytes([]byte(part))
		}
		return "o" + base64.RawURLEncoding.EncodeToString(h.Sum(nil)), nil
	}
	h := hmac.New(sha256.New, secret)
	c := canonical{h}
	c.bytes([]byte(call.Tenant))
	c.scalar(uint64(r.content.GetVersion()))
	c.bytes([]byte(bundle))
	c.bytes([]byte(r.method))
	for _, path := range r.content.GetFields() {
		if err := c.path(request.ProtoReflect(), path); err != nil {
			return "", fmt.Errorf("key_rule of %s: %w", r.method, err)
		}
	}
	return "c" + base64.RawURLEncoding.EncodeToString(h.Sum(nil)), nil
}
