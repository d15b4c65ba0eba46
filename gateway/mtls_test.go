package gateway_test

import (
	"testing"
	"time"

	"github.com/facestudio/facestudio/gateway"
	encoderv1 "github.com/facestudio/facestudio/proto/gen/facestudio/encoder/v1"
	"github.com/facestudio/facestudio/services/jobqueue"
	"github.com/facestudio/facestudio/services/rpc"
	"github.com/facestudio/facestudio/services/testkit/certs"
)

// secured offers a stage over gRPC with TLS to clients of an authority, and
// returns its address.
func (m *mesh) secured(stage string, own, clients certs.Identity) string {
	m.t.Helper()
	server, err := rpc.NewServer(m.t.Context(), rpc.Config{
		Listen: "127.0.0.1:0", TLSCert: own.Cert, TLSKey: own.Key, TLSClientCA: clients.Cert,
		MaxMessage: rpc.DefaultMaxMessage, Grace: time.Second,
	}, quiet)
	if err != nil {
		m.t.Fatal(err)
	}
	m.stages.register(stage, server)
	m.run(server.Run)
	return server.Addr()
}

func TestStagesKnowTheirGatewayByItsCertificate(t *testing.T) {
	m := newMesh(t)
	stage, mine, stranger := certs.New(t), certs.New(t), certs.New(t)
	c := gateway.Config{StageCA: stage.Cert, StageCert: mine.Cert, StageKey: mine.Key}
	var encoder string
	for name, transport := range map[string]*string{
		"encoder": &c.Encoder, "prior": &c.Prior, "segmenter": &c.Segmenter, "denoiser": &c.Denoiser,
	} {
		address := m.secured(name, stage, mine)
		if *transport = "grpcs://" + address; name == "encoder" {
			encoder = address
		}
	}
	client, _ := m.serve(c)
	g := m.create(client)
	m.succeeded(client, m.await(client, g.GetName()))

	for name, dial := range map[string]rpc.DialSettings{
		"a stranger":      {CA: stage.Cert, Cert: stranger.Cert, Key: stranger.Key},
		"no certificate":  {CA: stage.Cert},
		"in clear text":   {},
		"the stage's own": {CA: stage.Cert, Cert: stage.Cert, Key: stage.Key},
	} {
		conn, err := rpc.Dial(encoder, dial)
		if err != nil {
			t.Fatal(err)
		}
		// It says the tenant that the stages of this test believe.
		ctx := jobqueue.WithCall(t.Context(), jobqueue.Call{Tenant: "default", Class: jobqueue.Interactive})
		if _, err := encoderv1.NewEncoderServiceClient(conn).EmbedTexts(ctx, &encoderv1.EmbedTextsRequest{}); err == nil {
			t.Errorf("%s: it was served", name)
		}
		_ = conn.Close()
	}
}
