package gateway

import (
	"fmt"

	"google.golang.org/grpc"

	"github.com/facestudio/facestudio/gateway/internal/flow"
	"github.com/facestudio/facestudio/services/rpc"
)

// connect returns the stages, each behind the transport that the configuration
// says.
func (s *Service) connect(queue grpc.ClientConnInterface) (flow.Stages, error) {
	conns := make(map[string]grpc.ClientConnInterface)
	for _, t := range s.config.transports() {
		address, tls, err := parseTransport(*t.to)
		if err != nil {
			return flow.Stages{}, fmt.Errorf("read %s: %w", t.setting, err)
		}
		if address == "" {
			conns[t.stage] = queue
			continue
		}
		settings := rpc.DialSettings{TLS: tls}
		if tls {
			settings.CA, settings.Cert, settings.Key = s.config.StageCA, s.config.StageCert, s.config.StageKey
		}
		conn, err := rpc.Dial(address, settings)
		if err != nil {
			return flow.Stages{}, fmt.Errorf("connect to the %s: %w", t.stage, err)
		}
		s.conns = append(s.conns, conn)
		conns[t.stage] = conn
	}
	return flow.Connect(conns["encoder"], conns["prior"], conns["segmenter"], conns["denoiser"]), nil
}
