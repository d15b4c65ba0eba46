package e2e_test

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/nats-io/nats.go/jetstream"
	"google.golang.org/grpc"

	gatewayv1 "github.com/facestudio/facestudio/proto/gen/facestudio/gateway/v1"
	"github.com/facestudio/facestudio/services/rpc"
	"github.com/facestudio/facestudio/services/testkit"
)

// Clients watch a generation at gateways when the server dies that has the consumer of
// a gateway's watches, but not the gateways' connections. They are told how it ends.
func TestAWatchOutlivesItsServer(t *testing.T) {
	c := newCluster(t)
	cert, key := c.credentials()
	blobs := t.TempDir()
	js, err := jetstream.New(c.connect())
	if err != nil {
		t.Fatal(err)
	}
	ctx, done := context.WithTimeout(t.Context(), 2*patience)
	defer done()
	var (
		client  gatewayv1.GenerationServiceClient
		name    string
		streams []grpc.ServerStreamingClient[gatewayv1.WatchGenerationResponse]
		dies    int
	)
	for dies == 0 {
		gateway := launch(t, "gateway", "--nats-url", c.url(0), "--nats-ca", c.file(clientCA), "--nats-cert", cert, "--nats-key", key,
			"--nats-replicas", "3", "--listen", "127.0.0.1:0", "--blob-url", "file://"+filepath.Join(blobs, "blobs"),
			"--bundle", testkit.TinyBundleDir(t), "--bundle-cache", testkit.ModelCache(t))
		conn, err := rpc.Dial(gateway.listen, rpc.DialSettings{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		client = gatewayv1.NewGenerationServiceClient(conn)
		if name == "" {
			// Without workers it runs until it is cancelled.
			created, err := client.CreateGeneration(ctx, &gatewayv1.CreateGenerationRequest{Generation: request(t)})
			if err != nil {
				t.Fatal(err)
			}
			name = created.GetName()
		}
		before := c.watches(ctx, js)
		for range 3 {
			stream, err := client.WatchGeneration(ctx, &gatewayv1.WatchGenerationRequest{Name: name})
			if err == nil {
				_, err = stream.Recv()
			}
			if err != nil {
				t.Fatalf("watch: %v", err)
			}
			streams = append(streams, stream)
		}
		now, all := c.watches(ctx, js), 0
		for i := range now {
			all += now[i] - before[i]
			if i > 0 && now[i] > before[i] {
				dies = i
			}
		}
		if all != 1 {
			t.Fatalf("the watches of a gateway are %d consumers", all)
		}
	}
	c.servers[dies].kill()
	for {
		if _, err = client.CancelGeneration(ctx, &gatewayv1.CancelGenerationRequest{Name: name}); err == nil {
			break
		}
		if !passing(err) || ctx.Err() != nil {
			t.Fatalf("cancel: %v", err)
		}
		breathe(ctx)
	}
	for i, stream := range streams {
		var last gatewayv1.State
		for err = nil; err == nil; {
			var event *gatewayv1.WatchGenerationResponse
			if event, err = stream.Recv(); event.GetGeneration() != nil {
				last = event.GetGeneration().GetState()
			}
		}
		if last != gatewayv1.State_STATE_CANCELLED {
			t.Errorf("watch %d of %d was last told %v, %v", i+1, len(streams), last, err)
		}
	}
}

// watches counts the consumers of the records that are told changes alone, by the
// server that has them.
func (c *cluster) watches(ctx context.Context, js jetstream.JetStream) []int {
	c.t.Helper()
	records, err := js.Stream(ctx, "KV_records")
	if err != nil {
		c.t.Fatal(err)
	}
	count := make([]int, len(c.servers))
	listed := records.ListConsumers(ctx)
	for info := range listed.Info() {
		for i := range c.servers {
			if info.Config.DeliverPolicy == jetstream.DeliverNewPolicy && info.Cluster != nil && info.Cluster.Leader == c.name(i) {
				count[i]++
			}
		}
	}
	if err := listed.Err(); err != nil {
		c.t.Fatal(err)
	}
	return count
}
