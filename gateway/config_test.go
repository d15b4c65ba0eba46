package gateway_test

import (
	"strings"
	"testing"

	"github.com/facestudio/facestudio/gateway"
	"github.com/facestudio/facestudio/services/config"
)

func TestConfigTellsEveryWrongSetting(t *testing.T) {
	var c gateway.Config
	set := config.NewSet("gateway", &c)
	err := set.Load([]string{
		"--encoder-transport=carrier pigeon", "--prior-transport=grpc://nowhere", "--segmenter-transport=grpcs://:7",
		"--stage-cert=a.pem", "--generations=0", "--max-waiting=0", "--tenants-file=testdata/wrong.yaml", "--lease=1ms",
	}, func(string) (string, bool) { return "", false })
	if err == nil {
		t.Fatal("it was accepted")
	}
	for _, setting := range []string{"encoder-transport", "prior-transport", "segmenter-transport", "stage-cert", "generations", "lease", "max-waiting", "defaults.weight", "tenants.acme.burst"} {
		if !strings.Contains(err.Error(), setting+":") {
			t.Errorf("%v does not name %s", err, setting)
		}
	}
	if strings.Contains(err.Error(), "denoiser-transport") {
		t.Errorf("%v blames what is right", err)
	}
}

func TestConfigFromFlagsAndEnvironment(t *testing.T) {
	var c gateway.Config
	err := config.NewSet("gateway", &c).Load([]string{"--denoiser-transport=grpcs://denoiser:7001"}, func(name string) (string, bool) {
		return "grpc://127.0.0.1:7002", name == "FACESTUDIO_ENCODER_TRANSPORT"
	})
	if err != nil {
		t.Fatal(err)
	}
	if c.Denoiser != "grpcs://denoiser:7001" || c.Encoder != "grpc://127.0.0.1:7002" || c.Prior != gateway.QueueTransport || c.Generations != 16 {
		t.Errorf("got %+v", c)
	}
}
