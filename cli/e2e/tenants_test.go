package e2e_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	"github.com/facestudio/facestudio/cli/mesh"
	"github.com/facestudio/facestudio/gateway"
	adminv1 "github.com/facestudio/facestudio/proto/gen/facestudio/admin/v1"
	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	gatewayv1 "github.com/facestudio/facestudio/proto/gen/facestudio/gateway/v1"
	mediav1 "github.com/facestudio/facestudio/proto/gen/facestudio/media/v1"
	"github.com/facestudio/facestudio/services/fault"
	"github.com/facestudio/facestudio/services/rpc"
	"github.com/facestudio/facestudio/services/testkit"
	"github.com/facestudio/facestudio/services/worker"
)

// says is metadata that every call of a connection carries.
type says map[string]string

func (s says) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	return s, nil
}
func (says) RequireTransportSecurity() bool { return false }

// owned is what a tenant has.
type owned struct {
	generation *gatewayv1.Generation
	subject    *gatewayv1.Subject
	// picture is a stored one, by digest.
	picture *mediav1.Picture
	// requests has the ids of the requests that made the generation and the subject.
	requests [2]string
	// tokens are those of the second pages of generations and of subjects.
	tokens [2]string
	// uploaded, upload and style are pictures that have a name.
	uploaded *gatewayv1.StoredPicture
	upload   *gatewayv1.Upload
	style    *gatewayv1.Style
}

// shared is a mesh of two tenants.
type shared struct {
	t       *testing.T
	address string
	// as is what the calls of each tenant carry.
	as map[string]says
	// guarded: who calls is known by keys, and not by what calls say.
	guarded bool
}

func shareMesh(t *testing.T, guarded bool) *shared {
	t.Helper()
	c := mesh.Config{
		DataDir:  t.TempDir(),
		Shared:   worker.Mesh{Bundle: testkit.TinyBundleDir(t), BundleCache: testkit.ModelCache(t)},
		Models:   worker.Models{Library: testkit.Library(t), Provider: "cpu", Threads: threads, Slots: 1},
		RPC:      rpc.Config{Listen: "127.0.0.1:0", MaxMessage: rpc.DefaultMaxMessage, Grace: 10 * time.Second},
		Auth:     gateway.Auth{On: guarded},
		IdlePoll: 50 * time.Millisecond,
	}
	m, err := mesh.Open(t.Context(), c, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- m.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := errors.Join(<-served, m.Close()); err != nil {
			t.Errorf("run the mesh: %v", err)
		}
	})
	s := &shared{t: t, address: m.Addr(), guarded: guarded, as: map[string]says{}}
	for _, tenant := range []string{"ada", "bob"} {
		if s.as[tenant] = (says{"facestudio-tenant": tenant}); guarded {
			s.as[tenant] = says{"authorization": "Bearer " + s.key(c.AdminKeyFile(), tenant)}
		}
	}
	return s
}

