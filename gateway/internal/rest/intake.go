package rest

import (
	"context"
	"io"
	"net/http"
	"strings"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	"github.com/facestudio/facestudio/services/wire"
)

// intake is the body of a request, which is read when its caller may make the call
// that it is for: what is asked about the call itself comes when the body was read
// and decoded.
type intake struct {
	api     *API
	request *http.Request
	body    io.ReadCloser
	// method is what the request calls, as soon as that is known.
	method string
	// asked says that the caller was asked about; err refuses the body, and header
	// has the metadata that goes with the refusal.
	asked  bool
	err    error
	header metadata.MD
	// left is how many bytes may come.
	left, limit int64
}

// take has a request's body, if it has one, wait for its method. most bounds it,
// bytes.
func (a *API) take(r *http.Request, most int64) *http.Request {
	if r.ContentLength == 0 {
		return r
	}
	in := &intake{api: a, body: r.Body, left: most, limit: most}
	in.request = r.Clone(r.Context())
	r.Body = in
	return r
}

// called notes which method a request calls. It is an annotator of grpc-gateway,
// which knows it by then, and adds no metadata.
func called(ctx context.Context, r *http.Request) metadata.MD {
	in, ok := r.Body.(*intake)
	if !ok {
		return nil
	}
	if method, ok := runtime.RPCMethod(ctx); ok && in.method == "" {
		in.method = method
		if !hasBytes(method) && in.limit > wire.MaxPlain {
			in.left, in.limit = wire.MaxPlain, wire.MaxPlain
		}
	}
	return nil
}

// hasBytes tells whether a method's requests may be large.
func hasBytes(method string) bool {
	name := strings.ReplaceAll(strings.TrimPrefix(method, "/"), "/", ".")
	d, err := protoregistry.GlobalFiles.FindDescriptorByName(protoreflect.FullName(name))
	if err != nil {
		return false
	}
	m, ok := d.(protoreflect.MethodDescriptor)
	return ok && wire.HasBytes(m.Input())
}

// Read implements io.Reader. Before it is known what the body is for there is none.
func (in *intake) Read(b []byte) (int, error) {
	if in.method == "" {
		return 0, io.EOF
	}
	if !in.asked {
		in.asked = true
		in.err = in.ask()
	}
	if in.err != nil {
		return 0, in.err
	}
	// One more than may come tells that there is more.
	n, err := in.body.Read(b[:min(int64(len(b)), in.left+1)])
	if in.left -= int64(n); in.left < 0 {
		in.err = in.tooLarge()
		return 0, in.err
	}
	return n, err
}

func (in *intake) tooLarge() error {
	if hasBytes(in.method) {
		return &http.MaxBytesError{Limit: in.limit}
	}
	return wire.TooLarge()
}

// ask asks whether the caller may make the call.
func (in *intake) ask() error {
	if in.api.admit == nil {
		return nil
	}
	var stream runtime.ServerTransportStream
	ctx, err := runtime.AnnotateContext(in.request.Context(), in.api.mux, in.request, in.method)
	if err != nil {
		return err
	}
	err = in.api.admit(grpc.NewContextWithServerTransportStream(ctx, &stream), in.method)
	in.header = stream.Header()
	return err
}

// Close implements io.Closer.
func (in *intake) Close() error { return in.body.Close() }

// drain reads what is still to come of an admitted caller's request: one that is
// answered and hung up on while it sends may never see the answer.
func (in *intake) drain() {
	if in.asked && in.err == nil {
		_, _ = io.Copy(io.Discard, io.LimitReader(in.body, in.left))
	}
}

// refuse answers a request with what is wrong: with its body, if that was refused.
func refuse(w http.ResponseWriter, r *http.Request, err error) {
	if in, ok := r.Body.(*intake); ok {
		in.drain()
		if in.err != nil {
			tellLimits(w, in.header)
			err = in.err
		}
	}
	ProblemOf(err).write(w)
}
