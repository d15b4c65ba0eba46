package command

import (
	"context"
	"os"
	"strings"

	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	"github.com/facestudio/facestudio/services/config"
	"github.com/facestudio/facestudio/services/fault"
)

// credential is the API key or token that calls show. It implements
// credentials.PerRPCCredentials.
type credential struct {
	// Key is the key or token itself. Empty: File has it, or there is none.
	Key config.Secret
	// File has the key or token; it is read anew for each call, since tokens are
	// renewed.
	File string
}

func (c *credential) Register(s *config.Set) {
	s.Secret(&c.Key, "api-key", "API key or token to show to the server; better in the variable than on the command line, which others can see")
	s.String(&c.File, "api-key-file", "", "file with the API key or token, read anew for each call")
}

func (c *credential) Validate(p *config.Problems) {
	p.Check(c.Key == "" || c.File == "", "api-key", "api-key and api-key-file say the same: give one of them")
	if c.File != "" {
		_, err := c.read()
		p.Check(err == nil, "api-key-file", "%v", err)
	}
}

// given tells whether there is one.
func (c *credential) given() bool { return c.Key != "" || c.File != "" }

func (c *credential) read() (string, error) {
	if c.File == "" {
		return string(c.Key), nil
	}
	data, err := os.ReadFile(c.File)
	if err != nil {
		return "", fault.Wrap(err, fault.Unauthenticated, faultv1.Reason_REASON_CREDENTIALS_MISSING, "--api-key-file",
			"%s cannot be read: name a file with an API key or a token", c.File)
	}
	key := strings.TrimSpace(string(data))
	if key == "" || strings.ContainsAny(key, "\r\n") {
		return "", fault.New(fault.Unauthenticated, faultv1.Reason_REASON_CREDENTIALS_MISSING, "--api-key-file",
			"%s must have one line, an API key or a token", c.File)
	}
	return key, nil
}

// GetRequestMetadata implements credentials.PerRPCCredentials.
func (c *credential) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	key, err := c.read()
	if err != nil {
		return nil, fault.ToStatus(err).Err()
	}
	return map[string]string{"authorization": "Bearer " + key}, nil
}

// RequireTransportSecurity implements credentials.PerRPCCredentials. Where TLS is
// needed the settings have been checked for it.
func (c *credential) RequireTransportSecurity() bool { return false }