// key makes a key of a tenant for everything but what is an operator's.
func (s *shared) key(adminKeyFile, tenant string) string {
	s.t.Helper()
	admin, err := os.ReadFile(adminKeyFile)
	if err != nil {
		s.t.Fatal(err)
	}
	conn := s.dial(says{"authorization": "Bearer " + strings.TrimSpace(string(admin))})
	made, err := adminv1.NewKeyServiceClient(conn).CreateKey(s.t.Context(), &adminv1.CreateKeyRequest{
		Tenant: tenant, Scopes: []string{"generations:read", "generations:write", "pictures:read", "pictures:write", "subjects:read", "subjects:write", "stages:call"},
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return made.GetSecret()
}

func (s *shared) dial(as says) *grpc.ClientConn {
	s.t.Helper()
	conn, err := rpc.Dial(s.address, rpc.DialSettings{}, grpc.WithPerRPCCredentials(as))
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// fill makes everything that a tenant can have.
func (s *shared) fill(conn *grpc.ClientConn) *owned {
	s.t.Helper()
	generations, subjects := gatewayv1.NewGenerationServiceClient(conn), gatewayv1.NewSubjectServiceClient(conn)
	o := &owned{requests: [2]string{uuid.NewString(), uuid.NewString()}}
	var err error
	for i := range 2 {
		enrol := enrolling(example(s.t, "amara"))
		enrol.Subject.KeepPhotos = true
		create := &gatewayv1.CreateGenerationRequest{Generation: request(s.t)}
		if i == 0 {
			create.RequestId, enrol.RequestId = o.requests[0], o.requests[1]
		}
		if o.generation, err = generations.CreateGeneration(s.t.Context(), create); err != nil {
			s.t.Fatal(err)
		}
		o.generation = await(s.t, generations, o.generation.GetName(), nil)
		if o.subject, err = subjects.CreateSubject(s.t.Context(), enrol); err != nil {
			s.t.Fatal(err)
		}
	}
	listed, err := generations.ListGenerations(s.t.Context(), &gatewayv1.ListGenerationsRequest{PageSize: 1})
	if err != nil {
		s.t.Fatal(err)
	}
	enrolled, err := subjects.ListSubjects(s.t.Context(), &gatewayv1.ListSubjectsRequest{PageSize: 1})
	if err != nil {
		s.t.Fatal(err)
	}
	o.tokens = [2]string{listed.GetNextPageToken(), enrolled.GetNextPageToken()}
	s.fillAssets(conn, o)
	o.picture = &mediav1.Picture{Source: &mediav1.Picture_Blob{Blob: o.subject.GetPhotos()[0].GetBlob()}}
	return o
}

// Every method of every service is called with what belongs to another tenant. A
// method without a case fails, so that nobody forgets it.
func TestTenantsCannotReachEachOther(t *testing.T) {
	for name, guarded := range map[string]bool{"known by keys": true, "believed": false} {
		t.Run(name, func(t *testing.T) {
			s := shareMesh(t, guarded)
			ada, bob := s.dial(s.as["ada"]), s.dial(s.as["bob"])
			hers := s.fill(ada)
			protoregistry.GlobalFiles.RangeFiles(func(file protoreflect.FileDescriptor) bool {
				for i := range file.Services().Len() {
					service := file.Services().Get(i)
					if !strings.HasPrefix(string(service.FullName()), "facestudio.") {
						continue
					}
					for j := range service.Methods().Len() {
						s.tryMethod(string(service.Methods().Get(j).FullName()), bob, hers)
					}
				}
				return true
			})
			s.tryHTTP(hers)
			s.stillHers(ada, hers)
		})
	}
}

func (s *shared) tryMethod(method string, bob *grpc.ClientConn, hers *owned) {
	s.t.Helper()
	ctx, done := context.WithTimeout(s.t.Context(), patience)
	defer done()
	if service, ours := strings.CutPrefix(method, "facestudio.admin.v1."); ours {
		// Where nobody knows who calls, whoever reaches the mesh operates it.
		if err := forOperators(ctx, method, bob); s.guarded && err != nil {
			s.t.Errorf("%s: %v", service, err)
		}
		return
	}
	try, ok := intrusions[method]
	if !ok {
		try, ok = assetIntrusions[method]
	}
	if !ok {
		s.t.Errorf("%s has no case in intrusions: add one that calls it with what is another tenant's", method)
		return
	}
	if err := try(ctx, bob, hers); err != nil {
		s.t.Errorf("%s: %v", method, err)
	}
}

// forOperators wants a method to be refused to tenants, whatever they send.
func forOperators(ctx context.Context, method string, conn *grpc.ClientConn) error {
	at := strings.LastIndex(method, ".")
	found, err := protoregistry.GlobalFiles.FindDescriptorByName(protoreflect.FullName(method))
	if err != nil {
		return err
	}
	m := found.(protoreflect.MethodDescriptor)
	in, err := protoregistry.GlobalTypes.FindMessageByName(m.Input().FullName())
	if err != nil {
		return err
	}
	out, err := protoregistry.GlobalTypes.FindMessageByName(m.Output().FullName())
	if err != nil {
		return err
	}
	err = conn.Invoke(ctx, "/"+method[:at]+"/"+method[at+1:], in.New().Interface(), out.New().Interface())
	return wants(err, faultv1.Reason_REASON_SCOPE_MISSING)
}

// wants says what is wrong unless an error has the reason.
func wants(err error, reason faultv1.Reason) error {
	if fault.Is(err, reason) {
		return nil
	}
	return fmt.Errorf("got %w, want %v", orNone(err), reason)
}

var errNone = errors.New("no error")

func orNone(err error) error {
	if err == nil {
		return errNone
	}
	return err
}

func (s *shared) tryHTTP(hers *owned) {
	s.t.Helper()
	for _, path := range []string{
		hers.generation.GetName(), hers.generation.GetName() + ":watch", hers.generation.GetPictures()[0].GetName(), hers.subject.GetName(),
		hers.uploaded.GetName(), hers.upload.GetName(), hers.style.GetName(),
	} {
		req, err := http.NewRequestWithContext(s.t.Context(), http.MethodGet, "http://"+s.address+"/v1/"+path, nil)
		if err != nil {
			s.t.Fatal(err)
		}
		for name, value := range s.as["bob"] {
			req.Header.Set(name, value)
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			s.t.Fatal(err)
		}
		body, err := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if err != nil || res.StatusCode != http.StatusNotFound {
			s.t.Errorf("%s: got %d %s, %v", path, res.StatusCode, body, err)
		}
	}
}

// stillHers looks whether the owner has everything still, and reaches it.
func (s *shared) stillHers(ada *grpc.ClientConn, hers *owned) {
	s.t.Helper()
	client := gatewayv1.NewGenerationServiceClient(ada)
	if len(fetch(s.t, client, hers.generation)) == 0 {
		s.t.Error("the generation has no pictures")
	}
	if _, err := gatewayv1.NewSubjectServiceClient(ada).GetSubject(s.t.Context(), &gatewayv1.GetSubjectRequest{Name: hers.subject.GetName()}); err != nil {
		s.t.Errorf("the subject: %v", err)
	}
	next, err := client.ListGenerations(s.t.Context(), &gatewayv1.ListGenerationsRequest{PageToken: hers.tokens[0]})
	if err != nil || len(next.GetGenerations()) != 1 {
		s.t.Errorf("the second page: %v, %v", next, err)
	}
	s.stillHerAssets(ada, hers)
	if err := detect(s.t.Context(), ada, hers); err != nil {
		s.t.Errorf("the stored photo: %v", err)
	}
}
