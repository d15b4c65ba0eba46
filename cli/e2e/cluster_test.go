package e2e_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/facestudio/facestudio/services/testkit"
	"github.com/facestudio/facestudio/services/testkit/ports"
	"github.com/facestudio/facestudio/services/worker"
)

// cluster is three nats-servers with the configuration of deploy/nats.
type cluster struct {
	t       *testing.T
	dir     string
	config  string
	ports   []int
	routes  []int
	servers []*process
}

// The files of certs/ that clients have.
const (
	clientCA   = "ca.pem"
	meshCert   = "mesh"
	peopleCert = "operator"
)

func newCluster(t *testing.T) *cluster {
	t.Helper()
	c := &cluster{t: t, dir: t.TempDir(), config: filepath.Join(testkit.Root(t), "deploy", "nats", "server.conf")}
	c.ports, c.routes = ports.Free(t, 3), ports.Free(t, 3)
	ca := newAuthority(t)
	ca.write(c.file(clientCA))
	for _, name := range []string{meshCert, peopleCert} {
		ca.issue(c.dir, name, name, false)
	}
	for i := range c.ports {
		certs := filepath.Join(c.folder(i), "certs")
		if err := os.MkdirAll(certs, 0o700); err != nil {
			t.Fatal(err)
		}
		ca.write(filepath.Join(certs, "ca.pem"))
		ca.issue(certs, "server", c.name(i), true)
		c.servers = append(c.servers, nil)
		c.start(i)
	}
	return c
}

func (c *cluster) name(i int) string       { return fmt.Sprintf("server-%d", i+1) }
func (c *cluster) folder(i int) string     { return filepath.Join(c.dir, c.name(i)) }
func (c *cluster) file(name string) string { return filepath.Join(c.dir, name) }
func (c *cluster) url(i int) string        { return fmt.Sprintf("tls://127.0.0.1:%d", c.ports[i]) }
func (c *cluster) credentials() (cert, key string) {
	return c.file(meshCert + ".pem"), c.file(meshCert + ".key")
}

// urls are those of all servers.
func (c *cluster) urls() string {
	all := make([]string, len(c.ports))
	for i := range all {
		all[i] = c.url(i)
	}
	return strings.Join(all, ",")
}

// start starts a server, or starts it again where it was, and returns when it
// serves.
func (c *cluster) start(i int) {
	c.t.Helper()
	env, args := c.command(i)
	c.servers[i] = launchIn(c.t, c.folder(i), env, "natsd", args...)
}

// command is how a server is started, in its folder.
func (c *cluster) command(i int) (env, args []string) {
	var others []string
	for j, port := range c.routes {
		if j != i {
			others = append(others, fmt.Sprintf("nats-route://127.0.0.1:%d", port))
		}
	}
	return []string{
		"NATS_NAME=" + c.name(i), "NATS_HOST=127.0.0.1",
		fmt.Sprintf("NATS_PORT=%d", c.ports[i]), fmt.Sprintf("NATS_ROUTE_PORT=%d", c.routes[i]),
		"NATS_ROUTES=[" + strings.Join(others, ",") + "]",
	}, []string{"-config", c.config}
}

// mesh are the settings of a part of the mesh that connects to these URLs.
func (c *cluster) mesh(urls string) *worker.Mesh {
	cert, key := c.credentials()
	return &worker.Mesh{
		NATSURL: urls, NATSCA: c.file(clientCA), NATSCert: cert, NATSKey: key, NATSWait: patience, Replicas: 3,
	}
}

// connect connects as a part of the mesh does.
func (c *cluster) connect() *nats.Conn {
	c.t.Helper()
	nc, err := c.mesh(c.urls()).Connect(c.t.Context(), "test", slog.New(slog.DiscardHandler), nil)
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(nc.Close)
	return nc
}

// leader is the server that leads a stream.
func (c *cluster) leader(ctx context.Context, js jetstream.JetStream, stream string) int {
	c.t.Helper()
	ctx, done := context.WithTimeout(ctx, patience)
	defer done()
	for ctx.Err() == nil {
		// Nobody answers a question that is asked while there is no leader.
		asking, enough := context.WithTimeout(ctx, 2*time.Second)
		s, err := js.Stream(asking, stream)
		enough()
		if err != nil {
			continue
		}
		for i := range c.servers {
			if info := s.CachedInfo().Cluster; info != nil && info.Leader == c.name(i) {
				return i
			}
		}
	}
	c.t.Fatalf("stream %s has no leader", stream)
	return 0
}

// Nobody without a certificate of the authority gets in, and people see the
// servers but not the mesh.
func TestTheClusterKnowsItsClients(t *testing.T) {
	c := newCluster(t)
	quick := []nats.Option{nats.RootCAs(c.file(clientCA)), nats.Timeout(10 * time.Second)}
	if nc, err := nats.Connect(c.url(0), quick...); err == nil {
		nc.Close()
		t.Error("a stranger is let in")
	}
	other := newAuthority(t)
	other.issue(t.TempDir(), "mesh", "mesh", false)
	dir := t.TempDir()
	other.issue(dir, "forged", "mesh", false)
	if nc, err := nats.Connect(c.url(0), append(quick, nats.ClientCert(filepath.Join(dir, "forged.pem"), filepath.Join(dir, "forged.key")))...); err == nil {
		nc.Close()
		t.Error("a certificate of another authority is let in")
	}
	people, err := nats.Connect(c.url(0), append(quick, nats.ClientCert(c.file(peopleCert+".pem"), c.file(peopleCert+".key")))...)
	if err != nil {
		t.Fatal(err)
	}
	defer people.Close()
	if _, err := people.Request("$SYS.REQ.SERVER.PING", nil, patience); err != nil {
		t.Errorf("an operator cannot ask the servers: %v", err)
	}
	js, err := jetstream.New(people)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := js.AccountInfo(t.Context()); err == nil {
		t.Error("an operator has the mesh's JetStream")
	}
}
