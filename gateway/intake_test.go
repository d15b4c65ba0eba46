package gateway_test

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/facestudio/facestudio/gateway"
	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	gatewayv1 "github.com/facestudio/facestudio/proto/gen/facestudio/gateway/v1"
	"github.com/facestudio/facestudio/services/fault"
	"github.com/facestudio/facestudio/services/rpc"
)

const (
	// refusedSent bounds what of a large request is on its way when its refusal
	// comes, and decodedAlloc what a request costs that is refused by its form, bytes:
	// decoded, either of those here would take gigabytes.
	refusedSent  = 16 << 20
	decodedAlloc = 1 << 30
)

// sent counts what a client sends.
type sent struct {
	net.Conn
	bytes *atomic.Int64
}

func (s sent) Write(b []byte) (int, error) {
	n, err := s.Conn.Write(b)
	s.bytes.Add(int64(n))
	return n, err
}

// intake is a client of a gateway that knows who calls, and how much it sent.
type intake struct {
	*guarded
	bytes atomic.Int64
	grpc  *grpc.ClientConn
	http  *http.Client
}

func newIntake(t *testing.T) *intake {
	t.Helper()
	tenants := filepath.Join(t.TempDir(), "tenants.yaml")
	if err := os.WriteFile(tenants, []byte("tenants:\n  busy: {requests-per-second: 0.001, burst: 1}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	in := &intake{guarded: newGuardedOf(t, rpc.DefaultMaxMessage, gateway.Policy{TenantsFile: tenants})}
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", in.address)
		return sent{conn, &in.bytes}, err
	}
	in.http = &http.Client{Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true, ExpectContinueTimeout: time.Minute}}
	var err error
	in.grpc, err = grpc.NewClient("passthrough:///"+in.address, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, address string) (net.Conn, error) { return dial(ctx, "tcp", address) }))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = in.grpc.Close() })
	return in
}

// measured is what a call made this process send and allocate, bytes.
func (in *intake) measured(call func()) (sent int64, allocated uint64) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	begun := in.bytes.Load()
	call()
	runtime.ReadMemStats(&after)
	return in.bytes.Load() - begun, after.TotalAlloc - before.TotalAlloc
}

// TestALargeRequestOfNobodyIsNotRead sends requests of 60 MB of empty elements,
// which would take gigabytes once decoded.
func TestALargeRequestOfNobodyIsNotRead(t *testing.T) {
	in := newIntake(t)
	good := in.key("generations:write").GetSecret()
	busy := in.keyOf("busy", "generations:write").GetSecret()
	message := bytes.Repeat([]byte{0x12, 0x00}, 30<<20)
	message = append([]byte{0x0a, 0x80, 0x80, 0x80, 0x1e}, message...) // the generation, and its subjects
	text := `{"subjects":[{}` + strings.Repeat(",{}", 20<<20) + "]}"
	byGRPC := func(key string) func() (string, error) {
		return func() (string, error) {
			err := in.grpc.Invoke(in.as(key), gatewayv1.GenerationService_CreateGeneration_FullMethodName, message, nil, grpc.ForceCodecV2(rawCodec{}))
			return fault.From(err).Reason.String(), nil
		}
	}
	post := func(key string) (string, error) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+in.address+"/v1/generations", strings.NewReader(text))
		if err != nil {
			return "", err
		}
		req.Header = http.Header{"Authorization": {"Bearer " + key}, "Content-Type": {"application/json"}, "Expect": {"100-continue"}}
		res, err := in.http.Do(req)
		if err != nil {
			return "", err
		}
		defer res.Body.Close()
		body, err := io.ReadAll(res.Body)
		_, reason, _ := strings.Cut(string(body), `"reason":"`)
		reason, _, _ = strings.Cut(reason, `"`)
		return "REASON_" + reason, err
	}
	byREST := func(key string) func() (string, error) {
		return func() (string, error) { return post(key) }
	}
	// The tenant uses up what it may.
	if _, err := gatewayv1.NewGenerationServiceClient(in.grpc).CreateGeneration(in.as(busy), &gatewayv1.CreateGenerationRequest{}); err == nil {
		t.Fatal("an empty generation was made")
	}
	tests := []struct {
		name   string
		call   func() (string, error)
		reason faultv1.Reason
		// unread says that the request is refused before it is read.
		unread bool
	}{
		{"gRPC, nobody", byGRPC("fsk_x"), faultv1.Reason_REASON_CREDENTIALS_INVALID, true},
		{"gRPC, too often", byGRPC(busy), faultv1.Reason_REASON_RATE_LIMITED, true},
		{"gRPC", byGRPC(good), faultv1.Reason_REASON_INVALID_FIELD, false},
		{"REST, nobody", byREST("fsk_x"), faultv1.Reason_REASON_CREDENTIALS_INVALID, true},
		{"REST, too often", byREST(busy), faultv1.Reason_REASON_RATE_LIMITED, true},
		{"REST", byREST(good), faultv1.Reason_REASON_INVALID_FIELD, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var reason string
			sent, allocated := in.measured(func() {
				var err error
				if reason, err = test.call(); err != nil {
					t.Error(err)
				}
			})
			if reason != test.reason.String() {
				t.Errorf("got %s", reason)
			}
			if test.unread && sent > refusedSent || allocated > decodedAlloc {
				t.Errorf("%d bytes were sent and %d allocated", sent, allocated)
			}
		})
	}
}
