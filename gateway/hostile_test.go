package gateway_test

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/mem"
	reflectionv1 "google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	"github.com/facestudio/facestudio/gateway"
	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	gatewayv1 "github.com/facestudio/facestudio/proto/gen/facestudio/gateway/v1"
	"github.com/facestudio/facestudio/services/fault"
	"github.com/facestudio/facestudio/services/rpc"
)

// rawCodec sends bytes as they are, and does not look at what comes back.
type rawCodec struct{}

func (rawCodec) Name() string { return "proto" }

func (rawCodec) Marshal(v any) (mem.BufferSlice, error) {
	return mem.BufferSlice{mem.SliceBuffer(v.([]byte))}, nil
}

func (rawCodec) Unmarshal(mem.BufferSlice, any) error { return nil }

// small opens a gateway that takes small messages alone, and returns a connection
// to it.
func (m *mesh) small(t *testing.T) *grpc.ClientConn {
	t.Helper()
	queue, _ := m.open()
	s, err := gateway.New(t.Context(), gateway.Env{Bundle: m.bundle, Queue: queue, Blobs: m.blobs, Log: quiet}, gateway.Config{Grace: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	server, err := rpc.NewServer(t.Context(), rpc.Config{Listen: "127.0.0.1:0", MaxMessage: maxHostile, Grace: time.Second}, quiet)
	if err != nil {
		t.Fatal(err)
	}
	s.Register(server)
	m.run(server.Run)
	conn, err := rpc.Dial(server.Addr(), rpc.DialSettings{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// methods are the mesh's methods that a server says it has.
func methods(t *testing.T, conn *grpc.ClientConn) []protoreflect.MethodDescriptor {
	t.Helper()
	stream, err := reflectionv1.NewServerReflectionClient(conn).ServerReflectionInfo(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.Send(&reflectionv1.ServerReflectionRequest{MessageRequest: &reflectionv1.ServerReflectionRequest_ListServices{}}); err != nil {
		t.Fatal(err)
	}
	answer, err := stream.Recv()
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.CloseSend(); err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Recv(); !errors.Is(err, io.EOF) {
		t.Fatal(err)
	}
	var all []protoreflect.MethodDescriptor
	for _, service := range answer.GetListServicesResponse().GetService() {
		if !strings.HasPrefix(service.GetName(), "facestudio.") {
			continue
		}
		d, err := protoregistry.GlobalFiles.FindDescriptorByName(protoreflect.FullName(service.GetName()))
		if err != nil {
			t.Fatal(err)
		}
		of := d.(protoreflect.ServiceDescriptor).Methods()
		for i := range of.Len() {
			all = append(all, of.Get(i))
		}
	}
	return all
}

// call sends bytes to a method as its only message. What is still open when the
// first answer is there is left.
func call(t *testing.T, conn *grpc.ClientConn, method protoreflect.MethodDescriptor, message []byte) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	desc := &grpc.StreamDesc{ClientStreams: method.IsStreamingClient(), ServerStreams: true}
	path := "/" + string(method.Parent().FullName()) + "/" + string(method.Name())
	stream, err := conn.NewStream(ctx, desc, path, grpc.ForceCodecV2(rawCodec{}))
	if err != nil {
		return err
	}
	// Why a message could not be sent, the answer tells.
	_ = stream.SendMsg(message)
	if err := stream.CloseSend(); err != nil {
		return err
	}
	if err := stream.RecvMsg(nil); !errors.Is(err, io.EOF) {
		return err
	}
	return nil
}

// ours are the codes that say that the server is at fault.
var ours = []codes.Code{codes.Internal, codes.Unknown, codes.DataLoss, codes.Unimplemented, codes.DeadlineExceeded}

// TestHostileMessages sends what no client makes to every method: each is answered,
// and never as if the server were at
// fault.
func TestHostileMessages(t *testing.T) {
	conn := newMesh(t).small(t)
	all := methods(t, conn)
	if len(all) < 30 {
		t.Fatalf("reflection tells of %d methods", len(all))
	}
	for _, method := range all {
		t.Run(string(method.FullName()), func(t *testing.T) {
			for _, test := range hostile(method.Input()) {
				err := call(t, conn, method, test.message)
				code := status.Code(err)
				switch {
				case test.tooLarge || code == codes.ResourceExhausted:
					if !test.tooLarge || code != codes.ResourceExhausted {
						t.Errorf("%s, %d bytes: got %v", test.name, len(test.message), err)
					}
				case test.unreadable || test.tooMany:
					if code != codes.InvalidArgument || !fault.Is(err, faultv1.Reason_REASON_INVALID_FIELD) {
						t.Errorf("%s: got %v for what is not decoded", test.name, err)
					}
				case slices.Contains(ours, code):
					t.Errorf("%s: got %v", test.name, err)
				}
			}
			if _, err := gatewayv1.NewBundleServiceClient(conn).ListBundles(t.Context(), &gatewayv1.ListBundlesRequest{}); err != nil {
				t.Errorf("afterwards: %v", err)
			}
		})
	}
}
