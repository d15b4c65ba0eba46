// Package rest is the public API over HTTP: JSON by grpc-gateway, and by hand
// what JSON is bad at: pictures as files, both ways, and watching. Every request
// becomes a call through a client connection, so that whatever guards gRPC guards
// HTTP, too.
package rest

import (
	"context"
	_ "embed" // the API's document
	"fmt"
	"net/http"
	"strings"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/propagation"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/encoding/protojson"

	restv1 "github.com/facestudio/facestudio/gateway/internal/rest/gen/facestudio/gateway/v1"
	gatewayv1 "github.com/facestudio/facestudio/proto/gen/facestudio/gateway/v1"
)

// Document is the OpenAPI document of the API, JSON.
//
//go:embed gen/openapi.json
var Document []byte

// Settings says what the API takes.
type Settings struct {
	// MaxMessage is the largest message that the server takes, bytes.
	MaxMessage int
	// Admit, if not nil, refuses a call before the body of its request is read. In
	// ctx is the metadata that the call goes out with.
	Admit func(ctx context.Context, method string) error
}

// API answers HTTP requests. It may be used by many goroutines.
type API struct {
	mux         *runtime.ServeMux
	generations gatewayv1.GenerationServiceClient
	pictures    gatewayv1.PictureServiceClient
	maxMessage  int
	admit       func(ctx context.Context, method string) error
}

// marshaler writes JSON without what is unset, and refuses fields that it does
// not know: most are misspelt.
var marshaler = sparing{&runtime.JSONPb{
	MarshalOptions: protojson.MarshalOptions{},
}}

// New returns the API, which calls through a connection.
func New(conn *grpc.ClientConn, s Settings) (*API, error) {
	a := &API{
		generations: gatewayv1.NewGenerationServiceClient(conn), pictures: gatewayv1.NewPictureServiceClient(conn),
		maxMessage: s.MaxMessage, admit: s.Admit,
	}
	a.mux = runtime.NewServeMux(
		runtime.WithMarshalerOption(runtime.MIMEWildcard, marshaler),
		runtime.WithMetadata(called),
		runtime.WithErrorHandler(a.failed),
		runtime.WithRoutingErrorHandler(a.misrouted),
		runtime.WithIncomingHeaderMatcher(incoming),
		runtime.WithOutgoingHeaderMatcher(outgoing),
	)
	ctx := context.Background()
	for _, register := range []func(context.Context, *runtime.ServeMux, *grpc.ClientConn) error{
		restv1.RegisterGenerationServiceHandler, restv1.RegisterSubjectServiceHandler, restv1.RegisterBundleServiceHandler,
		restv1.RegisterPictureServiceHandler, restv1.RegisterStyleServiceHandler,
	} {
		if err := register(ctx, a.mux, conn); err != nil {
			return nil, fmt.Errorf("register the REST API: %w", err)
		}
	}
	for path, handle := range map[string]runtime.HandlerFunc{
		"/v1/{name=generations/*}:watch":      a.watch,
		"/v1/{name=generations/*/pictures/*}": a.picture,
	} {
		if err := a.mux.HandlePath(http.MethodGet, path, handle); err != nil {
			return nil, fmt.Errorf("register %s: %w", path, err)
		}
	}
	if err := a.mux.HandlePath(http.MethodPut, "/v1/{name=uploads/*}", a.appendUpload); err != nil {
		return nil, fmt.Errorf("register uploads: %w", err)
	}
	return a, nil
}

// ServeHTTP implements http.Handler.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if err := checkAddress(r.URL); err != nil {
		ProblemOf(err).write(w)
		return
	}
	// Base64 makes three bytes four.
	limit := int64(a.maxMessage) / 3 * 4
	if r.ContentLength > limit {
		ProblemOf(&http.MaxBytesError{Limit: limit}).write(w)
		return
	}
	r = r.WithContext(otel.GetTextMapPropagator().Extract(r.Context(), propagation.HeaderCarrier(r.Header)))
	r = a.take(r, limit)
	w.Header().Set("Cache-Control", "no-store")
	if r.Method == http.MethodPost && r.URL.Path == "/v1/generations" && isForm(r) {
		a.createByForm(w, r)
		return
	}
	if r.Method == http.MethodPost && r.URL.Path == "/v1/pictures" && isPicture(r) {
		a.createPicture(w, r)
		return
	}
	if r.Method == http.MethodPost && r.URL.Path == "/v1/pictures:detectPeople" && isPicture(r) {
		a.detectPeople(w, r)
		return
	}
	a.mux.ServeHTTP(w, r)
}

// incoming says which headers become metadata of the call, and under which name.
// Authorization does in any case.
func incoming(header string) (string, bool) {
	if header == "Authorization" {
		return "", false
	}
	if name := strings.ToLower(header); strings.HasPrefix(name, "facestudio-") {
		return name, true
	}
	return runtime.DefaultHeaderMatcher(header)
}

// call is the context of a call that is made by hand, with the metadata that the
// request stands for.
func (a *API) call(r *http.Request, method string) (context.Context, error) {
	return runtime.AnnotateContext(r.Context(), a.mux, r, method)
}
